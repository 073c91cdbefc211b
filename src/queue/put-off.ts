// Suspended domains on a smarthost's route: one destination carries many, so their mail is put off entry by entry.
// claims.ts asks before an attempt; suspend.ts takes the mail up again when a suspension ends early.
// Never charges an attempt, and never keeps mail of other domains waiting.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { domainOf, type Message } from '../mail/envelope.ts';
import type { Change, Claim } from '../spool/spool.ts';
import { isUnchanged } from './bounce.ts';
import { type Destinations, suspensionOf } from './destinations.ts';
import { type DestinationKey, parseDestination, type QueueEntry, replacing, withDue } from './entry.ts';
import type { House } from './house.ts';
import { inForce, type Suspension } from './suspensions.ts';

/** Entries looked at before others get the loop, as in a review. */
const SLICE = 200;

/** The suspension for which the whole entry waits, or null. */
export function suspensionOfEntry(
  destinations: Destinations,
  message: Message,
  entry: QueueEntry,
  now: number,
): Suspension | null {
  const ofDestination = suspensionOf(destinations.of(entry.destination), now);
  const { route, domain } = parseDestination(entry.destination);
  if (ofDestination || domain !== null) return ofDestination;
  const each = entry.recipients.map((index) => overRecipient(destinations, route, message, index, now));
  return each.every((suspension) => suspension !== null) ? (each[0] ?? null) : null;
}

/**
 * The change that puts recipients of suspended domains off to the end of their suspensions; null when
 * there are none. The exact due time tells them from mail that waits for its own schedule.
 */
export function putOff(
  destinations: Destinations,
  { entry, message }: Pick<Claim, 'entry' | 'message'>,
  now: number,
): Change | null {
  const { route, domain } = parseDestination(entry.destination);
  if (domain !== null) return null;
  const groups = new Map<number, number[]>();
  for (const index of entry.recipients) {
    const due = overRecipient(destinations, route, message, index, now)?.until ?? entry.due;
    groups.set(due, [...(groups.get(due) ?? []), index]);
  }
  if (groups.size === 1 && groups.has(entry.due)) return null;
  const put = [...groups].map(([due, recipients]) => ({
    ...withDue(entry, due),
    seq: recipients[0] ?? entry.seq,
    recipients,
  }));
  return replacing(entry, put);
}

/** The suspension ended before its time: what it put off is due. Rejects with SpoolError. */
export async function takeUp(house: House, { route, site, domain, until }: Suspension): Promise<void> {
  if (domain === undefined || site !== undefined) return;
  for (const { destination } of [...house.spool.stock()]) {
    const to = parseDestination(destination);
    if (to.domain !== null || (route !== undefined && to.route !== route)) continue;
    await takeUpAt(house, destination, domain, until);
  }
}

async function takeUpAt(house: House, key: DestinationKey, domain: string, until: number): Promise<void> {
  let looked = 0;
  let writing: Promise<void>[] = [];
  for (const entry of house.spool.entriesOf(key, null)) {
    if (entry.due > until || house.stopping.aborted) break;
    const isPutOff = entry.due === until && !entry.hold && hasRecipientIn(house, entry, domain);
    if (isPutOff && isUnchanged(house, entry)) {
      writing.push(house.spool.change({ put: [withDue(entry, house.clock.now())] }));
    }
    if (++looked % SLICE !== 0) continue;
    await Promise.all(writing);
    writing = [];
    await nextTurn();
  }
  await Promise.all(writing);
  house.dispatcher.arrived([key]);
}

function hasRecipientIn(house: House, entry: QueueEntry, domain: string): boolean {
  const to = house.spool.message(entry.id)?.recipients ?? [];
  return entry.recipients.some((index) => domainOf(to[index] ?? '') === domain);
}

function overRecipient(
  { suspensions }: Destinations,
  route: string,
  message: Message,
  index: number,
  now: number,
): Suspension | null {
  const domain = domainOf(message.recipients[index] ?? '');
  return inForce(suspensions.over({ route, domain, site: null }), now);
}
