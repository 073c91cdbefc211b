// Hours, days and zones as the policy writes them: `{ hours: 07:00-20:00, days: mon-fri, zone: Europe/Madrid }`.
// Conditions by `time` and windows of rules are made of it.
// Never says whether a moment lies in them: hours.ts does.
import { oneOrMore, parsed, section } from '../config/fields.ts';
import { DAYS } from './hours.ts';
import type { Hours } from './policy.ts';
import { hostZone, isZone } from './zone.ts';

/** An IANA name. */
export const timeZone = () =>
  parsed((text) => (isZone(text) ? text : null), 'a time zone such as Europe/Madrid or UTC');

const span = parsed(parseSpan, 'hours such as 07:00-20:00 or 22:00-06:00');
const days = oneOrMore(parsed(parseDays, 'a day (mon, tue, wed, thu, fri, sat, sun) or several: mon-fri'));

/** The zone is the machine's unless it is named. */
export const hours = section({
  hours: span.optional(),
  days: days.optional(),
  zone: timeZone().optional(),
})
  .refine((written) => written.hours !== undefined || written.days !== undefined, {
    error: 'needs `hours` or `days`',
  })
  .transform(
    (written): Hours => ({
      hours: written.hours ?? null,
      days: written.days === undefined ? null : new Set(written.days.flat()),
      zone: written.zone ?? hostZone(),
    }),
  );

/** Minutes of the day; 24:00 is its end. What begins when it ends would be no time or all of it: neither. */
function parseSpan(text: string): NonNullable<Hours['hours']> | null {
  const [from = null, to = null, ...more] = text.split('-').map((part) => parseClock(part.trim()));
  if (from === null || to === null || more.length > 0 || from === to || from === 24 * 60) return null;
  return { from, to };
}

function parseClock(text: string): number | null {
  const [, hour, minute] = /^(\d{1,2}):(\d\d)$/.exec(text) ?? [];
  const minutes = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && minutes <= 24 * 60 ? minutes : null;
}

/** `mon`, `mon-fri`, `sat-mon`: 0 is Sunday. */
function parseDays(text: string): number[] | null {
  const [first = -1, last = first, ...more] = text.split('-').map(dayOf);
  if (first < 0 || last < 0 || more.length > 0) return null;
  return Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, index) => (first + index) % 7);
}

function dayOf(text: string): number {
  return DAYS.indexOf(text.trim().toLowerCase());
}
