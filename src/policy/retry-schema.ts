// The keys of a retry schedule, named under `retry` or written in a rule.
// schema.ts and rule-schema.ts use it; compile.ts lays it over the default schedule.
// Never fills in a default: what is left out is inherited.
import { z } from 'zod';
import { count, interval, oneOrMore, section } from '../config/fields.ts';
import { type FailureClass, failureClasses } from '../delivery/failure.ts';

const retryClass = section({ after: oneOrMore(interval()).optional(), expire: interval().optional() });

/** A map with the failure classes for keys, so that a class that does not exist is an unknown key. */
const classes = section(
  Object.fromEntries(failureClasses.map((name) => [name, retryClass.optional()])) as Record<
    FailureClass,
    z.ZodOptional<typeof retryClass>
  >,
);

export const schedule = section({
  after: oneOrMore(interval()).optional(),
  expire: interval().optional(),
  attempts: count().optional(),
  warn: z.array(interval()).optional(),
  classes: classes.optional(),
});

export type ScheduleData = z.output<typeof schedule>;
