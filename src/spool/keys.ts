// How entries are found in the index: by destination and due time, and by the time of their timers.
// store.ts keeps the keys in lmdb, in the order of their parts; due.ts keeps some of them in memory.
// Never holds an entry's state: a key says where to look.
import type { EntryKey, QueueEntry } from '../queue/entry.ts';

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

/** By destination and due time; a held entry comes last. */
export function dueKey(entry: QueueEntry): IndexKey {
  return [entry.destination, entry.hold ? HELD : entry.due, entry.id, entry.seq];
}

export function asDueKey(key: unknown): DueKey {
  const [, due, id, seq] = key as [string, number, string, number];
  return { due, id, seq };
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
