// The keys of quotas, in their short form (`200/hour`) and their long one.
// route-schema.ts puts them into routes, schema.ts has those of senders; limits/budgets.ts keeps count.
// Never counts anything.
import { z } from 'zod';
import { count, oneOrMore, parsed, section } from '../config/fields.ts';
import { parseDuration } from '../config/quantities.ts';
import { timeZone } from './hours-schema.ts';
import { parseAddressPattern } from './match.ts';
import { type CalendarUnit, calendarUnits, type Quota } from './quota.ts';
import { hostZone } from './zone.ts';

interface Short {
  readonly max: number;
  readonly unit: CalendarUnit;
}

function parseShort(text: string): Short | null {
  const parts = /^(\d{1,12})\s?\/\s?(hour|day|week|month)$/.exec(text);
  if (parts === null || Number(parts[1]) === 0) return null;
  return { max: Number(parts[1]), unit: parts[2] as CalendarUnit };
}

type Per = CalendarUnit | number;

function parsePer(text: string): Per | null {
  const unit = calendarUnits.find((name) => name === text);
  return unit ?? parseDuration(text);
}

const short = parsed(parseShort, 'a quota such as 200/hour, 3000/day, 15000/week or 10000/month');

const long = {
  max: z.union([count(), short]),
  per: parsed(parsePer, 'hour, day, week, month, or a duration such as 24h').optional(),
  window: z.enum(['calendar', 'rolling']).default('calendar'),
  count: z.enum(['recipients', 'messages']).default('recipients'),
  zone: timeZone().optional(),
};

/** The stretch of a rolling window that a second's part still divides well. */
const SHORTEST_ROLLING = 60_000;

/** A sum over more than some months is not a budget any more, and each of its parts is kept. */
const LONGEST_ROLLING = 100 * 86_400_000;

const lengths: Readonly<Record<Exclude<CalendarUnit, 'month'>, number>> = {
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
};

interface Long {
  readonly max: number | Short;
  readonly per?: Per | undefined;
  readonly window: 'calendar' | 'rolling';
  readonly count: 'recipients' | 'messages';
  readonly zone?: string | undefined;
}

/** Says what does not fit together. */
function check(quota: Long, context: z.RefinementCtx): void {
  const refuse = (key: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [key], message });
  const { max, per, window, zone } = quota;
  const length = per ?? (typeof max === 'object' ? max.unit : null);
  if (typeof max === 'object' && per !== undefined) refuse('per', '`max` says it already');
  else if (length === null) refuse('per', 'is missing: hour, day, week, month, or a duration');
  else if (window === 'rolling') {
    if (zone !== undefined) refuse('zone', 'a rolling window needs none: it begins nowhere');
    const ms = length === 'month' ? null : lengthOf(length);
    if (ms === null) refuse('per', 'a month has no length of its own: take 30d');
    else if (ms < SHORTEST_ROLLING || ms > LONGEST_ROLLING) refuse('per', 'must be 1m to 100d');
  } else if (typeof length === 'number') {
    refuse('per', 'a calendar window is an hour, day, week or month: add `window: rolling`');
  }
}

function lengthOf(per: Exclude<Per, 'month'>): number {
  return typeof per === 'number' ? per : lengths[per];
}

function quotaOf({ max, per, window, count, zone }: Long): Quota {
  const length = per ?? (max as Short).unit;
  const most = typeof max === 'object' ? max.max : max;
  if (window === 'rolling') {
    const ms = lengthOf(length as Exclude<Per, 'month'>);
    return { max: most, count, window: { kind: 'rolling', length: ms } };
  }
  return { max: most, count, window: calendar(length as CalendarUnit, zone) };
}

function calendar(unit: CalendarUnit, zone = hostZone()): Quota['window'] {
  return { kind: 'calendar', unit, zone };
}

const ofRoute = z.union([
  short.transform(({ max, unit }): Quota => ({ max, count: 'recipients', window: calendar(unit) })),
  section(long).superRefine(check).transform(quotaOf),
]);

/** One quota of a route or several. */
export const routeQuotas = oneOrMore(ofRoute);

const addressPattern = parsed(parseAddressPattern, 'an address, a domain or a pattern of them');

/** A quota of senders. */
export const senderQuota = section({
  of: z.enum(['user', 'sender', 'senderDomain', 'client']),
  over: z.enum(['hold', 'defer', 'reject']),
  for: oneOrMore(addressPattern).optional(),
  ...long,
})
  .superRefine(check)
  .transform(({ of, over, for: patterns, ...quota }) => ({
    ...quotaOf(quota),
    of,
    over,
    for: patterns ?? null,
  }));

export type SenderQuotaData = z.output<typeof senderQuota>;
