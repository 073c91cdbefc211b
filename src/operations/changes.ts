// What an operator does to queued mail: retry, hold, release, remove, bounce, reroute.
// control.ts finds the entries and calls it; every change is one commit in the spool.
// Never touches recipients that were not chosen: an entry that holds others too is split.
import type { Failure } from '../delivery/failure.ts';
import type { Message } from '../mail/envelope.ts';
import { isUnchanged, report, tellBorn } from '../queue/bounce.ts';
import { type Hold, type QueueEntry, replacing, withDue } from '../queue/entry.ts';
import { type House, placementContext } from '../queue/house.ts';
import { FORCED, place } from '../queue/placement.ts';
import { relocate } from '../queue/relocate.ts';
import { tellRelocated } from '../queue/review.ts';
import type { Change } from '../spool/spool.ts';
import type { QueueChange } from './operations.ts';

/** Recipients of one entry that an operator chose. */
export interface Chosen {
  readonly message: Message;
  /** As it is in the spool. */
  readonly entry: QueueEntry;
  /** The entry with the chosen recipients alone. */
  readonly part: QueueEntry;
  /** The entry with all others, if there are any. */
  readonly rest: QueueEntry | null;
}

/** `recipients`: indexes, ascending, some of the entry's. Null when there are none. */
export function choose(message: Message, entry: QueueEntry, recipients: readonly number[]): Chosen | null {
  const part = withRecipients(entry, recipients);
  const rest = withRecipients(
    entry,
    entry.recipients.filter((index) => !recipients.includes(index)),
  );
  return part && { message, entry, part, rest };
}

function withRecipients(entry: QueueEntry, recipients: readonly number[]): QueueEntry | null {
  const [seq] = recipients;
  return seq === undefined ? null : { ...entry, seq, recipients };
}

/** Whether the change means anything for the entry. */
export function applies(what: QueueChange, entry: QueueEntry): boolean {
  if (what === 'retry' || what === 'hold') return entry.hold === undefined;
  return what !== 'release' || entry.hold !== undefined;
}

/** False when the entry began to be delivered meanwhile. Rejects with SpoolError. */
export function applyChange(
  house: House,
  what: QueueChange,
  chosen: Chosen,
  reason: string | null,
): Promise<boolean> {
  switch (what) {
    case 'retry':
      return retry(house, chosen);
    case 'hold':
      return hold(house, chosen, reason ?? 'held by the operator');
    case 'release':
      return release(house, chosen);
    case 'remove':
      return remove(house, chosen);
    case 'bounce':
      return bounce(house, chosen, reason ?? 'Returned by the operator of this mail system');
  }
}

/**
 * The chosen recipients as `put`, or gone when there is none, and the others as they were: for those the
 * destination is looked at again, for whoever looked while the entry changed has seen no mail.
 */
async function changeTo(
  house: House,
  { entry, rest }: Chosen,
  put: readonly QueueEntry[],
  more: Pick<Change, 'ended' | 'born'> = {},
): Promise<void> {
  await house.spool.change({ ...replacing(entry, rest ? [...put, rest] : put), ...more });
  if (rest && !rest.hold) house.dispatcher.arrived([rest.destination]);
}

/** Now, whatever the schedule and a closed door say: the operator knows more than we do. */
async function retry(house: House, chosen: Chosen): Promise<boolean> {
  const { destination } = chosen.entry;
  const now = house.clock.now();
  await changeTo(house, chosen, [withDue(chosen.part, now)]);
  const door = house.destinations.of(destination);
  if (door.backOff) door.backOff = { ...door.backOff, until: now };
  house.dispatcher.arrived([destination]);
  return true;
}

async function hold(house: House, chosen: Chosen, reason: string): Promise<boolean> {
  const held: QueueEntry = { ...chosen.part, hold: { reason, since: house.clock.now(), by: 'operator' } };
  await changeTo(house, chosen, [held]);
  for (const of of addressed(chosen)) house.observer.event({ ...of, event: 'held', reason });
  return true;
}

/**
 * Back into the queue by the policy of today; crashes are forgiven, and the quota or the rule that held it lets
 * it through. What policy would reject by now is held again.
 */
async function release(house: House, chosen: Chosen): Promise<boolean> {
  const now = house.clock.now();
  const { hold, ...rest } = chosen.part;
  await placeAnew(house, chosen, { ...withDue(rest, now), crashes: 0, ...waiverOf(hold) });
  return true;
}

function waiverOf(hold: Hold | undefined): Pick<QueueEntry, 'released' | 'quotaWaived'> {
  if (hold?.by === 'policy') return { released: true };
  return hold?.by === 'quota' ? { quotaWaived: true } : {};
}

/**
 * By this route from now on, whatever rules and fallbacks say, as long as the policy has it. What is in
 * doubt goes too: the operator decides that. Held mail stays held and takes the route when it is released.
 */
export async function reroute(house: House, chosen: Chosen, route: string): Promise<boolean> {
  const forced: QueueEntry = { ...chosen.part, routeOverride: route, routeReason: FORCED };
  if (forced.hold) await changeTo(house, chosen, [forced]);
  else await placeAnew(house, chosen, forced);
  return true;
}

/** Puts `part`, the chosen recipients as they are to be, where they belong now. */
async function placeAnew(house: House, chosen: Chosen, part: QueueEntry): Promise<void> {
  const placements = place(chosen.message, part.recipients, part, placementContext(house));
  const relocation = relocate(part, placements, house.clock.now());
  const { put = [], ended = {} } = relocation.change;
  await changeTo(house, chosen, put, { ended });
  tellRelocated(house, chosen.message, relocation);
}

async function remove(house: House, chosen: Chosen): Promise<boolean> {
  await changeTo(house, chosen, [], { ended: { removed: chosen.part.recipients.length } });
  for (const of of addressed(chosen)) house.observer.event({ ...of, event: 'removed', by: 'operator' });
  return true;
}

async function bounce(house: House, chosen: Chosen, text: string): Promise<boolean> {
  const { message, entry, part } = chosen;
  // RFC 3463 §3.8: delivery not authorized, message refused.
  const status = '5.7.1';
  const failure: Failure = {
    scope: 'message',
    permanent: true,
    class: 'policy',
    status,
    phase: 'local',
    text,
  };
  const undelivered = part.recipients.map((index) => ({ ...part, index, failure }));
  const dsn = await report(house, 'failed', message, undelivered);
  if (!isUnchanged(house, entry)) {
    dsn?.body.discard();
    return false;
  }
  const ended = { bounced: part.recipients.length };
  await changeTo(house, chosen, [], { ended, ...(dsn && { born: [dsn] }) });
  for (const of of addressed(chosen)) {
    house.observer.event({ ...of, event: 'bounced', status, reason: text, dsn: dsn?.message.id ?? null });
  }
  if (dsn) tellBorn(house, dsn);
  return true;
}

function addressed({ message, part }: Chosen): { id: string; from: string; to: string }[] {
  const { id, from, recipients } = message;
  return part.recipients.map((index) => ({ id, from, to: recipients[index] ?? '' }));
}
