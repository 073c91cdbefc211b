// Destinations that wait for a place: the line of those that do not answer, one line for each full limit.
// dispatcher.ts parks them here and calls the next one when a place comes free.
// Never holds a destination twice, and never decides who may run.
import type { Destination } from './destinations.ts';
import type { LimitKey } from './limits.ts';

/** Of four places for destinations without a recent success, one goes to those that failed before. */
const FAILING_SHARE = 4;

/**
 * The places for runs to destinations that have not answered lately, and who waits for one: first
 * come, first served, in two lines, so that closed doors do not keep new ones waiting.
 */
export class SlowPlaces {
  readonly #places: number;
  #taken = 0;
  /** Runs that are asked for and will take a place when they begin. */
  readonly #asked = new Set<Destination>();
  readonly #fresh = new Set<Destination>();
  readonly #failing = new Set<Destination>();
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
    const waited = this.#fresh.delete(destination) || this.#failing.delete(destination);
    if (waited) destination.parked = false;
  }

  /** The next in line, when a place is free for it. */
  call(): Destination | undefined {
    if (this.free <= 0) return undefined;
    const failingFirst = ++this.#called % FAILING_SHARE === 0;
    const order = failingFirst ? [this.#failing, this.#fresh] : [this.#fresh, this.#failing];
    return shift(order[0]) ?? shift(order[1]);
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
