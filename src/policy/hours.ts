// Hours and days in a time zone: whether a moment lies in them, and when they begin or end next.
// Conditions by `time` and windows of rules ask; the queue asks when mail may go and when to look again.
// Never reads a clock: the moment is handed in.

import type { Hours } from './policy.ts';
import { offsetAt } from './zone.ts';

export const DAYS: readonly string[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** One day a week comes back in 7 days, in 14 where the hours were those that clocks skipped in spring. */
const HORIZON = 15 * DAY;

/**
 * Whether the moment (ms since the epoch, as all here) lies in these hours. They begin on one of the days
 * and may go over midnight: `22:00-06:00 fri` ends on Saturday morning.
 */
export function isWithin({ hours, days, zone }: Hours, at: number): boolean {
  const local = at + offsetAt(zone, at);
  const date = Math.floor(local / DAY);
  if (hours === null) return isOneOf(days, date);
  const minutes = (local - date * DAY) / MINUTE;
  const { from, to } = hours;
  if (from < to) return minutes >= from && minutes < to && isOneOf(days, date);
  return (minutes >= from && isOneOf(days, date)) || (minutes < to && isOneOf(days, date - 1));
}

/** `date` in days since the epoch, which was a Thursday. */
function isOneOf(days: Hours['days'], date: number): boolean {
  return days === null || days.has((((date + 4) % 7) + 7) % 7);
}

/** The first moment from `at` on that lies in these hours: `at` itself if it does. */
export function nextOpening(hours: Hours, at: number): number {
  return isWithin(hours, at) ? at : (nextChange(hours, at) ?? at + HORIZON);
}

/**
 * When they next begin or end after `at`; null: they are always open. Goes from one moment at which the
 * answer may change to the next: times of the day, midnights, changes of the clocks.
 */
export function nextChange(hours: Hours, at: number): number | null {
  const open = isWithin(hours, at);
  for (let moment = at; moment < at + HORIZON; ) {
    moment = clocksChange(hours.zone, moment, nextMark(hours, moment));
    if (isWithin(hours, moment) !== open) return moment;
  }
  return null;
}

/** The first moment after `at` at which any of these begin or end; infinity: none does. */
export function firstChange(times: readonly Hours[], at: number): number {
  const changes = times.map((hours) => nextChange(hours, at) ?? Number.POSITIVE_INFINITY);
  return Math.min(Number.POSITIVE_INFINITY, ...changes);
}

/** The next time of day at which they begin or end, or midnight, as long as the clocks stay as they are. */
function nextMark({ hours, zone }: Hours, at: number): number {
  const local = at + offsetAt(zone, at);
  const sinceMidnight = local - Math.floor(local / DAY) * DAY;
  const marks = [hours?.from ?? 0, hours?.to ?? 0, 24 * 60].map((minutes) => minutes * MINUTE);
  return at - sinceMidnight + Math.min(...marks.filter((mark) => mark > sinceMidnight));
}

/** The moment at which the clocks change between the two, to the minute; `until` if they do not. */
function clocksChange(zone: string, from: number, until: number): number {
  const before = offsetAt(zone, from);
  if (offsetAt(zone, until) === before) return until;
  let [low, high] = [Math.floor(from / MINUTE), Math.ceil(until / MINUTE)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(zone, middle * MINUTE) === before) low = middle;
    else high = middle;
  }
  return high * MINUTE;
}

/** As the policy file writes it: `07:00-20:00 mon,tue Europe/Madrid`. */
export function hoursText({ hours, days, zone }: Hours): string {
  const parts = [
    hours === null ? null : `${clockText(hours.from)}-${clockText(hours.to)}`,
    days === null ? null : [...days].map((day) => DAYS[day]).join(','),
    zone,
  ];
  return parts.filter((part) => part !== null).join(' ');
}

function clockText(minutes: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
