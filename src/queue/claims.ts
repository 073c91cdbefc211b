// The next message for a run: claimed, and checked against the policy in force.
// run.ts asks before each attempt; what belongs elsewhere by now is moved there instead.
// Never hands out an entry whose route, hold or rejection has changed since it was queued.
import type { Decision } from '../policy/policy.ts';
import type { Claim } from '../spool/spool.ts';
import { type Destination, suspensionOf } from './destinations.ts';
import { aboutToTry } from './detour-moves.ts';
import type { Hold } from './entry.ts';
import { type House, placementContext } from './house.ts';
import { type Placement, place } from './placement.ts';
import { putOff } from './put-off.ts';
import { inPlace, relocate } from './relocate.ts';
import { tellRelocated } from './review.ts';
import { lookUpFirst, sitesWanted } from './site-lookup.ts';
import { inWindow } from './window.ts';

export interface RoutedClaim {
  readonly claim: Claim;
  readonly decision: Decision;
  /** Why its route, as of now. */
  readonly reason: string;
}

export async function nextClaim(house: House, destination: Destination): Promise<RoutedClaim | null> {
  for (;;) {
    if (house.stopping.aborted || house.spool.broken()) return null;
    const now = house.clock.now();
    if (suspensionOf(destination, now)) return null;
    const claim = house.spool.claim(destination.key, now);
    if (!claim) return null;
    house.reached('claimed');
    const routed = await routedNow(house, claim);
    if (routed) return routed;
  }
}

/** Null when the message does not go here any more, or not yet: what has to be done about it is, and the claim is gone. */
export async function routedNow(house: House, claim: Claim): Promise<RoutedClaim | null> {
  const { entry, message } = claim;
  const placements = await placed(house, claim);
  if (!placements) return null;
  const now = house.clock.now();
  const [only] = placements;
  if (only?.kind === 'queue' && inPlace(entry, placements)) {
    const opening = inWindow(entry, only.decision.window, now);
    const untilOpen = opening === entry ? null : { put: [opening] };
    const later =
      untilOpen ?? putOff(house.destinations, claim, now) ?? aboutToTry(house, claim, only.decision);
    if (!later) return { claim, decision: only.decision, reason: only.reason };
    await house.spool.change(later);
    return null;
  }
  const relocation = relocate(entry, placements, now);
  await house.spool.change(relocation.change);
  tellRelocated(house, message, relocation);
  return null;
}

/** Null when a site has to be looked up first, or when it fails, which is a mistake of ours. */
async function placed(house: House, claim: Claim): Promise<Placement[] | null> {
  const { entry, message } = claim;
  try {
    const context = placementContext(house);
    const wanted = sitesWanted(message, entry, context);
    if (wanted.length === 0) return place(message, entry.recipients, entry, context);
    await lookUpFirst(house, claim, wanted);
  } catch (error) {
    house.observer.warn('a message could not be placed', { id: entry.id, error: String(error) });
    await holdBroken(house, claim);
  }
  return null;
}

/** A message that breaks what handles it must not stand in the way of all others: it waits for a person. */
export async function holdBroken(house: House, { entry, message }: Claim): Promise<void> {
  const reason = 'handling it failed, the log has the error';
  const hold: Hold = { reason, since: house.clock.now(), by: 'alarm' };
  await house.spool.change({ put: [{ ...entry, hold }] });
  house.alarms.raise('crash-loop', `${entry.id}: ${reason}`, { id: entry.id }, entry.id);
  const { id, from } = message;
  for (const index of entry.recipients) {
    house.observer.event({ event: 'held', id, from, to: message.recipients[index] ?? '', reason });
  }
}
