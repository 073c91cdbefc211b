// Durations, sizes, rates and shares as people write them: `4h`, `50MB`, `300/minute`, `1%`.
// fields.ts reads them out of YAML, print.ts writes them back.
// Never guesses: text that is not wholly understood is null.
import type { Rate } from '../policy/policy.ts';

/** Milliseconds a unit, the largest first. */
const durationUnits: ReadonlyMap<string, number> = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]);

/** Octets a unit, the largest first. Powers of 1024, as mail servers have always counted. */
const sizeUnits: ReadonlyMap<string, number> = new Map([
  ['TB', 1024 ** 4],
  ['GB', 1024 ** 3],
  ['MB', 1024 ** 2],
  ['KB', 1024],
  ['B', 1],
]);

const rateUnits: ReadonlyMap<string, number> = new Map([
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
]);

/** Milliseconds of `30s`, `5m`, `4h`, `2d`, `250ms`; `0` needs no unit. */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0;
  const parts = /^(\d{1,12}(?:\.\d{1,3})?)\s?(ms|s|m|h|d)$/.exec(text);
  if (parts === null) return null;
  return wholeNumber(Number(parts[1]) * (durationUnits.get(parts[2] as string) as number));
}

/** Octets of `50MB`, `512KB`, `1.5GB` or a bare number. Case does not matter; `M` and `MiB` mean `MB`. */
export function parseSize(text: string): number | null {
  const parts = /^(\d{1,15}(?:\.\d{1,3})?)\s?([KMGT]?)(?:I?B)?$/.exec(text.toUpperCase());
  if (parts === null) return null;
  return wholeNumber(Number(parts[1]) * (sizeUnits.get(`${parts[2]}B`) as number));
}

/** `14/second`, `300/minute`, `1000/hour`, `5000/day`. Zero is not a rate. */
export function parseRate(text: string): Rate | null {
  const parts = /^(\d{1,12})\s?\/\s?(second|minute|hour|day)$/.exec(text);
  if (parts === null || Number(parts[1]) === 0) return null;
  return { count: Number(parts[1]), per: rateUnits.get(parts[2] as string) as number };
}

/** 0 to 1 of `1%`, `0.5%`, `100%`. */
export function parseShare(text: string): number | null {
  const parts = /^(\d{1,3}(?:\.\d{1,3})?)\s?%$/.exec(text);
  const percent = Number(parts?.[1]);
  return parts === null || percent > 100 ? null : percent / 100;
}

/** The shortest exact way to write a duration in milliseconds. */
export function formatDuration(ms: number): string {
  return ms === 0 ? '0' : inLargestUnit(ms, durationUnits);
}

/** The shortest exact way to write a number of octets. */
export function formatSize(octets: number): string {
  return inLargestUnit(octets, sizeUnits);
}

export function formatRate(rate: Rate): string {
  for (const [unit, per] of rateUnits) if (per === rate.per) return `${rate.count}/${unit}`;
  return `${rate.count}/${formatDuration(rate.per)}`;
}

export function formatShare(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}

function inLargestUnit(amount: number, units: ReadonlyMap<string, number>): string {
  for (const [unit, worth] of units) if (amount % worth === 0) return `${amount / worth}${unit}`;
  return String(amount);
}

function wholeNumber(value: number): number | null {
  return Number.isSafeInteger(Math.round(value)) ? Math.round(value) : null;
}
