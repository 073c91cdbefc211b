// Mail that waits for a quota or for the warm-up of an address: why, and until when.
// timers.ts asks before it warns or gives up, views.ts for listings.
// Never counts: budgets.ts does.

import type { Failure } from '../delivery/failure.ts';
import type { Message } from '../mail/envelope.ts';
import type { Passed } from '../policy/routing.ts';
import { parseDestination, type QueueEntry } from './entry.ts';
import type { House } from './house.ts';
import { fullText, holdsBeyond, passedByQuota, senderBudgets } from './quotas.ts';
import { passedByWarmup } from './warmups.ts';

/** What the sender of such mail hears; whose quota it is stays inside. RFC 3463 §3.5: x.4.5 is congestion. */
export const OVER_QUOTA: Failure = {
  scope: 'destination',
  permanent: false,
  class: 'throttled',
  status: '4.4.5',
  phase: 'local',
  text: 'this mail system has sent as much as it may for now',
  ours: true,
};

/** The quota of its route or of the address that it leaves from. */
export function routeOpens(house: House, { destination }: Pick<QueueEntry, 'destination'>): Passed | null {
  const { route, source } = parseDestination(destination);
  return passedByQuota(house, route) ?? passedByWarmup(house, house.policy(), source, house.clock.now());
}

/** The same, or the quota of its sender; null: it does not wait for one. */
export function waitsForQuota(house: House, message: Message, entry: QueueEntry): Passed | null {
  const ofRoute = routeOpens(house, entry);
  if (ofRoute || entry.quotaWaived) return ofRoute;
  const budgets = senderBudgets(house.policy(), message, 'attempt');
  const full = budgets.map(({ key }) => house.budgets.full(key)).find((one) => one !== null);
  return full && !holdsBeyond(full) ? { reason: fullText(full), until: full.until } : null;
}
