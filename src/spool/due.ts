// The next entries of the busy destinations in memory, so that a claim need not search the index.
// claiming.ts takes from here and tells it of every commit; store.ts has the whole truth.
// Never decides what may be claimed: whoever takes an entry looks it up in the store first.
import type { DestinationKey, EntryKey } from '../queue/entry.ts';
import type { DueKey } from './keys.ts';
import type { Store } from './store.ts';

/** A destination's entries from the first on, claimed ones taken out, in order. */
interface Window {
  keys: DueKey[];
  /** The last place that was read from the index: what comes after it is not in `keys`. */
  read: DueKey | null;
  /** Nothing came after `read` in the index. */
  complete: boolean;
  /** How many to read next. */
  stride: number;
  /** Claims of the destination: their entries are missing from `keys`. */
  claims: number;
}

/** Windows kept: more than runs are under way at once; each of the others costs one short search. */
const WINDOWS = 1024;
/** A window starts with few keys, for the many destinations with one message, and doubles. */
const FIRST_STRIDE = 8;
const LONGEST_STRIDE = 256;
/** Past this a window forgets its far end, which is in the index anyway. */
const LONGEST_WINDOW = 1024;

export class DueWindows {
  readonly #store: Store;
  readonly #windows = new Map<DestinationKey, Window>();

  readonly #free: (key: EntryKey) => boolean;

  /** `free` tells whether an entry may be claimed now; one that becomes free is inserted again. */
  constructor(store: Store, free: (key: EntryKey) => boolean) {
    this.#store = store;
    this.#free = free;
  }

  /** The earliest entry of the destination that is free. */
  first(destination: DestinationKey): DueKey | undefined {
    const window = this.#window(destination);
    for (;;) {
      const [key] = window.keys;
      if (key === undefined) {
        if (window.complete) return undefined;
        this.#read(destination, window);
      } else if (this.#free(key)) return key;
      else window.keys.shift();
    }
  }

  /** Takes out what was claimed, changed or removed. */
  remove(destination: DestinationKey, key: DueKey): void {
    const window = this.#windows.get(destination);
    if (window === undefined) return;
    const at = placeOf(window.keys, key);
    const found = window.keys[at];
    if (found !== undefined && compare(found, key) === 0) window.keys.splice(at, 1);
  }

  /** Puts in what was committed or given back. */
  insert(destination: DestinationKey, key: DueKey): void {
    const window = this.#windows.get(destination);
    if (window === undefined) return;
    if (!window.complete && (window.read === null || compare(key, window.read) > 0)) return;
    const at = placeOf(window.keys, key);
    const found = window.keys[at];
    if (found !== undefined && compare(found, key) === 0) return;
    window.keys.splice(at, 0, key);
    if (window.complete && (window.read === null || compare(key, window.read) > 0)) window.read = key;
    if (window.keys.length > LONGEST_WINDOW) shorten(window);
  }

  /** A window stays while its destination has claims. */
  claimed(destination: DestinationKey): void {
    this.#window(destination).claims++;
  }

  released(destination: DestinationKey): void {
    const window = this.#windows.get(destination);
    if (window !== undefined) window.claims--;
  }

  /** Unclaimed entries that are due at `now`, counted up to `limit`. */
  count(destination: DestinationKey, now: number, limit: number): number {
    const window = this.#window(destination);
    let count = 0;
    for (const key of window.keys) {
      if (count >= limit || key.due > now) return count;
      if (this.#free(key)) count++;
    }
    if (window.complete) return count;
    return count + this.#store.countDue(destination, window.read, now, limit - count);
  }

  #window(destination: DestinationKey): Window {
    const known = this.#windows.get(destination);
    if (known !== undefined) {
      this.#windows.delete(destination);
      this.#windows.set(destination, known);
      return known;
    }
    const window: Window = { keys: [], read: null, complete: false, stride: FIRST_STRIDE, claims: 0 };
    this.#windows.set(destination, window);
    if (this.#windows.size > WINDOWS) this.#dropOldest();
    return window;
  }

  /** Drops the longest unused window; one with claims is moved to the end instead. */
  #dropOldest(): void {
    for (const [destination, window] of this.#windows) {
      this.#windows.delete(destination);
      if (window.claims > 0) this.#windows.set(destination, window);
      return;
    }
  }

  #read(destination: DestinationKey, window: Window): void {
    const keys = this.#store.dueAfter(destination, window.read, window.stride);
    window.keys.push(...keys);
    window.read = keys.at(-1) ?? window.read;
    window.complete = keys.length < window.stride;
    window.stride = Math.min(window.stride * 2, LONGEST_STRIDE);
  }
}

function shorten(window: Window): void {
  window.keys.length = LONGEST_WINDOW / 2;
  window.read = window.keys.at(-1) ?? null;
  window.complete = false;
}

function compare(a: DueKey, b: DueKey): number {
  if (a.due !== b.due) return a.due - b.due;
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return a.seq - b.seq;
}

/** Index of `key`, or of the first key after it. */
function placeOf(keys: readonly DueKey[], key: DueKey): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(keys[middle] as DueKey, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
