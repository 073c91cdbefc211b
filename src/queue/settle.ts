// What one attempt means for its entry: who is done, who waits until when, who is given up.
// Between an attempt's outcomes and the spool's commit: pure, the caller writes and reports.
// Never forgets a recipient: every one of the entry's ends in exactly one of the results.
import type { Random } from '../clock/random.ts';
import { type Failure, isOfSource } from '../delivery/failure.ts';
import type { Message } from '../mail/envelope.ts';
import { bounces } from '../policy/routing.ts';
import { expiryOf, nextAttempt } from '../policy/schedule.ts';
import type { Outcome } from '../spool/spool.ts';
import {
  type DestinationKey,
  type Doubt,
  differInSource,
  movedTo,
  parseDestination,
  type QueueEntry,
  withPriority,
} from './entry.ts';
import { holdReason, type Placement, type PlacementContext, place } from './placement.ts';
import { inWindow, startOf } from './window.ts';

/** How one recipient came out of one attempt. */
export type RecipientOutcome =
  | { readonly kind: 'delivered'; readonly reply: string }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** What becomes of one recipient. */
export type Verdict =
  | { readonly kind: 'delivered'; readonly index: number; readonly reply: string }
  | {
      readonly kind: 'deferred';
      readonly index: number;
      readonly failure: Failure;
      readonly entry: QueueEntry;
    }
  | { readonly kind: 'bounced' | 'expired'; readonly index: number; readonly failure: Failure }
  | {
      readonly kind: 'discarded';
      readonly index: number;
      readonly failure: Failure;
      readonly route: string;
      readonly rule: string;
    };

export interface Settlement {
  readonly verdicts: readonly Verdict[];
  /** What stays queued, in entries. */
  readonly put: readonly QueueEntry[];
  readonly ended: Readonly<Partial<Record<Outcome, number>>>;
}

export interface SettleContext extends PlacementContext {
  readonly random: Random;
}

/**
 * The peer may still be working on a message whose connection was lost after the final dot; the
 * usual duplicate filters of receivers know it by then.
 */
const DOUBT_PAUSE_MS = 10 * 60_000;

export function settle(
  entry: QueueEntry,
  message: Message,
  outcomes: ReadonlyMap<number, RecipientOutcome>,
  context: SettleContext,
): Settlement {
  const verdicts = entry.recipients.map((index): Verdict => {
    const outcome = outcomes.get(index);
    if (outcome?.kind === 'delivered') return { kind: 'delivered', index, reply: outcome.reply };
    return judge(entry, message, index, outcome?.failure ?? UNTOUCHED, context);
  });
  return { verdicts, put: merge(verdicts), ended: count(verdicts) };
}

/** A recipient that an attempt did not come to. */
const UNTOUCHED: Failure = {
  scope: 'recipient',
  permanent: false,
  class: 'unknown',
  status: '4.3.0',
  phase: 'local',
  text: 'the attempt ended before this recipient',
  ours: true,
};

function judge(
  entry: QueueEntry,
  message: Message,
  index: number,
  failure: Failure,
  context: SettleContext,
): Verdict {
  const counted = failure.ours || failure.aborted ? 0 : 1;
  const { doubt: _, ready: __, ...rest } = entry;
  const doubt = doubtAfter(entry, failure, context.now);
  const tried: QueueEntry = {
    ...rest,
    attempts: entry.attempts + counted,
    routeAttempts: entry.routeAttempts + counted,
    lastAttempt: context.now,
    last: failure,
    crashes: 0,
    ...(doubt && { doubt }),
    ...avoidance(entry, failure),
  };
  const [placement] = place(message, [index], tried, context);
  if (!placement) throw new Error('a recipient has no placement');
  const placed = placement.kind === 'queue' ? withPriority(tried, placement.decision.priority) : tried;
  return follow(placed, placement, message, index, failure, context);
}

function follow(
  tried: QueueEntry,
  placement: Placement,
  message: Message,
  index: number,
  failure: Failure,
  context: SettleContext,
): Verdict {
  const { now } = context;
  const window = placement.kind === 'queue' ? placement.decision.window : null;
  const defer = (change: Partial<QueueEntry>): Verdict => {
    const entry = { ...tried, ...change, seq: index, recipients: [index] };
    return { kind: 'deferred', index, failure, entry: inWindow(entry, window, now) };
  };
  if (placement.kind === 'discard') {
    const { route, rule } = placement;
    return { kind: 'discarded', index, failure, route, rule };
  }
  if (placement.kind !== 'queue') {
    return defer({ hold: { reason: holdReason(placement), since: now, by: 'policy' }, due: now });
  }
  // A stop breaks off what is under way; past its final dot the peer may be at work on it all the same.
  if (failure.aborted) return defer({ due: failure.inDoubt ? now + DOUBT_PAUSE_MS : now });
  const moved = movedTo(tried, placement.destination, placement.reason);
  if (isNewWay(tried, placement.destination, failure)) return defer({ ...moved, due: now });
  const { route } = parseDestination(tried.destination);
  if (failure.permanent && bounces(context.policy, route)) return { kind: 'bounced', index, failure };
  const schedule = placement.decision.retry;
  const arrived = startOf(window, message.arrived);
  const next = nextAttempt({
    schedule,
    class: failure.class,
    hint: failure.retryAfter,
    attempts: tried.attempts,
    arrived,
    now,
    random: context.random,
  });
  if ('giveUp' in next) return { kind: 'expired', index, failure };
  const due = Math.max(next.due, endOfDoubtPause(tried));
  const expires = expiryOf(schedule, failure.class, arrived);
  const change = placement.destination === tried.destination ? {} : moved;
  return defer({ ...change, due, expires });
}

/**
 * What is worth trying at once: another route, and where our address was the trouble one that was none yet.
 * An address that failed this message before has its next turn when it is due.
 */
function isNewWay(
  { destination, avoids }: Pick<QueueEntry, 'destination' | 'avoids'>,
  next: DestinationKey,
  failure: Failure,
): boolean {
  if (next === destination) return false;
  if (!differInSource(destination, next)) return true;
  return isOfSource(failure) && !avoids?.includes(parseDestination(next).source ?? '');
}

/** The address that it failed for stands behind all others from now on. */
function avoidance({ destination, avoids = [] }: QueueEntry, failure: Failure): Pick<QueueEntry, 'avoids'> {
  const { source } = parseDestination(destination);
  if (source === null || !isOfSource(failure)) return {};
  return { avoids: [...avoids.filter((one) => one !== source), source] };
}

/** Whether only its route's `softBounce` keeps mail that was refused for good from being returned. */
export function isSoftBounce(verdict: Extract<Verdict, { kind: 'deferred' }>, before: QueueEntry): boolean {
  const { entry, failure } = verdict;
  if (!failure.permanent || entry.hold) return false;
  return !isNewWay({ ...entry, destination: before.destination }, entry.destination, failure);
}

function endOfDoubtPause({ doubt }: QueueEntry): number {
  return doubt?.cause === 'connection-lost' ? doubt.since + DOUBT_PAUSE_MS : 0;
}

/**
 * Only the loss of a connection after the final dot leaves a doubt. The next attempt ends it, if it was
 * one: what a stop or trouble of our own kept from the recipient's side was none.
 */
function doubtAfter(entry: QueueEntry, failure: Failure, now: number): Doubt | undefined {
  if (!failure.inDoubt) return failure.aborted || failure.ours ? entry.doubt : undefined;
  return { count: (entry.doubt?.count ?? 0) + 1, since: now, cause: 'connection-lost' };
}

/** Greylisting tells each recipient another second: hints that end in the same minute are one. */
const ALIKE_MS = 60_000;

/** Recipients that fared alike stay together in one entry, due when the last of them may be. */
function merge(verdicts: readonly Verdict[]): QueueEntry[] {
  const groups = new Map<string, QueueEntry>();
  for (const verdict of verdicts) {
    if (verdict.kind !== 'deferred') continue;
    const { entry, failure, index } = verdict;
    const { destination, priority, attempts, hold, expires } = entry;
    const hint = Math.ceil((failure.retryAfter ?? 0) / ALIKE_MS);
    const state = [failure.class, failure.inDoubt, hold?.reason, expires, attempts, hint];
    const key = [destination, priority, ...state].join(' ');
    const group = groups.get(key);
    groups.set(key, group ? joined(group, entry.due, index) : entry);
  }
  return [...groups.values()];
}

function joined(group: QueueEntry, due: number, index: number): QueueEntry {
  return { ...group, due: Math.max(group.due, due), recipients: [...group.recipients, index] };
}

function count(verdicts: readonly Verdict[]): Partial<Record<Outcome, number>> {
  const ended: Partial<Record<Outcome, number>> = {};
  for (const { kind } of verdicts) if (kind !== 'deferred') ended[kind] = (ended[kind] ?? 0) + 1;
  return ended;
}
