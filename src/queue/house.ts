// What the parts of the queue need of each other and of the daemon: one bundle, made once.
// daemon.ts fills it; run.ts, settler.ts, review.ts, timers.ts and control.ts take it.
// Never grows behaviour: it is a list of parts.
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Random } from '../clock/random.ts';
import type { Delivery } from '../delivery/session.ts';
import type { Adaptive } from '../limits/adaptive.ts';
import type { Budgets } from '../limits/budgets.ts';
import type { Rates } from '../limits/rates.ts';
import type { Slots } from '../limits/slots.ts';
import type { Slowdowns } from '../limits/slowdowns.ts';
import type { Alarms } from '../observe/alarms.ts';
import type { Observer } from '../observe/events.ts';
import type { Policy } from '../policy/policy.ts';
import type { Spool } from '../spool/spool.ts';
import { closedDoor, type Destinations } from './destinations.ts';
import type { Detours } from './detours.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { PlacementContext } from './placement.ts';
import { passedByQuota } from './quotas.ts';
import type { SiteBook } from './site-book.ts';
import { passedByPool, passedByWarmup } from './warmups.ts';
import { detoursNow } from './ways.ts';

export interface House {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
  readonly alarms: Alarms;
  readonly delivery: Delivery;
  readonly destinations: Destinations;
  readonly dispatcher: Dispatcher;
  readonly slots: Slots;
  readonly adaptive: Adaptive;
  readonly slowdowns: Slowdowns;
  readonly rates: Rates;
  readonly sites: SiteBook;
  /** Looks at MX hosts that messages wait for. */
  readonly looking: Set<Promise<void>>;
  readonly budgets: Budgets;
  readonly detours: Detours;
  /** The policy in force; another object after each reload. */
  readonly policy: () => Policy;
  readonly hostname: string;
  readonly postmaster: string | null;
  /** Milliseconds that an attempt after its final dot gets once `stopping` is aborted. */
  readonly shutdownTimeout: number;
  readonly stopping: AbortSignal;
  readonly reached: ReachMilestone;
}

/** What placing sees of the house at this moment, by the policy in force or by another one. */
export function placementContext(
  house: Pick<House, 'policy' | 'destinations' | 'sites' | 'budgets' | 'detours' | 'clock'>,
  policy: Policy = house.policy(),
): PlacementContext {
  const now = house.clock.now();
  const detours = detoursNow(house, policy, now);
  return {
    policy,
    now,
    door: (key) => closedDoor(house.destinations.get(key), now),
    site: (domain) => house.sites.nameOf(policy, domain),
    passed: (route, ...mail) =>
      passedByQuota(house, route) ?? passedByPool(house, policy, route, now) ?? detours(route, ...mail),
    sourcePassed: (address) => passedByWarmup(house, policy, address, now),
  };
}
