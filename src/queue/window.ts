// Mail that may be tried at certain hours only: the window that policy gives it, and what that does to its times.
// enqueue.ts, settle.ts and claims.ts put mail off to the opening; a review does when windows or clocks change.
// Never charges anybody an attempt, and never ends one that is under way.
import type { Message } from '../mail/envelope.ts';
import { nextOpening } from '../policy/hours.ts';
import type { Decision, Hours } from '../policy/policy.ts';
import { expiryOf, nextWarning } from '../policy/schedule.ts';
import type { QueueEntry } from './entry.ts';

/** The entry, due no sooner than its window lets it; the same one if it is. `now` may lie outside. */
export function inWindow(entry: QueueEntry, window: Hours | null, now: number): QueueEntry {
  // Of all mail that has no window, nothing is to be said.
  if (window === null && entry.ready === undefined) return entry;
  const { ready: _, ...rest } = entry;
  const ready = entry.ready ?? entry.due;
  const due = window === null ? ready : nextOpening(window, Math.max(ready, now));
  if (due <= now) return entry.due <= now ? entry : { ...rest, due: ready };
  if (due === entry.due) return entry;
  return due > ready ? { ...rest, due, ready } : { ...rest, due };
}

/** Whether it is the window that sets the entry's next attempt. */
export function waitsForWindow({ ready, due }: QueueEntry, now: number): boolean {
  return ready !== undefined && due > now;
}

/**
 * From when on the mail's time counts: its first opening. What came on Friday night and may leave on Monday
 * is neither late nor old before.
 */
export function startOf(window: Hours | null, arrived: number): number {
  return window === null ? arrived : nextOpening(window, arrived);
}

/** When the entry is given up and its sender warned, as this decision says; the same one if it is so. */
export function timed(
  entry: QueueEntry,
  message: Message,
  { retry, window }: Pick<Decision, 'retry' | 'window'>,
): QueueEntry {
  const start = startOf(window, message.arrived);
  const expires = expiryOf(retry, entry.last?.class ?? null, start);
  const warning = entry.quiet ? null : warningAfter(entry.warnings, message, { retry, window });
  if (expires === entry.expires && warning === (entry.nextWarning ?? null)) return entry;
  const { nextWarning: _, ...rest } = entry;
  return { ...rest, expires, ...(warning !== null && { nextWarning: warning }) };
}

/** When the next warning is due after so many, or null. The null sender wants no answer, so no warning (RFC 5321 §4.5.5). */
export function warningAfter(
  sent: number,
  { from, arrived }: Pick<Message, 'from' | 'arrived'>,
  { retry, window }: Pick<Decision, 'retry' | 'window'>,
): number | null {
  return from === '' ? null : nextWarning(retry, startOf(window, arrived), sent);
}

/** What its window or a hold kept back gets this long for its first attempt. */
const FIRST_TRY_MS = 10 * 60_000;

/** Nobody is warned of mail that policy kept back and that is about to be tried for the first time. */
export function isYetToBeTried({ lastAttempt, nextWarning = 0, due }: QueueEntry, now: number): boolean {
  return lastAttempt === undefined && nextWarning < due && now < due + FIRST_TRY_MS;
}
