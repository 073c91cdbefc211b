// Suspending and resuming: what an operator tells to wait is not tried, new mail included, until its time is over.
// control.ts calls it; timers.ts ends what is over; destinations and runs obey what it puts in force.
// Never says that one is in force before its note is on disk, and never touches an attempt that is under way.

import type { SuspensionScope } from '../operations/operations.ts';
import type { House } from './house.ts';
import { takeUp } from './put-off.ts';
import { SUSPENSION_NOTES, type Suspension, suspensionNote } from './suspensions.ts';

/** In force and on disk when it resolves. One of the same scope is replaced. Rejects with SpoolError. */
export async function suspend(house: House, suspension: Suspension): Promise<void> {
  const { suspensions } = house.destinations;
  const before = suspensions.get(suspension);
  // First the table: table and notes then change in the same order, whatever ends meanwhile.
  suspensions.add(suspension);
  applySuspensions(house);
  try {
    await house.spool.change({ notes: { [suspensionNote(suspension)]: suspension } });
  } catch (error) {
    suspensions.delete(suspension);
    if (before) suspensions.add(before);
    applySuspensions(house);
    throw error;
  }
  const { site = null, route = null, domain = null, reason, until } = suspension;
  const end = new Date(until).toISOString();
  house.observer.event({ event: 'suspended', site, route, domain, reason, until: end });
  // What the old one put off is put off anew, to the new end.
  if (before && before.until !== until) await takeUp(house, before);
}

/** Ends those that have all given parts; resolves with how many. Rejects with SpoolError. */
export async function resume(house: House, scope: SuspensionScope): Promise<number> {
  const { suspensions } = house.destinations;
  const ended = [...suspensions.all()].filter((suspension) => isPartOf(scope, suspension));
  for (const suspension of ended) suspensions.delete(suspension);
  try {
    await forget(house, ended);
  } catch (error) {
    for (const suspension of ended) suspensions.add(suspension);
    throw error;
  }
  applySuspensions(house);
  for (const suspension of ended) {
    tellResumed(house, suspension, 'operator');
    await takeUp(house, suspension);
  }
  return ended.length;
}

function isPartOf({ site, route, domain }: SuspensionScope, suspension: SuspensionScope): boolean {
  if (site !== undefined && site !== suspension.site) return false;
  if (route !== undefined && route !== suspension.route) return false;
  return domain === undefined || domain === suspension.domain;
}

/** Those whose time is over. What they kept waiting is due: mail that was put off by its own time. */
export function endSuspensions(house: House, now: number): void {
  const { suspensions } = house.destinations;
  const ended = [...suspensions.all()].filter(({ until }) => until <= now);
  if (ended.length === 0) return;
  for (const suspension of ended) suspensions.delete(suspension);
  applySuspensions(house);
  for (const suspension of ended) tellResumed(house, suspension, 'time');
  // A note that stays ends at the next start, by its time.
  forget(house, ended).catch((error: Error) => {
    house.observer.warn('the notes of ended suspensions could not be removed', { error: error.message });
  });
}

/** Puts in force again what the notes of an earlier process say. */
export function recallSuspensions(house: House): void {
  const { suspensions } = house.destinations;
  for (const [, value] of house.spool.notes(SUSPENSION_NOTES)) suspensions.add(value as Suspension);
  house.destinations.suspensionsChanged();
}

function forget(house: House, ended: readonly Suspension[]): Promise<void> {
  const notes = Object.fromEntries(ended.map((suspension) => [suspensionNote(suspension), null]));
  return ended.length === 0 ? Promise.resolve() : house.spool.change({ notes });
}

function applySuspensions({ destinations, dispatcher }: House): void {
  for (const destination of destinations.suspensionsChanged()) dispatcher.look(destination);
}

function tellResumed({ observer }: House, suspension: Suspension, by: 'operator' | 'time'): void {
  const { site = null, route = null, domain = null } = suspension;
  observer.event({ event: 'resumed', site, route, domain, by });
}
