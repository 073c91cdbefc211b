// Readable text for a terminal: one line for each event, the rest as `key=value`.
// pino-pretty calls it for each line when a person looks on.
// Never lets control characters of a peer reach the terminal.

type Line = Readonly<Record<string, unknown>>;

/** Not shown again behind the text. */
const SHOWN = new Set(['time', 'level', 'msg', 'event', 'id', 'from', 'to', 'alarm', 'text']);

export function prettyLine(line: Line): string {
  const rest = Object.entries(line)
    .filter(([key, value]) => !SHOWN.has(key) && value !== null && value !== undefined)
    .map(([key, value]) => `${key}=${shown(value)}`);
  return [lead(line), ...rest].join(' ').replace(/\p{Cc}+/gu, ' ');
}

function lead(line: Line): string {
  if (line.event === undefined) return String(line.msg ?? '');
  if (line.event === 'alarm') return `ALARM ${line.alarm}: ${line.text}`;
  const path = line.to === undefined ? [] : [`<${line.from ?? ''}> → ${[line.to].flat().join(', ')}`];
  return [line.event, line.id, ...path].filter((part) => part !== undefined).join(' ');
}

function shown(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value);
}
