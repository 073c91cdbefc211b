// Turns a message and its recipients into queue entries.
// intake.ts and bounce.ts call it right before a commit; placement.ts says where each recipient goes.
// Never writes: the entries go into the caller's commit.
import type { Message } from '../mail/envelope.ts';
import type { RetrySchedule } from '../policy/policy.ts';
import { expiryOf, nextWarning } from '../policy/schedule.ts';
import { type DestinationKey, type Hold, type QueueEntry, withPriority } from './entry.ts';
import { type Discarded, discardedBy, holdReason, type PlacementContext, place } from './placement.ts';

export interface Enqueued {
  readonly entries: readonly QueueEntry[];
  /** Recipients whose route is a discard route. */
  readonly discarded: readonly Discarded[];
}

/**
 * Recipients that policy rejects are held here with the rule's name: a client's were refused at
 * RCPT already, and what the daemon wrote itself has nobody to be refused to.
 */
export function enqueue(message: Message, context: PlacementContext): Enqueued {
  const all = message.recipients.map((_, index) => index);
  const entries: QueueEntry[] = [];
  const placements = place(message, all, null, context);
  for (const placement of placements) {
    const { recipients } = placement;
    if (placement.kind === 'discard') continue;
    if (placement.kind === 'queue') {
      const { destination, decision, reason: routeReason } = placement;
      const entry = { ...fresh(message, destination, recipients, decision.retry), routeReason };
      entries.push(withPriority(entry, decision.priority));
    } else {
      const reason = holdReason(placement);
      const hold: Hold = { reason, since: message.arrived, by: 'policy' };
      entries.push({ ...fresh(message, HELD, recipients, context.policy.defaultRetry), hold });
    }
  }
  return { entries, discarded: discardedBy(placements) };
}

/** Where an entry stands that no rule sends anywhere; its release looks for a route again. */
const HELD: DestinationKey = 'held';

function fresh(
  message: Message,
  destination: DestinationKey,
  recipients: readonly number[],
  schedule: RetrySchedule,
): QueueEntry {
  // The null sender wants no answer, so it wants no warning either (RFC 5321 §4.5.5).
  const warning = message.from === '' ? null : nextWarning(schedule, message.arrived, 0);
  return {
    id: message.id,
    seq: recipients[0] ?? 0,
    destination,
    recipients,
    due: message.arrived,
    attempts: 0,
    routeAttempts: 0,
    expires: expiryOf(schedule, null, message.arrived),
    warnings: 0,
    ...(warning !== null && { nextWarning: warning }),
    crashes: 0,
  };
}
