// Quotas before an attempt: what fits goes, the rest takes another route, waits, or is held.
// run.ts asks before each attempt and tells what came of it; budgets.ts counts, quotas.ts knows whose it is.
// Never charges an attempt, and never lets mail in doubt leave its route.

import type { Full, Reservation } from '../limits/budgets.ts';
import type { Claim } from '../spool/spool.ts';
import type { Destination } from './destinations.ts';
import { type Hold, type QueueEntry, replacing, withDue } from './entry.ts';
import { type House, placementContext } from './house.ts';
import { place } from './placement.ts';
import { fullText, holdsBeyond, isOfSender, passedByQuota, routeBudget, senderBudgets } from './quotas.ts';
import { inPlace, relocate } from './relocate.ts';
import { tellRelocated } from './review.ts';
import type { RecipientOutcome } from './settle.ts';
import { passedByWarmup, sourceBudget } from './warmups.ts';

export type Metered =
  | {
      readonly kind: 'go';
      /** The attempt is over, or was not made (nothing came out of it). */
      settle(outcomes: Iterable<RecipientOutcome>): void;
    }
  /** What was claimed is not this attempt's any more: the next claim may be. */
  | { readonly kind: 'moved' }
  /** Nothing of this destination may go for now, and the claim was given back. */
  | { readonly kind: 'shut' };

/** A disk that took nothing is asked again after this long. */
const TROUBLE_MS = 2_000;

const FREE: Metered = { kind: 'go', settle: () => undefined };

/** Never rejects: what cannot be written now waits. */
export async function meter(house: House, destination: Destination, claim: Claim): Promise<Metered> {
  try {
    return await metered(house, destination, claim);
  } catch (error) {
    house.observer.warn('a quota could not be kept', { id: claim.entry.id, error: String(error) });
    claim.release();
    wait(house, destination, house.clock.now() + TROUBLE_MS);
    return { kind: 'shut' };
  }
}

async function metered(house: House, destination: Destination, claim: Claim): Promise<Metered> {
  const { entry, message } = claim;
  const policy = house.policy();
  const senders = entry.quotaWaived ? [] : senderBudgets(policy, message, 'attempt');
  const ofRoute = routeBudget(policy, destination.route);
  const ofSource = sourceBudget(policy, destination.source, house.clock.now());
  const budgets = [...senders, ...(ofRoute ? [ofRoute] : []), ...(ofSource ? [ofSource] : [])];
  if (budgets.length === 0) return FREE;
  const reserving = await house.budgets.reserve(budgets, entry.recipients.length);
  if ('away' in reserving) {
    claim.release();
    wait(house, destination, house.clock.now() + reserving.away);
    return { kind: 'shut' };
  }
  if ('full' in reserving) return stopped(house, destination, claim, reserving.full);
  if (reserving.recipients >= entry.recipients.length) return going(reserving);
  // What fits is an entry of its own, and claimed next.
  reserving.settle(0);
  await split(house, entry, reserving.recipients);
  return { kind: 'moved' };
}

/** The quota of the route or of the address is used up, as far as this daemon knows: not worth looking a host up. */
export function isShut(house: House, destination: Destination): boolean {
  const { route, source } = destination;
  const ofSource = passedByWarmup(house, house.policy(), source, house.clock.now());
  const full = passedByQuota(house, route) ?? ofSource;
  if (full) wait(house, destination, full.until);
  return full !== null;
}

function going(reservation: Reservation): Metered {
  return {
    kind: 'go',
    settle(outcomes) {
      let kept = 0;
      for (const outcome of outcomes) if (mayHaveArrived(outcome)) kept++;
      reservation.settle(kept);
    },
  };
}

function mayHaveArrived(outcome: RecipientOutcome): boolean {
  return outcome.kind === 'delivered' || outcome.failure.inDoubt === true;
}

function wait(house: House, destination: Destination, until: number): void {
  destination.notBefore = Math.max(destination.notBefore, until);
  house.dispatcher.look(destination);
}

async function split(house: House, entry: QueueEntry, first: number): Promise<void> {
  const rest = entry.recipients.slice(first);
  const put = [
    { ...entry, recipients: entry.recipients.slice(0, first) },
    { ...entry, recipients: rest, seq: rest[0] ?? entry.seq },
  ];
  await house.spool.change(replacing(entry, put));
}

function stopped(house: House, destination: Destination, claim: Claim, full: Full): Promise<Metered> {
  return isOfSender(full.key) ? pastSender(house, claim, full) : pastRoute(house, destination, claim, full);
}

/** From another address, by the next route of its list, or here when the window opens. */
async function pastRoute(house: House, destination: Destination, claim: Claim, full: Full): Promise<Metered> {
  const { entry, message } = claim;
  // Something was given back since: the next claim may have it.
  if (!house.budgets.full(full.key)) {
    claim.release();
    return { kind: 'moved' };
  }
  const placements = place(message, entry.recipients, entry, placementContext(house));
  if (inPlace(entry, placements)) {
    claim.release();
    wait(house, destination, full.until);
    return { kind: 'shut' };
  }
  const relocation = relocate(entry, placements, house.clock.now());
  await house.spool.change(relocation.change);
  tellRelocated(house, message, relocation);
  return { kind: 'moved' };
}

/** Until the window opens, or until an operator has looked at it. */
async function pastSender(house: House, { entry, message }: Claim, full: Full): Promise<Metered> {
  const now = house.clock.now();
  const isHeld = holdsBeyond(full);
  const reason = fullText(full);
  const hold: Hold = { reason, since: now, by: 'quota' };
  const put = isHeld ? { ...entry, hold } : withDue(entry, Math.max(now, full.until));
  await house.spool.change({ put: [put] });
  const { id, from } = message;
  for (const index of entry.recipients) {
    const of = { id, from, to: message.recipients[index] ?? '' };
    if (isHeld) house.observer.event({ ...of, event: 'held', reason });
    else house.observer.event({ ...of, event: 'postponed', reason, until: new Date(put.due).toISOString() });
  }
  return { kind: 'moved' };
}
