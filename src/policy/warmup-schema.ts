// The keys of the section `warmup`: an address, the day on which it begins, and how much a day.
// schema.ts puts it into the policy; compile.ts makes calendar days of it.
// Never says which route has the address: review.ts looks for one.
import { z } from 'zod';
import { count, ownAddress, parsed, section } from '../config/fields.ts';

/** Who is trusted after a year is trusted. */
const MOST_DAYS = 366;

function parseDate(text: string): string | null {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return null;
  const at = Date.parse(text);
  // There is no 30th of February.
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text) ? text : null;
}

const warmup = section({
  source: ownAddress(),
  start: parsed(parseDate, 'a date such as 2026-12-01'),
  perDay: z
    .array(count())
    .min(1, { error: 'needs a number for the first day at least' })
    .max(MOST_DAYS, { error: `has at most ${MOST_DAYS} days` }),
});

/** Each address once. */
export const warmups = z.array(warmup).superRefine((all, context) => {
  all.forEach(({ source }, index) => {
    if (all.findIndex((one) => one.source === source) === index) return;
    const message = 'this address is warmed up already';
    context.addIssue({ code: 'custom', path: [index, 'source'], message });
  });
});
