// Answers kept for as long as they may be believed, the longest unused ones given up first.
// stub.ts looks here before it asks anybody, and puts in what lookup.ts found.
// Never hands out an answer past its time: mail can wait, a wrong host cannot be taken back.
import type { Clock } from '../clock/clock.ts';
import type { Lookup } from './resolver.ts';

/** Names kept for each type; at some 300 bytes each, 6 MB. A burst over 20,000 domains fits. */
const MOST_NAMES = 20_000;

/** Seconds. Below one, a burst to one domain would ask for every message; a day is RFC 2308's and everybody's cap. */
const POSITIVE_TTL = { least: 1, most: 86_400 };
/** RFC 2308 §5 advises one to three hours at most; a domain that was just set up should not wait for longer. */
const LONGEST_ABSENCE = 3_600;
/** RFC 2308 §7.1 allows 5 minutes. Enough to spare a broken zone the runs of one moment, and no retry waits for it. */
const FAILURE_TTL = 5;

interface Entry<R> {
  readonly lookup: Lookup<R>;
  readonly stored: number;
  readonly expires: number;
}

export class LookupCache<R> {
  readonly #clock: Clock;
  readonly #limit: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry<R>>();

  constructor(clock: Clock, limit = MOST_NAMES) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** A found or absent answer comes with the TTL that is left to it, in seconds. */
  get(name: string): Lookup<R> | null {
    const entry = this.#entries.get(name);
    if (!entry) return null;
    this.#entries.delete(name);
    const now = this.#clock.now();
    // A clock that was set back must not lengthen anything.
    if (now >= entry.expires || now < entry.stored) return null;
    this.#entries.set(name, entry);
    const { lookup } = entry;
    return lookup.kind === 'failed' ? lookup : { ...lookup, ttl: Math.ceil((entry.expires - now) / 1000) };
  }

  put(name: string, lookup: Lookup<R>): void {
    const seconds = lifetime(lookup);
    if (seconds === 0) return;
    const stored = this.#clock.now();
    this.#entries.delete(name);
    this.#entries.set(name, { lookup, stored, expires: stored + seconds * 1000 });
    if (this.#entries.size <= this.#limit) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  clear(): void {
    this.#entries.clear();
  }
}

function lifetime<R>(lookup: Lookup<R>): number {
  switch (lookup.kind) {
    case 'found':
      return Math.min(Math.max(lookup.ttl, POSITIVE_TTL.least), POSITIVE_TTL.most);
    case 'nxdomain':
    case 'no-data':
      // Without an SOA the TTL is zero, and RFC 2308 §5 forbids to keep it.
      return Math.min(lookup.ttl, LONGEST_ABSENCE);
    case 'failed':
      // Where nobody answered, nothing was learned about the name.
      return lookup.ours ? 0 : FAILURE_TTL;
  }
}
