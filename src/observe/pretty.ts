// Readable text for a terminal: time, what happened, the rest as `key=value`.
// log-output.ts passes each JSON line through it when a person looks on.
// Never lets control characters of a peer reach the terminal.

type Line = Readonly<Record<string, unknown>>;

/** Not shown again behind the text. */
const LEAD = new Set(['time', 'level', 'msg', 'event', 'id', 'from', 'to', 'alarm', 'text']);

/** ANSI colours: grey, none, yellow, red. */
const colours: Readonly<Record<string, string>> = { debug: '\x1b[90m', warn: '\x1b[33m', error: '\x1b[31m' };
const PLAIN = '\x1b[0m';

/** `json` is a line of the log; so is the result, with its line end. */
export function prettyLine(json: string, colour: boolean): string {
  const line: Line = JSON.parse(json);
  const rest = Object.entries(line)
    .filter(([key, value]) => !LEAD.has(key) && value !== null)
    .map(([key, value]) => `${key}=${shown(value)}`);
  const text = [localTime(String(line.time)), lead(line), ...rest].join(' ').replace(/\p{Cc}+/gu, ' ');
  const paint = colour ? colours[String(line.level)] : undefined;
  return paint === undefined ? `${text}\n` : `${paint}${text}${PLAIN}\n`;
}

function lead(line: Line): string {
  if (line.event === undefined) return String(line.msg);
  if (line.event === 'alarm') return `ALARM ${line.alarm}: ${line.text}`;
  const from = line.from === undefined || line.from === null ? [] : [`<${line.from}>`];
  const to = [line.to ?? []].flat().map((address) => `→ <${address}>`);
  return [line.event, line.id, ...from, ...to].filter((part) => part !== undefined).join(' ');
}

function shown(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

/** Hours to seconds, in the zone of whoever looks. */
function localTime(iso: string): string {
  return new Date(iso).toTimeString().slice(0, 8);
}
