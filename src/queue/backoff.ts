// What fails for all waits for all: a destination's closed door and when to knock again.
// run.ts reports each attempt here; the dispatcher obeys, the spool keeps it as a note.
// Never charges a waiting message anything.
import type { Random } from '../clock/random.ts';
import type { Failure } from '../delivery/failure.ts';
import type { RetrySchedule } from '../policy/policy.ts';
import { retryWait } from '../policy/schedule.ts';
import { type BackOff, backOffNote, type Destination, liveNote } from './destinations.ts';
import type { RecipientOutcome } from './settle.ts';

/** Trouble of our own ends when we end it: looked at again this soon at the latest. */
const LONGEST_OURS_MS = 5 * 60_000;

/** Notes for the spool's commit; null when nothing changed. */
export type BackOffNotes = Readonly<Record<string, BackOff | number | null>> | null;

/** What an attempt found: the door open, shut by this failure, or nothing that tells. */
export type Finding = 'open' | 'unknown' | Failure;

/**
 * A delivery and any word about the mail itself come from behind an open door. Trouble of our own with
 * the mail, and an attempt that was broken off, say nothing about the destination. A connection lost after
 * the final dot shuts it: a host that always hangs up there must not get, and multiply, the whole queue.
 */
export function findingOf(outcomes: Iterable<RecipientOutcome>): Finding {
  let shut: Failure | null = null;
  for (const outcome of outcomes) {
    if (outcome.kind === 'delivered') return 'open';
    const { failure } = outcome;
    const ofAll = failure.scope === 'destination' || failure.scope === 'host' || failure.inDoubt;
    if (ofAll && !failure.aborted) shut ??= failure;
    else if (!failure.ours) return 'open';
  }
  return shut ?? 'unknown';
}

/** Opens or closes the destination's door by what an attempt found. `mayBounce`: a refusal for good is the end of it. */
export function answered(
  destination: Destination,
  finding: Finding,
  schedule: RetrySchedule,
  now: number,
  random: Random,
  mayBounce = true,
): BackOffNotes {
  if (finding === 'unknown') return null;
  if (finding === 'open') return opened(destination, now);
  if (finding.permanent && mayBounce) return forgotten(destination);
  return closed(destination, finding, schedule, now, random);
}

/** A success is noted again after this long: a note for each delivery would double the index's work. */
const NOTE_SUCCESS_MS = 10 * 60_000;

/** The destination answered: its door is open, and a restart should know it. */
export function opened(destination: Destination, now: number): BackOffNotes {
  destination.lastSuccess = now;
  destination.looked = false;
  const noted = now - destination.notedSuccess < NOTE_SUCCESS_MS;
  if (noted) return forgotten(destination);
  destination.notedSuccess = now;
  return { ...forgotten(destination), [liveNote(destination.key)]: now };
}

/** There is nothing to wait for: the door is open, or it is walled up and what waits is returned. */
export function forgotten(destination: Destination): BackOffNotes {
  if (!destination.backOff) return null;
  destination.backOff = null;
  return { [backOffNote(destination.key)]: null };
}

/** Our own side of the trouble was changed: a probe may look at once. */
export function mayProbe(destination: Destination, now: number): void {
  const { backOff } = destination;
  if (backOff?.last.ours) destination.backOff = { ...backOff, until: Math.min(backOff.until, now) };
}

/**
 * The destination did not answer, or turned everybody away. Several connections that break in the
 * same moment are one failure: a door that is closed already is not closed further.
 */
export function closed(
  destination: Destination,
  failure: Failure,
  schedule: RetrySchedule,
  now: number,
  random: Random,
): BackOffNotes {
  const before = destination.backOff;
  if (before && before.until > now) return null;
  const failures = (before?.failures ?? 0) + 1;
  const { class: cause, retryAfter: hint } = failure;
  const wait = { schedule, class: cause, hint, random, ...(failure.ours && { longest: LONGEST_OURS_MS }) };
  const backOff: BackOff = {
    failures,
    until: now + retryWait(wait, failures),
    since: before?.since ?? now,
    lastAt: now,
    last: failure,
  };
  destination.backOff = backOff;
  return { [backOffNote(destination.key)]: backOff };
}
