// What is due where, as lmdb has it: places of entries by destination, priority and due time.
// store.ts writes the keys and hands the database in; lane.ts and listings read here.
// Never holds an entry's state: a place says where to look.
import type { Database, Key } from 'lmdb';
import { type DestinationKey, type Priority, priorities, type QueueEntry } from '../queue/entry.ts';
import {
  asDueKey,
  asPriority,
  compareDue,
  type DueKey,
  dueKeyOf,
  HELD,
  LAST,
  LAST_ID,
  LAST_PRIORITY,
  type Lane,
  laneOf,
} from './keys.ts';
import type { DestinationStock } from './spool.ts';

/** Places read at a time by a walk, so that no snapshot is pinned while the caller works. */
const SLICE = 256;

export class DueIndex {
  readonly #keys: Database<null, Key>;

  constructor(keys: Database<null, Key>) {
    this.#keys = keys;
  }

  /** All places of a destination that has fewer than `limit`, held ones not among them; null: it has more. */
  few(destination: DestinationKey, limit: number): Readonly<Record<Priority, DueKey[]>> | null {
    const range = { start: [destination], end: [...laneOf(destination, LAST_PRIORITY), LAST], limit };
    const found: Record<Priority, DueKey[]> = { high: [], normal: [], low: [] };
    let count = 0;
    for (const key of this.#keys.getKeys(range)) {
      const place = asDueKey(key);
      if (place.due < HELD) found[asPriority(key)].push(place);
      count++;
    }
    return count < limit ? found : null;
  }

  /** At most `limit` places of the lane after `after` that are not held, earliest first. */
  after(lane: Lane, after: DueKey | null, limit: number): DueKey[] {
    return this.#range(lane, after, HELD, limit);
  }

  /** Places of the lane after `after` with a due time of at most `now`; stops at `limit`. */
  count(lane: Lane, after: DueKey | null, now: number, limit: number): number {
    if (limit <= 0) return 0;
    const range = { start: startAfter(lane, after), end: [...lane, now, LAST_ID], exclusiveStart: true };
    const atLimit = this.#keys.getKeys({ ...range, offset: limit - 1, limit: 1 });
    for (const _ of atLimit) return limit;
    return this.#keys.getKeysCount(range);
  }

  /** Places of the destination, whatever their priority, in the order in which they are due, held ones last. */
  *walk(destination: DestinationKey, after: QueueEntry | null): Generator<DueKey> {
    const from = after && dueKeyOf(after);
    const lanes = priorities.map((priority) => this.#walkLane(laneOf(destination, priority), from));
    const heads = lanes.map((lane) => lane.next().value);
    for (;;) {
      let first = -1;
      for (const [at, head] of heads.entries()) {
        if (head && (first < 0 || compareDue(head, heads[first] as DueKey) < 0)) first = at;
      }
      const head = heads[first];
      if (!head) return;
      yield head;
      heads[first] = lanes[first]?.next().value;
    }
  }

  *#walkLane(lane: Lane, after: DueKey | null): Generator<DueKey, undefined> {
    let from = after;
    for (;;) {
      const slice = this.#range(lane, from, LAST, SLICE);
      yield* slice;
      if (slice.length < SLICE) return;
      from = slice.at(-1) ?? from;
    }
  }

  /** Destinations with entries that are not held, how many, and when the first is due. */
  *stock(): Generator<DestinationStock> {
    let whole: DestinationStock | undefined;
    for (const part of this.#stockOfLanes()) {
      if (whole && whole.destination !== part.destination) yield whole;
      whole = whole?.destination === part.destination ? sum(whole, part) : part;
    }
    if (whole) yield whole;
  }

  *#stockOfLanes(): Generator<DestinationStock> {
    let start: Key = [];
    for (;;) {
      const [first] = [...this.#keys.getKeys({ start, limit: 1 })];
      if (first === undefined) return;
      const parts = first as [string, ...unknown[]];
      const [destination] = parts;
      const lane = parts.slice(0, -3) as unknown as Lane;
      const { due } = asDueKey(first);
      const entries = this.#keys.getKeysCount({ start: [...lane], end: [...lane, HELD] });
      if (entries > 0) yield { destination, entries, nextDue: due };
      start = [...lane, LAST];
    }
  }

  #range(lane: Lane, after: DueKey | null, end: number, limit: number): DueKey[] {
    const range = { start: startAfter(lane, after), end: [...lane, end], exclusiveStart: true, limit };
    const found: DueKey[] = [];
    for (const key of this.#keys.getKeys(range)) found.push(asDueKey(key));
    return found;
  }
}

function sum(one: DestinationStock, other: DestinationStock): DestinationStock {
  const entries = one.entries + other.entries;
  return { ...one, entries, nextDue: Math.min(one.nextDue, other.nextDue) };
}

function startAfter(lane: Lane, after: DueKey | null): Key {
  return after === null ? [...lane] : [...lane, after.due, after.id, after.seq];
}
