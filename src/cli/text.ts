// Words for people: sizes, ages and moments, and text of strangers made safe to print.
// Listings use it; table.ts puts the words in columns.
// Never prints a control character that a remote server sent: a terminal obeys them.
import type { Failure } from '../delivery/failure.ts';
import type { EntryView, Waiting } from '../operations/operations.ts';

/** Strangers' text on one line, without control characters. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\r\n\t]+/g, ' ').replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
}

/** `512B`, `4.2KB`, `25MB`: octets in the units of the settings. */
export function sizeText(octets: number): string {
  let size = octets;
  for (const unit of ['B', 'KB', 'MB', 'GB']) {
    if (size < 1000 || unit === 'GB')
      return unit === 'B' || size >= 10 ? `${Math.round(size)}${unit}` : `${size.toFixed(1)}${unit}`;
    size /= 1024;
  }
  return '';
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** The largest whole unit: `42s`, `5h`. */
export function durationText(ms: number): string {
  for (const [unit, length] of units) {
    if (ms >= length) return `${Math.floor(ms / length)}${unit}`;
  }
  return '0s';
}

/** Every unit that there is something of: `2d3h16m`, `0s`. */
export function elapsedText(ms: number): string {
  let left = Math.round(ms / 1000) * 1000;
  const parts = units.map(([unit, length]) => {
    const whole = Math.floor(left / length);
    left -= whole * length;
    return whole === 0 ? '' : `${whole}${unit}`;
  });
  return parts.join('') || '0s';
}

/** `in 4m`, or `now` for what is due. Rounded: what was said to last 2 hours begins with `in 2h`. */
export function untilText(iso: string | null, now: number): string {
  if (iso === null) return '-';
  const left = Date.parse(iso) - now;
  if (left <= 0) return 'now';
  const unit = units.find(([, length]) => left >= length)?.[1] ?? 1000;
  return `in ${durationText(Math.max(1, Math.round(left / unit)) * unit)}`;
}

/** `2h ago`. */
export function sinceText(iso: string, now: number): string {
  return `${durationText(Math.max(0, now - Date.parse(iso)))} ago`;
}

/** `2026-11-22 10:00:00Z`. */
export function momentText(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
}

export function windowText(opening: string): string {
  return `waits for its window until ${momentText(opening)}`;
}

/** For a quota, or for the warm-up of an address. */
export function waitingText({ reason, until }: Waiting): string {
  return plain(`waits until ${momentText(until)}: ${reason}`);
}

/** The way of mail; `-` where it was held before it had one. */
export function routeText(entry: EntryView): string {
  return entry.state === 'held' && entry.route === 'held' ? '-' : plain(wayText(entry));
}

/** `direct@192.0.2.10`: a route, and the address of ours that its mail leaves from. */
export function wayText({ route, source }: { route: string; source: string | null }): string {
  return source === null ? route : `${route}@${source}`;
}

export function addressText(address: string): string {
  return address === '' ? '<>' : plain(address);
}

/** `5m, as the reply asks`, or null where it named no time. */
export function hintText({ retryAfter }: Failure): string | null {
  return retryAfter === undefined ? null : `${elapsedText(retryAfter)}, as the reply asks`;
}

/** One line that tells why: `4.4.1 mx.example.org[192.0.2.1] connection timed out`. */
export function failureText({ status, host, ip, text }: Failure): string {
  const peer = host === undefined ? '' : `${host}${ip === undefined ? '' : `[${ip}]`} `;
  return plain(`${status} ${peer}${text}`);
}

export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
