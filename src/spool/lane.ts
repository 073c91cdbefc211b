// The next entries of one lane in memory, so that a claim need not search the index.
// due.ts keeps one for each priority of a busy destination; due-index.ts has the whole truth.
// Never decides what may be claimed: whoever takes an entry looks it up in the store first.
import type { EntryKey } from '../queue/entry.ts';
import type { DueIndex } from './due-index.ts';
import { compareDue, type DueKey, type Lane } from './keys.ts';

/** A window starts with few keys and doubles. */
const FIRST_STRIDE = 8;
const LONGEST_STRIDE = 256;
/** Past this a window forgets its far end, which is in the index anyway. */
const LONGEST_WINDOW = 1024;

export class LaneWindow {
  readonly #index: DueIndex;
  readonly #lane: Lane;
  readonly #free: (key: EntryKey) => boolean;
  /** From the lane's first entry on, claimed ones taken out, in order. */
  #keys: DueKey[] = [];
  /** The last place that was read from the index: what comes after it is not in `#keys`. */
  #read: DueKey | null = null;
  /** Nothing came after `#read` in the index. */
  #complete = false;
  /** How many to read next. */
  #stride = FIRST_STRIDE;

  /**
   * `free` tells whether an entry may be claimed now; one that becomes free is inserted again. `all`: the
   * whole lane, where it was read already.
   */
  constructor(index: DueIndex, lane: Lane, free: (key: EntryKey) => boolean, all: DueKey[] | undefined) {
    this.#index = index;
    this.#lane = lane;
    this.#free = free;
    if (all === undefined) return;
    this.#keys = all;
    this.#read = all.at(-1) ?? null;
    this.#complete = true;
  }

  /** The earliest entry that is free. */
  first(): DueKey | undefined {
    for (;;) {
      const [key] = this.#keys;
      if (key === undefined) {
        if (this.#complete) return undefined;
        this.#readOn();
      } else if (this.#free(key)) return key;
      else this.#keys.shift();
    }
  }

  /** Takes it out, if it is due at `now`. */
  take(now: number): DueKey | undefined {
    const key = this.first();
    return key !== undefined && key.due <= now ? this.#keys.shift() : undefined;
  }

  /** Takes out what was changed or removed. */
  remove(key: DueKey): void {
    const at = placeOf(this.#keys, key);
    const found = this.#keys[at];
    if (found !== undefined && compareDue(found, key) === 0) this.#keys.splice(at, 1);
  }

  /** Puts in what was committed or given back. */
  insert(key: DueKey): void {
    const isLast = this.#read === null || compareDue(key, this.#read) > 0;
    if (isLast && !this.#complete) return;
    const at = placeOf(this.#keys, key);
    const found = this.#keys[at];
    if (found !== undefined && compareDue(found, key) === 0) return;
    this.#keys.splice(at, 0, key);
    if (isLast) this.#read = key;
    if (this.#keys.length > LONGEST_WINDOW) this.#shorten();
  }

  /** Free entries that are due at `now`, counted up to `limit`. */
  count(now: number, limit: number): number {
    let count = 0;
    for (const key of this.#keys) {
      if (count >= limit || key.due > now) return count;
      if (this.#free(key)) count++;
    }
    if (this.#complete) return count;
    return count + this.#index.count(this.#lane, this.#read, now, limit - count);
  }

  #readOn(): void {
    const keys = this.#index.after(this.#lane, this.#read, this.#stride);
    this.#keys.push(...keys);
    this.#read = keys.at(-1) ?? this.#read;
    this.#complete = keys.length < this.#stride;
    this.#stride = Math.min(this.#stride * 2, LONGEST_STRIDE);
  }

  #shorten(): void {
    this.#keys.length = LONGEST_WINDOW / 2;
    this.#read = this.#keys.at(-1) ?? null;
    this.#complete = false;
  }
}

/** Index of `key`, or of the first key after it. */
function placeOf(keys: readonly DueKey[], key: DueKey): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareDue(keys[middle] as DueKey, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
