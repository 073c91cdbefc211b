// Destinations that wait for a place: the line of those that do not answer, one line for each full limit.
// dispatcher.ts parks them here and calls the next one when a place comes free.
// Never holds a destination twice, and never decides who may run.

import type { LimitKey } from '../limits/limits.ts';
import type { Destination } from './destinations.ts';

/**
 * Who gets the next place for a destination without a recent success. Those that were looked at before
 * must not keep new ones waiting; and of the new ones the latest goes before the oldest every other time,
 * or a domain that answers would wait behind thousands that came first and say nothing.
 */
const TURNS = ['latest', 'oldest', 'latest', 'known'] as const;

/**
 * A first look at a destination may be cut short after this, while other new ones wait: most hosts
 * greet within a second, and one that does not is tried again with all the patience of the RFC.
 */
const LOOK_MS = 2_000;

/** The rest is for first looks: what takes minutes to say nothing must not hold all places. */
const PATIENT_SHARE = 3 / 4;

/** A run's place. Given back twice is given back once. */
export interface SlowPlace {
  giveBack(): void;
}

interface Held {
  readonly since: number;
  readonly patient: boolean;
  hurried: boolean;
  /** Tells the run to end. */
  hurry(): void;
}

/** The places for runs to destinations that have not answered lately, and who waits for one. */
export class SlowPlaces {
  readonly #places: number;
  readonly #patientPlaces: number;
  /** In the order in which they were taken. */
  readonly #held = new Set<Held>();
  /** Runs that are asked for and will take a place when they begin, and whether a patient one. */
  readonly #asked = new Map<Destination, boolean>();
  #patient = 0;
  readonly #fresh = new Line();
  readonly #known = new Line();
  #called = 0;

  constructor(places: number) {
    this.#places = places;
    this.#patientPlaces = Math.max(1, Math.floor(places * PATIENT_SHARE));
  }

  /** Free places that no run has been asked for. */
  get free(): number {
    return this.#places - this.#held.size - this.#asked.size;
  }

  /** Whether the destination could have one of them. */
  isFreeFor(destination: Destination): boolean {
    return this.free > 0 && (!isKnown(destination) || this.#patient < this.#patientPlaces);
  }

  /** Null when there is none. `hurry` is called when a first look should end because others wait. */
  take(destination: Destination, now: number, hurry: () => void): SlowPlace | null {
    const patient = isKnown(destination);
    if (this.#held.size >= this.#places || (patient && this.#patient >= this.#patientPlaces)) return null;
    const held: Held = { since: now, patient, hurried: false, hurry };
    this.#held.add(held);
    if (patient) this.#patient++;
    return {
      giveBack: () => {
        if (this.#held.delete(held) && patient) this.#patient--;
      },
    };
  }

  asked(destination: Destination): void {
    const patient = isKnown(destination);
    this.#asked.set(destination, patient);
    if (patient) this.#patient++;
  }

  begun(destination: Destination): void {
    if (this.#asked.get(destination)) this.#patient--;
    this.#asked.delete(destination);
  }

  wait(destination: Destination): void {
    destination.parked = true;
    (isKnown(destination) ? this.#known : this.#fresh).add(destination);
  }

  /** It has a run: it waits no more. */
  leave(destination: Destination): void {
    if (this.#fresh.remove(destination) || this.#known.remove(destination)) destination.parked = false;
  }

  /** Somebody new came: one first look that has had its time ends for it. */
  hurryOne(now: number): void {
    this.#hurry(now, 1);
  }

  /**
   * Ends first looks that have had their time, for the new ones that wait. A quarter at most: places
   * that all come free at once are all taken at once, and the next one to come waits its time out.
   */
  hurry(now: number): void {
    this.#hurry(now, Math.ceil(this.#places / 4));
  }

  #hurry(now: number, most: number): void {
    let wanted = Math.min(this.#fresh.size, most);
    for (const held of this.#held) {
      if (wanted <= 0 || now - held.since < LOOK_MS) return;
      if (held.patient || held.hurried) continue;
      wanted--;
      held.hurried = true;
      held.hurry();
    }
  }

  /** The next in line, when a place is free for it. */
  call(): Destination | undefined {
    if (this.free <= 0) return undefined;
    const turn = TURNS[this.#called++ % TURNS.length];
    const known = (): Destination | undefined =>
      this.#patient < this.#patientPlaces ? this.#known.oldest() : undefined;
    const next =
      turn === 'known'
        ? (known() ?? this.#fresh.oldest())
        : ((turn === 'latest' ? this.#fresh.latest() : this.#fresh.oldest()) ?? known());
    if (next) next.parked = false;
    return next;
  }
}

/** It failed before, or said nothing at a first look. */
function isKnown({ backOff, looked }: Destination): boolean {
  return backOff !== null || looked;
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

  get size(): number {
    return this.#waiting.size;
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
