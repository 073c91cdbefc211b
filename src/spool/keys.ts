// How entries are found in the index: by destination, priority and due time, and by the time of their timers.
// store.ts keeps the keys in lmdb, in the order of their parts; lane.ts keeps some of them in memory.
// Never holds an entry's state: a key says where to look.
import {
  type DestinationKey,
  type EntryKey,
  type Priority,
  priorityOf,
  type QueueEntry,
} from '../queue/entry.ts';

/** An entry's place in the index of what is due. */
export interface DueKey extends EntryKey {
  readonly due: number;
}

/** Parts of a key, compared one after the other. */
export type IndexKey = (string | number)[];

/** Due time of a held entry in the index: after everything that is ever due. */
export const HELD = Number.MAX_SAFE_INTEGER;
/** Sort after every number, and after every queue id, in a key. */
export const LAST = Number.POSITIVE_INFINITY;
export const LAST_ID = '~';
/** Longest destination key in octets; lmdb takes 1978 for the whole key. */
const LONGEST_DESTINATION = 1024;

/**
 * What the keys of one destination's mail of one priority begin with. Normal mail has the key that all
 * mail had before there were priorities. A word sorts after every number: the lanes of a destination lie
 * side by side, normal first, and none is within the range of another.
 */
export type Lane =
  | readonly [destination: DestinationKey]
  | readonly [destination: DestinationKey, priority: 'high' | 'low'];

/** Its lane is the last one of a destination. */
export const LAST_PRIORITY: Priority = 'low';

export function laneOf(destination: DestinationKey, priority: Priority): Lane {
  return priority === 'normal' ? [destination] : [destination, priority];
}

/** By lane and due time; a held entry comes last. */
export function dueKey(entry: QueueEntry): IndexKey {
  const { due, id, seq } = dueKeyOf(entry);
  return [...laneOf(entry.destination, priorityOf(entry)), due, id, seq];
}

export function dueKeyOf({ due, id, seq, hold }: QueueEntry): DueKey {
  return { due: hold ? HELD : due, id, seq };
}

export function asDueKey(key: unknown): DueKey {
  const [due, id, seq] = (key as IndexKey).slice(-3) as [number, string, number];
  return { due, id, seq };
}

export function asPriority(key: unknown): Priority {
  const [, priority = 'normal'] = (key as IndexKey).slice(0, -3) as unknown as Lane;
  return priority;
}

export function compareDue(a: DueKey, b: DueKey): number {
  if (a.due !== b.due) return a.due - b.due;
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return a.seq - b.seq;
}

/** By the time of the entry's expiry or warning; a held entry neither expires nor warns. */
export function timerKey(entry: QueueEntry): IndexKey | null {
  if (entry.hold) return null;
  return [Math.min(entry.expires, entry.nextWarning ?? entry.expires), entry.id, entry.seq];
}

/** Throws when the entry cannot be a key of the index. */
export function checkEntry(entry: QueueEntry): void {
  if (Buffer.byteLength(entry.destination) > LONGEST_DESTINATION || entry.destination === '') {
    throw new RangeError(`a destination has 1 to ${LONGEST_DESTINATION} octets: ${entry.destination}`);
  }
  if (entry.recipients.length === 0) throw new RangeError('an entry has at least one recipient');
  if (!Number.isFinite(entry.due) || !Number.isFinite(entry.expires)) {
    throw new RangeError('an entry is due, and expires, at a finite time');
  }
}
