// When a temporary failure is tried again, when the sender is warned, and when it is given up.
// queue/settle.ts asks after each attempt, queue/backoff.ts when a door closes, queue/enqueue.ts when mail comes.
// Never reads a clock: `now` and the random number are handed in.
import type { Random } from '../clock/random.ts';
import type { FailureClass } from '../delivery/failure.ts';
import type { RetrySchedule } from './policy.ts';

/** Share of an interval that the next attempt may be early or late, so that retries do not march in step. */
const SPREAD = 0.1;

/**
 * From this failure in a row on, a hint no longer shortens the schedule's interval: a peer that says "in 10
 * seconds" each time would be knocked on for days.
 */
const LAST_SHORTENED = 5;

export interface RetryWait {
  readonly schedule: RetrySchedule;
  /** Of the failure that was just seen. */
  readonly class: FailureClass;
  /** When the peer said to come back, ms from now, if it did. */
  readonly hint?: number | undefined;
  /** Ms; of the schedule no more than this is waited. */
  readonly longest?: number;
  readonly random: Random;
}

export interface RetryQuestion extends RetryWait {
  /** Counted attempts so far, the failed one included if it counts. */
  readonly attempts: number;
  /** Ms since the epoch, as all moments here. */
  readonly arrived: number;
  readonly now: number;
}

export type RetryAnswer =
  /** The next attempt. Never after the expiry: the last attempt is made when the time is up. */
  { readonly due: number } | { readonly giveUp: 'expired' | 'attempts' };

export function nextAttempt(question: RetryQuestion): RetryAnswer {
  const { schedule, attempts, now } = question;
  const expiry = expiryOf(schedule, question.class, question.arrived);
  if (now >= expiry) return { giveUp: 'expired' };
  if (schedule.attempts !== null && attempts >= schedule.attempts) return { giveUp: 'attempts' };
  return { due: Math.min(now + retryWait(question, attempts), expiry) };
}

/** The moment from which on a message is no longer tried, with this class of failure (null: none yet). */
export function expiryOf(schedule: RetrySchedule, failure: FailureClass | null, arrived: number): number {
  const ofClass = failure === null ? undefined : schedule.classes.get(failure);
  return arrived + (ofClass ?? schedule).expire;
}

/** When the sender is told that the mail is late, after `sent` warnings; null: never again. */
export function nextWarning(schedule: RetrySchedule, arrived: number, sent: number): number | null {
  const delay = schedule.warn[sent];
  return delay === undefined || delay >= schedule.expire ? null : arrived + delay;
}

/** Ms to wait after so many failures: what the peer asked for, a little more but never less; else the schedule's. */
export function retryWait(wait: RetryWait, failures: number): number {
  const { schedule, class: failure, hint, longest = Number.POSITIVE_INFINITY, random } = wait;
  const { after } = schedule.classes.get(failure) ?? schedule;
  const step = Math.min(Math.max(failures, 1), after.length) - 1;
  const planned = Math.min(after[step] ?? 0, longest);
  const isObeyed = hint !== undefined && (hint > planned || failures <= LAST_SHORTENED);
  if (isObeyed) return Math.round(hint * (1 + SPREAD * random()));
  return Math.round(planned * (1 - SPREAD + 2 * SPREAD * random()));
}
