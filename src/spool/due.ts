// The next entries of the busy destinations in memory: a lane for each priority, served in turn.
// claiming.ts takes from here and tells it of every commit; lane.ts looks ahead in the index.
// Never decides what may be claimed: whoever takes an entry looks it up in the store first.
import type { Random } from '../clock/random.ts';
import {
  type DestinationKey,
  type EntryKey,
  type Priority,
  priorities,
  priorityOf,
  type QueueEntry,
} from '../queue/entry.ts';
import type { DueIndex } from './due-index.ts';
import { type DueKey, laneOf } from './keys.ts';
import { LaneWindow } from './lane.ts';
import { Turns } from './turns.ts';

interface Window {
  readonly lanes: Readonly<Record<Priority, LaneWindow>>;
  readonly turns: Turns;
  /** Claims of the destination: their entries are missing from the lanes. */
  claims: number;
}

/** Windows kept: more than runs are under way at once; each of the others costs a short search. */
const WINDOWS = 1024;

/** Destinations with less mail are read at once, all lanes together: most have one message. */
const FEW = 8;

export class DueWindows {
  readonly #index: DueIndex;
  readonly #free: (key: EntryKey) => boolean;
  readonly #random: Random;
  readonly #windows = new Map<DestinationKey, Window>();

  /** `free` tells whether an entry may be claimed now; one that becomes free is inserted again. */
  constructor(index: DueIndex, free: (key: EntryKey) => boolean, random: Random) {
    this.#index = index;
    this.#free = free;
    this.#random = random;
  }

  /** Takes out the entry whose turn it is: the earliest of its lane that is due at `now` and free. */
  take(destination: DestinationKey, now: number): DueKey | undefined {
    const { lanes, turns } = this.#window(destination);
    for (const priority of turns.order()) {
      const key = lanes[priority].take(now);
      if (key !== undefined) return key;
    }
    return undefined;
  }

  /** When the earliest free entry of the destination is due. */
  nextDue(destination: DestinationKey): number | null {
    const { lanes } = this.#window(destination);
    const due = Math.min(...priorities.map((priority) => lanes[priority].first()?.due ?? Infinity));
    return due === Infinity ? null : due;
  }

  /** The highest priority of which a free entry is due at `now`. */
  urgency(destination: DestinationKey, now: number): Priority | null {
    const { lanes } = this.#window(destination);
    return priorities.find((priority) => (lanes[priority].first()?.due ?? Infinity) <= now) ?? null;
  }

  /** Takes out what was changed or removed. */
  remove(entry: QueueEntry): void {
    this.#windows.get(entry.destination)?.lanes[priorityOf(entry)].remove(entry);
  }

  /** Puts in what was committed. */
  insert(entry: QueueEntry): void {
    this.#windows.get(entry.destination)?.lanes[priorityOf(entry)].insert(entry);
  }

  /** What was taken out is claimed. A window stays while its destination has claims. */
  claimed(destination: DestinationKey): void {
    const window = this.#window(destination);
    window.claims++;
    window.turns.taken();
  }

  /** A claim ended with a change of its entry. */
  settled({ destination }: QueueEntry): void {
    const window = this.#windows.get(destination);
    if (window !== undefined) window.claims--;
  }

  /** A claim ended, and its entry is as it was. */
  givenBack(entry: QueueEntry): void {
    this.settled(entry);
    this.#windows.get(entry.destination)?.turns.givenBack(priorityOf(entry));
    this.insert(entry);
  }

  /** Free entries that are due at `now`, counted up to `limit`. */
  count(destination: DestinationKey, now: number, limit: number): number {
    const { lanes } = this.#window(destination);
    let count = 0;
    for (const priority of priorities) count += lanes[priority].count(now, limit - count);
    return count;
  }

  #window(destination: DestinationKey): Window {
    const known = this.#windows.get(destination);
    if (known !== undefined) {
      this.#windows.delete(destination);
      this.#windows.set(destination, known);
      return known;
    }
    const few = this.#index.few(destination, FEW);
    const lane = (priority: Priority) =>
      new LaneWindow(this.#index, laneOf(destination, priority), this.#free, few?.[priority]);
    const lanes = { high: lane('high'), normal: lane('normal'), low: lane('low') };
    const window = { lanes, turns: new Turns(this.#random), claims: 0 };
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
}
