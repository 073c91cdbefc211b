// Destinations that wait for a place: the line of those that do not answer, one line for each full limit.
// dispatcher.ts parks them here and calls the next one when a place comes free.
// Never holds a destination twice, and never decides who may run.
import type { Destination } from './destinations.ts';
import type { LimitKey } from './limits.ts';

/**
 * Who gets the next place for a destination without a recent success. Closed doors must not keep new
 * ones waiting; and of the new ones the latest goes before the oldest every other time, or a domain that
 * answers would wait behind thousands that came first and say nothing.
 */
const TURNS = ['latest', 'oldest', 'latest', 'failing'] as const;

/** The places for runs to destinations that have not answered lately, and who waits for one. */
export class SlowPlaces {
  readonly #places: number;
  #taken = 0;
  /** Runs that are asked for and will take a place when they begin. */
  readonly #asked = new Set<Destination>();
  readonly #fresh = new Line();
  readonly #failing = new Line();
  #called = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /** Free places that no run has been asked for. */
  get free(): number {
    return this.#places - this.#taken - this.#asked.size;
  }

  /** False when there is none. */
  take(): boolean {
    if (this.#taken >= this.#places) return false;
    this.#taken++;
    return true;
  }

  giveBack(): void {
    this.#taken--;
  }

  asked(destination: Destination): void {
    this.#asked.add(destination);
  }

  begun(destination: Destination): void {
    this.#asked.delete(destination);
  }

  wait(destination: Destination): void {
    destination.parked = true;
    (destination.backOff ? this.#failing : this.#fresh).add(destination);
  }

  /** It has a run: it waits no more. */
  leave(destination: Destination): void {
    if (this.#fresh.remove(destination) || this.#failing.remove(destination)) destination.parked = false;
  }

  /** The next in line, when a place is free for it. */
  call(): Destination | undefined {
    if (this.free <= 0) return undefined;
    const turn = TURNS[this.#called++ % TURNS.length];
    const next =
      turn === 'failing'
        ? (this.#failing.oldest() ?? this.#fresh.oldest())
        : ((turn === 'latest' ? this.#fresh.latest() : this.#fresh.oldest()) ?? this.#failing.oldest());
    if (next) next.parked = false;
    return next;
  }
}

/** Destinations in the order in which they came, taken from either end. */
class Line {
  #order: Destination[] = [];
  #first = 0;
  /** Who is still waiting: those that left stay in `#order` until their place comes up. */
  readonly #waiting = new Set<Destination>();

  add(destination: Destination): void {
    if (this.#waiting.has(destination)) return;
    this.#waiting.add(destination);
    this.#order.push(destination);
  }

  remove(destination: Destination): boolean {
    return this.#waiting.delete(destination);
  }

  oldest(): Destination | undefined {
    while (this.#first < this.#order.length) {
      const next = this.#order[this.#first++] as Destination;
      if (this.#first > this.#order.length / 2) this.#compact();
      if (this.#waiting.delete(next)) return next;
    }
    return undefined;
  }

  latest(): Destination | undefined {
    while (this.#order.length > this.#first) {
      const next = this.#order.pop() as Destination;
      if (this.#waiting.delete(next)) return next;
    }
    return undefined;
  }

  #compact(): void {
    this.#order = this.#order.slice(this.#first);
    this.#first = 0;
  }
}

/** Lines by the limit that was full. */
export class PlaceLines {
  readonly #lines = new Map<LimitKey, Set<Destination>>();

  add(key: LimitKey, destination: Destination): void {
    destination.parked = true;
    const line = this.#lines.get(key) ?? new Set();
    line.add(destination);
    this.#lines.set(key, line);
  }

  first(key: LimitKey): Destination | undefined {
    return this.#lines.get(key)?.values().next().value;
  }

  next(key: LimitKey): Destination | undefined {
    const line = this.#lines.get(key);
    const destination = shift(line);
    if (line?.size === 0) this.#lines.delete(key);
    return destination;
  }

  waiting(key: LimitKey): boolean {
    return this.#lines.has(key);
  }

  keys(): readonly LimitKey[] {
    return [...this.#lines.keys()];
  }

  /** Takes everybody out, for limits that changed. */
  empty(): Destination[] {
    const all = [...this.#lines.values()].flatMap((line) => [...line]);
    for (const destination of all) destination.parked = false;
    this.#lines.clear();
    return all;
  }
}

function shift(line: Set<Destination> | undefined): Destination | undefined {
  const [first] = line ?? [];
  if (!first) return undefined;
  line?.delete(first);
  first.parked = false;
  return first;
}
