// DKIM by hand: signs messages and verifies them, Ed25519, relaxed/relaxed (RFC 6376, RFC 8463).
// Used to see that what a client signed arrives as it was signed; knows nothing of the daemon's own code.
// Never looks up a key: the test has both halves.
import { createHash, type KeyObject, sign as signOctets, verify as verifyOctets } from 'node:crypto';

/** A message that carries a signature over these fields (in their order, names may repeat) and its body. */
export function signed(message: string, names: readonly string[], key: KeyObject): string {
  const bh = createHash('sha256')
    .update(relaxedBody(split(message).body))
    .digest('base64');
  const unsigned =
    `DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.net; s=test;\r\n` +
    `\th=${names.join(' : ')};\r\n\tbh=${bh}; b=`;
  const b = signOctets(null, hashOf(split(message).fields, names, unsigned), key).toString('base64');
  return `${unsigned}${b}\r\n${message}`;
}

/** Whether the first DKIM-Signature of the message holds. */
export function verifies(message: string, key: KeyObject): boolean {
  const { fields, body } = split(message);
  const at = fields.findIndex((field) => /^dkim-signature:/i.test(field));
  const signature = fields[at];
  if (signature === undefined) throw new Error('the message is not signed');
  const tags = tagsOf(signature);
  const bh = createHash('sha256').update(relaxedBody(body)).digest('base64');
  if (tags.get('bh') !== bh) return false;
  const names = (tags.get('h') ?? '').split(':');
  const others = fields.filter((_, index) => index !== at);
  const unsigned = signature.replace(/([;\s]b=)[^;]*/, '$1');
  const b = Buffer.from(tags.get('b') ?? '', 'base64');
  return verifyOctets(null, hashOf(others, names, unsigned), key, b);
}

/** Fields with their folds, without the CRLF at their end. */
function split(message: string): { fields: string[]; body: string } {
  const end = message.indexOf('\r\n\r\n');
  const header = message.slice(0, end);
  return { fields: header.split(/\r\n(?![ \t])/), body: message.slice(end + 4) };
}

function tagsOf(field: string): Map<string, string> {
  const value = field.slice(field.indexOf(':') + 1).replace(/\s+/g, '');
  return new Map(
    value.split(';').map((tag) => [tag.slice(0, tag.indexOf('=')), tag.slice(tag.indexOf('=') + 1)]),
  );
}

/** RFC 8463 §3: the hash is what is signed. RFC 6376 §5.4.2: of several fields of a name, the last one first. */
function hashOf(fields: readonly string[], names: readonly string[], signature: string): Buffer {
  const left = [...fields];
  const taken = names.flatMap((name) => {
    const at = left.findLastIndex((field) => nameOf(field) === name.toLowerCase());
    return at < 0 ? [] : left.splice(at, 1);
  });
  const lines = taken.map((field) => `${relaxedField(field)}\r\n`).join('');
  return createHash('sha256')
    .update(`${lines}${relaxedField(signature)}`, 'latin1')
    .digest();
}

function nameOf(field: string): string {
  return field.slice(0, field.indexOf(':')).trim().toLowerCase();
}

/** RFC 6376 §3.4.2. */
function relaxedField(field: string): string {
  const value = field.slice(field.indexOf(':') + 1);
  return `${nameOf(field)}:${value
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .trim()}`;
}

/** RFC 6376 §3.4.4. */
function relaxedBody(body: string): string {
  const lines = body.split('\r\n').map((line) => line.replace(/[ \t]+/g, ' ').replace(/ $/, ''));
  while (lines.at(-1) === '') lines.pop();
  return lines.map((line) => `${line}\r\n`).join('');
}
