// Turns a message and its recipients into queue entries.
// intake.ts and bounce.ts call it right before a commit; placement.ts says where each recipient goes.
// Never writes: the entries go into the caller's commit.
import type { Message } from '../mail/envelope.ts';
import type { Decision } from '../policy/policy.ts';
import { expiryOf } from '../policy/schedule.ts';
import { accept, type Part, type Refusal } from './acceptance.ts';
import { type DestinationKey, type Hold, type QueueEntry, withPriority } from './entry.ts';
import {
  type Discarded,
  discardedBy,
  holdReason,
  type Placement,
  type PlacementContext,
  place,
} from './placement.ts';
import { inWindow, startOf, warningAfter } from './window.ts';

export interface Enqueued {
  /** With the addresses that it goes to. */
  readonly message: Message;
  readonly entries: readonly QueueEntry[];
  /** Recipients that end at once. */
  readonly discarded: readonly Discarded[];
  /** Why a client's message must not be committed. */
  readonly refusal: Refusal | null;
}

/**
 * Recipients that policy rejects are held here with the rule's name: what the daemon wrote itself has nobody
 * to be refused to, and a client's message with a `refusal` is not committed.
 */
export function enqueue(given: Message, context: PlacementContext): Enqueued {
  const { message, parts, discarded, refusal } = accept(given, context);
  const placed = parts.map((part) => ({
    part,
    placements: place(message, part.recipients, null, context, part),
  }));
  const entries = placed.flatMap(({ part, placements }) =>
    placements.flatMap((placement) => entryOf(message, part, placement, context) ?? []),
  );
  const byRoutes = placed.flatMap(({ placements }) => discardedBy(placements));
  return { message, entries, discarded: [...discarded, ...byRoutes], refusal };
}

/** Null for what is discarded. */
function entryOf(
  message: Message,
  part: Part,
  placement: Placement,
  { policy }: PlacementContext,
): QueueEntry | null {
  const { recipients } = placement;
  if (placement.kind === 'discard') return null;
  if (placement.kind === 'queue') {
    const { destination, decision, reason: routeReason } = placement;
    const entry = { ...fresh(message, part, destination, recipients, decision), routeReason };
    return inWindow(withPriority(entry, decision.priority), decision.window, message.arrived);
  }
  const hold: Hold = { reason: holdReason(placement), since: message.arrived, by: 'policy' };
  const heldTimes = { retry: policy.defaultRetry, window: null };
  return { ...fresh(message, part, HELD, recipients, heldTimes), hold };
}

/** Where an entry stands that no rule sends anywhere; its release looks for a route again. */
const HELD: DestinationKey = 'held';

function fresh(
  message: Message,
  { tags, edit, isQuiet }: Part,
  destination: DestinationKey,
  recipients: readonly number[],
  times: Pick<Decision, 'retry' | 'window'>,
): QueueEntry {
  const warning = isQuiet ? null : warningAfter(0, message, times);
  return {
    id: message.id,
    seq: recipients[0] ?? 0,
    destination,
    recipients,
    due: message.arrived,
    attempts: 0,
    routeAttempts: 0,
    expires: expiryOf(times.retry, null, startOf(times.window, message.arrived)),
    warnings: 0,
    ...(warning !== null && { nextWarning: warning }),
    crashes: 0,
    ...(tags.length > 0 && { tags }),
    ...(edit !== null && { edit }),
    ...(isQuiet && { quiet: true }),
  };
}
