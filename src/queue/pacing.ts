// What a run has to wait for before it may go on: a slot for its connection, its turn under the rates.
// run.ts asks for the slot before it connects, and for a turn before each message.
// Never keeps a run waiting for long: then the destination comes back when the time is there.
import { pause } from '../clock/clock.ts';
import type { Limits } from '../limits/limits.ts';
import { LONGEST_TURN_MS, type RateLimit } from '../limits/rates.ts';
import type { Slot } from '../limits/slots.ts';
import type { Destination } from './destinations.ts';
import type { House } from './house.ts';

/** While others wait for the place, a rate's next turn must come this soon: an open connection is worth a moment. */
const CROWDED_TURN_MS = 1_000;

/** No timer is shorter: a turn that is nearer is now, or each message would wait as long for nothing. */
const SHORTEST_TIMER_MS = 1;

/** Redis is asked again for a slot after this long: no connection begins without one. */
const AWAY_MS = 1_000;

/** Null when there is none: then the destination comes back when there may be one. */
export async function slotFor(house: House, destination: Destination, limits: Limits): Promise<Slot | null> {
  const { slots, dispatcher, clock } = house;
  const taking = await slots.take(limits.connections);
  if ('slot' in taking) return taking.slot;
  if ('away' in taking) destination.notBefore = clock.now() + AWAY_MS;
  // A destination never waits behind itself: its own runs serve what is due.
  else if (destination.connected === 0) dispatcher.park(destination, taking.full);
  return null;
}

/** Waits for the next turn under all of them; false when that takes too long, or the daemon stops. */
export async function paced(
  { rates, slowdowns, clock, stopping }: House,
  destination: Destination,
  limits: readonly RateLimit[],
  crowded: boolean,
): Promise<boolean> {
  if (limits.length === 0) return true;
  const now = clock.now();
  const slowed = limits.map((limit) => slowdowns.rate(limit, now));
  const turn = await rates.turn(slowed, crowded ? CROWDED_TURN_MS : LONGEST_TURN_MS);
  if ('later' in turn) {
    destination.notBefore = clock.now() + turn.later;
    return false;
  }
  return turn.wait < SHORTEST_TIMER_MS ? !stopping.aborted : pause(clock, turn.wait, stopping);
}
