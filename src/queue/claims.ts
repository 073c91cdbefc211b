// The next message for a run: claimed, and checked against the policy in force.
// run.ts asks before each attempt; what belongs elsewhere by now is moved there instead.
// Never hands out an entry whose route, hold or rejection has changed since it was queued.
import type { Decision } from '../policy/policy.ts';
import type { Claim } from '../spool/spool.ts';
import type { Destination } from './destinations.ts';
import { type House, placementContext } from './house.ts';
import { place } from './placement.ts';
import { inPlace, relocate } from './relocate.ts';
import { tellRelocated } from './review.ts';

export interface RoutedClaim {
  readonly claim: Claim;
  readonly decision: Decision;
}

export async function nextClaim(house: House, destination: Destination): Promise<RoutedClaim | null> {
  for (;;) {
    if (house.stopping.aborted || house.spool.broken()) return null;
    const now = house.clock.now();
    const claim = house.spool.claim(destination.key, now);
    if (!claim) return null;
    house.reached('claimed');
    const { entry, message } = claim;
    const placements = place(message, entry.recipients, entry, placementContext(house));
    const [only] = placements;
    if (only?.kind === 'queue' && inPlace(entry, placements)) return { claim, decision: only.decision };
    const relocation = relocate(entry, placements, now);
    await house.spool.change(relocation.change);
    tellRelocated(house, message, relocation);
  }
}
