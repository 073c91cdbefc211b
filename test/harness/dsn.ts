// Reads a delivery status notification back into its parts, strictly.
// Scenarios and unit tests look at the reports that the daemon sends with it.
// Never shares code with what builds reports: a mistake there must show here.

export interface ParsedDsn {
  /** Names in lower case, values unfolded; so are all fields here. */
  readonly headers: ReadonlyMap<string, string>;
  /** The words for people, decoded, lines joined by `\n`. */
  readonly human: string;
  readonly perMessage: ReadonlyMap<string, string>;
  readonly recipients: readonly ReadonlyMap<string, string>[];
  readonly returned: { readonly type: string; readonly content: string };
}

/** Throws when `raw` is not a multipart/report of three parts as RFC 3464 and RFC 6522 have it. */
export function parseDsn(raw: Buffer | string): ParsedDsn {
  const message = splitEntity(raw.toString('latin1'));
  const type = required(message.headers, 'content-type');
  if (!/^multipart\/report;.*report-type=delivery-status/i.test(type))
    throw new Error(`not a report: ${type}`);
  const boundary = /boundary="([^"]{1,70})"/.exec(type)?.[1];
  if (boundary === undefined) throw new Error(`no boundary: ${type}`);
  const [words, status, original, ...others] = splitParts(message.body, boundary).map(splitEntity);
  if (!words || !status || !original || others.length > 0) throw new Error('not three parts');
  const [perMessage, ...recipients] = groups(expectType(status, 'message/delivery-status').body);
  if (perMessage === undefined || recipients.length === 0) throw new Error('no recipients');
  return {
    headers: message.headers,
    human: decode(expectType(words, 'text/plain')).replaceAll('\r\n', '\n'),
    perMessage,
    recipients,
    returned: { type: required(original.headers, 'content-type'), content: decode(original) },
  };
}

interface Entity {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

function splitEntity(text: string): Entity {
  const blank = text.indexOf('\r\n\r\n');
  if (blank < 0) throw new Error(`no blank line in ${text.slice(0, 80)}`);
  return { headers: parseFields(text.slice(0, blank + 2)), body: text.slice(blank + 4) };
}

function splitParts(body: string, boundary: string): string[] {
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`);
  const end = pieces.pop();
  if (end === undefined || !/^--\s*$/.test(end)) throw new Error('no closing boundary');
  return pieces.slice(1).map((piece) => {
    if (!piece.startsWith('\r\n')) throw new Error('text behind a boundary');
    return piece.slice(2);
  });
}

function groups(body: string): ReadonlyMap<string, string>[] {
  return body
    .split('\r\n\r\n')
    .filter((group) => group.trim() !== '')
    .map((group) => parseFields(`${group.replace(/\r\n$/, '')}\r\n`));
}

/** Throws on a line that is no field, and on a field that comes twice (Received apart). */
function parseFields(section: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of section.replace(/\r\n(?=[ \t])/g, '').split('\r\n')) {
    if (line === '') continue;
    const [, name, value] = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Error(`not a field: ${line}`);
    const key = name.toLowerCase();
    if (fields.has(key) && key !== 'received') throw new Error(`twice: ${name}`);
    fields.set(key, value);
  }
  return fields;
}

function decode({ headers, body }: Entity): string {
  if (headers.get('content-transfer-encoding') !== 'quoted-printable') return body;
  const octets = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, 'latin1').toString('utf8');
}

function expectType(entity: Entity, type: string): Entity {
  const found = required(entity.headers, 'content-type');
  if (!found.toLowerCase().startsWith(type)) throw new Error(`${type} expected, ${found} found`);
  return entity;
}

function required(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name);
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
}
