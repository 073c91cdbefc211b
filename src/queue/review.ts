// Goes over mail that is queued: moves what belongs elsewhere by now, and sets its times anew where policy's are others.
// After a reload over everything, after a failure over the destination that closed its door.
// Never holds up the loop: it works in slices, and leaves alone what is being delivered.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isOfSource } from '../delivery/failure.ts';
import type { Message } from '../mail/envelope.ts';
import type { Fallback, Policy } from '../policy/policy.ts';
import type { BackOff, Destination } from './destinations.ts';
import { type DestinationKey, type QueueEntry, withDue } from './entry.ts';
import { type House, placementContext } from './house.ts';
import { type Placement, place } from './placement.ts';
import { hasPool } from './pools.ts';
import { inPlace, type Relocation, relocate } from './relocate.ts';
import { inWindow, timed } from './window.ts';

/** Entries looked at before others get the loop: some milliseconds. */
const SLICE = 200;

/** Looks at all queued mail, or at one destination's. Resolves with the number of entries moved or held. */
export async function review(house: House, destination: DestinationKey | null): Promise<number> {
  let moved = 0;
  let after: QueueEntry | null = null;
  while (!house.stopping.aborted) {
    const slice = take(house, destination, after);
    const misplacedOnes = slice.flatMap((entry) => misplaced(house, entry) ?? []);
    const done = await Promise.all(misplacedOnes.map((one) => move(house, one)));
    moved += done.filter(Boolean).length;
    after = slice.at(-1) ?? null;
    if (slice.length < SLICE) break;
    await nextTurn();
  }
  return moved;
}

/** Looks at mail that waits behind a closed door, when it may have a fallback. Never rejects. */
export async function reviewBehind(house: House, { key, route, backOff }: Destination): Promise<void> {
  if (!backOff || !mayBeLeft(house.policy(), route, backOff)) return;
  await review(house, key).catch((error: unknown) => {
    house.observer.warn('a review broke off', { destination: key, error: String(error) });
  });
}

/** Whether any mail may leave the route for what closed the door: worth a look at all of it, or not. */
function mayBeLeft(policy: Policy, route: string, door: BackOff): boolean {
  const { failures, last } = door;
  if (isOfSource(last) && hasPool(policy, route)) return true;
  const { rules, otherwise, defaultFallback } = policy;
  const all = [...rules, otherwise];
  const isFollowed = all.some(
    ({ ending }) => ending?.kind === 'route' && ending.routes.slice(0, -1).includes(route),
  );
  const leaves = ({ on, after }: Fallback): boolean => on.has(last.class) && failures >= after;
  return isFollowed && (leaves(defaultFallback) || all.some(({ fallback }) => fallback && leaves(fallback)));
}

function take(house: House, destination: DestinationKey | null, after: QueueEntry | null): QueueEntry[] {
  const source = destination === null ? house.spool.scan(after) : house.spool.entriesOf(destination, after);
  const slice: QueueEntry[] = [];
  for (const entry of source) {
    slice.push(entry);
    if (slice.length === SLICE) break;
  }
  return slice;
}

interface Misplaced {
  readonly message: Message;
  readonly relocation: Relocation;
}

/** False when the disk did not take it: the mail stays where it is, and is looked at again before an attempt. */
async function move(house: House, { message, relocation }: Misplaced): Promise<boolean> {
  try {
    await house.spool.change(relocation.change);
  } catch (error) {
    house.observer.warn('queued mail could not be moved', { id: message.id, error: String(error) });
    return false;
  }
  tellRelocated(house, message, relocation);
  return true;
}

function misplaced(house: House, entry: QueueEntry): Misplaced | null {
  if (house.spool.isClaimed(entry)) return null;
  const message = house.spool.message(entry.id);
  if (!message) return null;
  const placements = place(message, entry.recipients, entry, placementContext(house));
  const now = house.clock.now();
  const { hold, ...free } = entry;
  if (!hold && inPlace(entry, placements)) return mistimed(message, entry, placements, now);
  // What policy holds, policy lets go; everything else is an operator's to release.
  if (hold && (hold.by !== 'policy' || isStillHeld(placements))) return null;
  const moving = hold ? withDue(free, now) : free;
  return { message, relocation: relocate(moving, placements, now) };
}

/** It stays where it is, but its window is another by now, or shut, or its time and its warnings are counted otherwise. */
function mistimed(
  message: Message,
  entry: QueueEntry,
  [placement]: readonly Placement[],
  now: number,
): Misplaced | null {
  if (placement?.kind !== 'queue') return null;
  const { decision } = placement;
  const put = inWindow(timed(entry, message, decision), decision.window, now);
  return put === entry ? null : { message, relocation: { change: { put: [put] }, discarded: [] } };
}

function isStillHeld(placements: readonly Placement[]): boolean {
  return placements.every(({ kind }) => kind === 'reject' || kind === 'hold');
}

/** Reports what a committed relocation did and wakes the destinations that got mail. */
export function tellRelocated(house: House, message: Message, { change, discarded }: Relocation): void {
  const of = (index: number) => ({ id: message.id, from: message.from, to: message.recipients[index] ?? '' });
  for (const put of change.put ?? []) {
    const { hold, recipients, destination } = put;
    if (!hold) house.dispatcher.arrived([destination]);
    else
      for (const index of recipients)
        house.observer.event({ ...of(index), event: 'held', reason: hold.reason });
  }
  for (const { index, route, rule } of discarded)
    house.observer.event({ ...of(index), event: 'discarded', route, rule });
}
