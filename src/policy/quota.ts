// Quotas: how much in which window, and when the present window began and ends.
// quota-schema.ts reads them, compile.ts gives them to routes and senders; limits/budgets.ts keeps count.
// Never counts and never reads a clock: the moment is handed in.
import { formatDuration } from '../config/quantities.ts';
import type { Subject } from './match.ts';
import { offsetAt } from './zone.ts';

export const calendarUnits = ['hour', 'day', 'week', 'month'] as const;
export type CalendarUnit = (typeof calendarUnits)[number];

export type QuotaWindow =
  | { readonly kind: 'calendar'; readonly unit: CalendarUnit /** IANA name. */; readonly zone: string }
  | { readonly kind: 'rolling' /** Milliseconds. */; readonly length: number };

export interface Quota {
  readonly max: number;
  readonly window: QuotaWindow;
  readonly count: 'recipients' | 'messages';
}

/** Whose budget it is. */
export type QuotaSubject = 'user' | 'sender' | 'senderDomain' | 'client';

export interface SenderQuota extends Quota {
  readonly of: QuotaSubject;
  /** What becomes of mail beyond it: waits for an operator, waits for the window, is refused at RCPT. */
  readonly over: 'hold' | 'defer' | 'reject';
  /** Mail of these senders alone; null: of all. */
  readonly for: Senders | null;
}

/** Some senders, and the patterns that name them. */
export interface Senders {
  readonly patterns: readonly string[];
  has(sender: Subject): boolean;
}

/** A stretch of time for which one number is kept, in ms since the epoch. */
export interface Span {
  readonly start: number;
  /** The first moment after it. */
  readonly end: number;
}

/**
 * A rolling window is kept in this many parts. What was sent leaves it with its whole part, so that up to one
 * part more than the window counts: never too much in any window, and a sixtieth too little at worst.
 */
const ROLLING_PARTS = 60;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The stretch that is counted at `at`: of a calendar window all of it, of a rolling one its latest part. */
export function spanAt(window: QuotaWindow, at: number): Span {
  if (window.kind === 'calendar') return calendarSpan(window.unit, window.zone, at);
  const part = partOf(window.length);
  const start = Math.floor(at / part) * part;
  return { start, end: start + part };
}

/** When what was counted in this stretch is in the window no more. */
export function leaves(window: QuotaWindow, { end }: Span): number {
  return window.kind === 'calendar' ? end : end + window.length;
}

/** The stretches that count at `at` start at this moment or later. */
export function countedSince(window: QuotaWindow, at: number): number {
  const { start } = spanAt(window, at);
  return window.kind === 'calendar' ? start : start - ROLLING_PARTS * partOf(window.length);
}

function partOf(length: number): number {
  return Math.ceil(length / ROLLING_PARTS);
}

function calendarSpan(unit: CalendarUnit, zone: string, at: number): Span {
  const local = at + offsetAt(zone, at);
  if (unit === 'hour') {
    // The hour that is repeated when clocks are put back is an hour of its own.
    const start = at - mod(local, HOUR_MS);
    return { start, end: start + HOUR_MS };
  }
  const date = local - mod(local, DAY_MS);
  const [first, next] = datesOf(unit, date);
  return { start: startOfDate(zone, first), end: startOfDate(zone, next) };
}

/** The first date of the unit around a date, and the first of the one after it. */
function datesOf(unit: Exclude<CalendarUnit, 'hour'>, date: number): [first: number, next: number] {
  if (unit === 'day') return [date, date + DAY_MS];
  const day = new Date(date);
  if (unit === 'month') {
    const [year, month] = [day.getUTCFullYear(), day.getUTCMonth()];
    return [Date.UTC(year, month, 1), Date.UTC(year, month + 1, 1)];
  }
  // Sunday is day 0, and the last of its week (ISO 8601).
  const monday = date - mod(day.getUTCDay() - 1, 7) * DAY_MS;
  return [monday, monday + 7 * DAY_MS];
}

/**
 * The first moment of a date in the zone; `date` is its midnight as if it were UTC. Where clocks are put forward
 * at midnight the day begins at one o'clock, where they are put back it begins with the first of two midnights.
 */
export function startOfDate(zone: string, date: number): number {
  // The zone's distance from UTC on either side of whatever happens that night.
  const offsets = [offsetAt(zone, date - DAY_MS), offsetAt(zone, date + DAY_MS)];
  const candidates = offsets.map((offset) => date - offset);
  const inDate = candidates.filter((at) => at + offsetAt(zone, at) >= date);
  return Math.min(...(inDate.length > 0 ? inDate : candidates));
}

const mod = (value: number, by: number): number => ((value % by) + by) % by;

/** As the policy writes it: `200/hour`, `50000/24h rolling`, `10/day messages`. */
export function quotaText({ max, window, count }: Quota): string {
  const per = window.kind === 'calendar' ? window.unit : `${formatDuration(window.length)} rolling`;
  return `${max}/${per}${count === 'messages' ? ' messages' : ''}`;
}
