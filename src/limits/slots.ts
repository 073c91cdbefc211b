// Connection slots, shared by all daemons on one Redis: leases that end by themselves when their daemon is gone.
// run.ts takes one before it connects; dispatcher.ts learns how many are free, and that one came free.
// Never closes a connection: while Redis is away none begins, and those that are open go on.
import type { Clock, Timer } from '../clock/clock.ts';
import type { Scripts } from '../redis/scripts.ts';
import type { ConnectionLimit, LimitKey } from './limits.ts';
import { BEAT, FORGOTTEN, RELEASE, TAKE } from './slot-scripts.ts';

/** How long the slots of a daemon that died stay taken: a stall of the machine is shorter, patience is not. */
const LEASE_MS = 15_000;

/** Leases are renewed this often. */
const BEAT_MS = 1_000;

/** Where daemons share a limit they look this often: a slot that came free elsewhere is nobody's until it is seen. */
const LOOK_MS = 250;

/** A place in the line is kept this long without a word: some beats may be lost. */
const PATIENCE_MS = 3_000;

/** After an absence of Redis every daemon has had two beats in which to say what it holds. */
const SETTLE_MS = 2 * BEAT_MS;

export interface Slot {
  release(): void;
  /** Whether fewer are allowed by now than are open: this one should go. Once true it stays so. */
  isSurplus(): boolean;
}

const NO_LIMIT: Slot = { release: () => undefined, isSurplus: () => false };

export type Taking =
  | { readonly slot: Slot }
  | { readonly full: LimitKey }
  /** Redis does not answer, or did not a moment ago. */
  | { readonly away: true };

export interface SlotsOptions {
  readonly scripts: Scripts;
  readonly clock: Clock;
  /** How many the limit allows at this moment, at most its own number; other daemons have so many `elsewhere`. */
  readonly allowed: (limit: ConnectionLimit, elsewhere: number) => number;
  /** Limits under which somebody here waits. */
  readonly waiting: () => readonly LimitKey[];
  /** Told each time a slot may have come free. */
  readonly freed: (key: LimitKey) => void;
  /** Told while another daemon waits under a limit of ours. */
  readonly wanted: (key: LimitKey) => void;
}

/** What Redis last said of a limit. */
interface Seen {
  /** Slots of other daemons. */
  readonly elsewhere: number;
  /** Other daemons that wait, and how many of them go first. */
  readonly others: number;
  readonly first: number;
}

const UNSEEN: Seen = { elsewhere: 0, others: 0, first: 0 };

export class Slots {
  readonly #options: SlotsOptions;
  readonly #daemon = crypto.randomUUID();
  #count = 0;
  readonly #held = new Map<LimitKey, Set<string>>();
  /** Held, and told to go. */
  readonly #surplus = new Set<string>();
  /** Given back, and not yet confirmed by Redis. */
  readonly #leaving = new Map<LimitKey, number>();
  readonly #seen = new Map<LimitKey, Seen>();
  /** Since Redis was last known to be there; `new`: it never was. */
  #redis: 'new' | 'there' | 'away' = 'new';
  #settledAt = 0;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#beat();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** A slot under every limit, or the key of the first that is full. Never rejects. */
  async take(limits: readonly ConnectionLimit[]): Promise<Taking> {
    if (limits.length === 0) return { slot: NO_LIMIT };
    const { scripts, clock } = this.#options;
    if (this.#redis === 'away' || clock.now() < this.#settledAt) return { away: true };
    const id = `${this.#daemon}:${++this.#count}`;
    const keys = limits.flatMap(({ key }) => keysOf(key));
    const numbers = limits.flatMap((limit) => [this.allowed(limit), this.taken(limit.key)]);
    const args = [this.#daemon, LEASE_MS, PATIENCE_MS, id, ...numbers];
    let answer: readonly number[];
    try {
      answer = (await scripts.run(TAKE, keys, args)) as number[];
    } catch {
      // If the script ran all the same, nobody renews that lease.
      return { away: true };
    }
    if (answer[0] === FORGOTTEN) {
      // Emptied, as it may be without ever being away: nobody begins until all have said what they hold.
      this.#settledAt = clock.now() + SETTLE_MS;
      return { away: true };
    }
    const full = limits[(answer[0] as number) - 1];
    if (!full) for (const { key } of limits) this.#own(key).add(id);
    for (const [i, { key }] of limits.entries()) {
      this.#note(key, answer[2 * i + 1] as number, { first: answer[2 * i + 2] as number });
    }
    return full ? { full: full.key } : { slot: this.#slot(id, limits) };
  }

  /** Asks Redis how many are open. Never rejects: while it is away, what was last seen stays. */
  async refresh(keys: readonly LimitKey[]): Promise<void> {
    if (keys.length === 0) return;
    const args = [this.#daemon, LEASE_MS, PATIENCE_MS, ...keys.flatMap(() => [0, 0])];
    const answer = await this.#options.scripts.run(BEAT, keys.flatMap(keysOf), args).catch(() => null);
    if (answer !== null) this.#hear(keys, answer as number[]);
  }

  /** As many as there may be at this moment. */
  allowed(limit: ConnectionLimit): number {
    return this.#options.allowed(limit, this.elsewhere(limit.key));
  }

  /** Ours. */
  taken(key: LimitKey): number {
    return this.#held.get(key)?.size ?? 0;
  }

  /** Those of all daemons, as last seen. */
  open(key: LimitKey): number {
    return this.taken(key) + this.#last(key).elsewhere;
  }

  /** Those of other daemons, as last seen. */
  elsewhere(key: LimitKey): number {
    return this.#last(key).elsewhere;
  }

  /** How many this daemon could take, as last seen. */
  free(limit: ConnectionLimit): number {
    return this.allowed(limit) - this.open(limit.key) - this.#last(limit.key).first;
  }

  /** Whether another daemon waits for a slot under it. */
  isWanted(key: LimitKey): boolean {
    return this.#last(key).others > 0;
  }

  #slot(id: string, limits: readonly ConnectionLimit[]): Slot {
    const keys = limits.map(({ key }) => key);
    return {
      isSurplus: () => {
        if (limits.some((limit) => this.#hasSurplus(limit))) this.#surplus.add(id);
        return this.#surplus.has(id);
      },
      release: () => {
        this.#surplus.delete(id);
        const held = keys.filter((key) => this.#held.get(key)?.delete(id));
        for (const key of held) this.#leave(key, 1);
        if (held.length === 0) return;
        // Sent before anything that `freed` sets off: the next one finds it free.
        void this.#giveBack(id, held);
        for (const key of held) this.#options.freed(key);
      },
    };
  }

  #hasSurplus(limit: ConnectionLimit): boolean {
    let going = 0;
    for (const id of this.#held.get(limit.key) ?? []) if (this.#surplus.has(id)) going++;
    return this.open(limit.key) - going > this.allowed(limit);
  }

  async #giveBack(id: string, keys: readonly LimitKey[]): Promise<void> {
    const run = this.#options.scripts.run(RELEASE, keys.map(slotsKey), [id]);
    // Where Redis did not hear it, the lease ends.
    await run.catch(() => undefined);
    for (const key of keys) this.#leave(key, -1);
  }

  async #beat(): Promise<void> {
    const { scripts, clock, waiting } = this.#options;
    const waited = new Set(waiting());
    const keys = [...new Set([...this.#heldKeys(), ...waited])];
    const args = keys.flatMap((key) => {
      const held = this.#held.get(key) ?? [];
      return [waited.has(key) ? 1 : 0, [...held].length, ...held];
    });
    try {
      const all = [this.#daemon, LEASE_MS, PATIENCE_MS, ...args];
      const answer = (await scripts.run(BEAT, keys.flatMap(keysOf), all)) as number[];
      if (this.#redis === 'away') this.#settledAt = clock.now() + SETTLE_MS;
      this.#redis = 'there';
      // What nobody here holds or waits for any more may be as it likes.
      for (const key of this.#seen.keys()) if (!keys.includes(key)) this.#seen.delete(key);
      this.#hear(keys, answer);
    } catch {
      if (this.#redis === 'there') this.#redis = 'away';
    }
    if (!this.#stopped)
      this.#timer = clock.after(this.#isShared(waited) ? LOOK_MS : BEAT_MS, () => void this.#beat());
  }

  /** Whether somebody waits, here or elsewhere, or may soon have to. */
  #isShared(waited: ReadonlySet<LimitKey>): boolean {
    return (
      waited.size > 0 || [...this.#seen.values()].some(({ elsewhere, others }) => elsewhere + others > 0)
    );
  }

  #hear(keys: readonly LimitKey[], answer: readonly number[]): void {
    const { freed, wanted } = this.#options;
    for (const [i, key] of keys.entries()) {
      const [open = 0, others = 0, first = 0] = answer.slice(3 * i, 3 * i + 3);
      const before = this.#last(key);
      this.#note(key, open, { others, first });
      if (others > 0) wanted(key);
      const { elsewhere } = this.#last(key);
      if (elsewhere < before.elsewhere || first < before.first) freed(key);
    }
  }

  /** By the order of replies, what is on its way out was still counted in `open`. */
  #note(key: LimitKey, open: number, news: Partial<Seen>): void {
    const elsewhere = Math.max(0, open - this.taken(key) - (this.#leaving.get(key) ?? 0));
    this.#seen.set(key, { ...this.#last(key), ...news, elsewhere });
  }

  #last(key: LimitKey): Seen {
    return this.#seen.get(key) ?? UNSEEN;
  }

  #own(key: LimitKey): Set<string> {
    const held = this.#held.get(key) ?? new Set();
    this.#held.set(key, held);
    return held;
  }

  #leave(key: LimitKey, change: number): void {
    const left = (this.#leaving.get(key) ?? 0) + change;
    if (left > 0) this.#leaving.set(key, left);
    else this.#leaving.delete(key);
    if (left === 0 && this.taken(key) === 0) this.#held.delete(key);
  }

  #heldKeys(): LimitKey[] {
    return [...this.#held].filter(([, held]) => held.size > 0).map(([key]) => key);
  }
}

const slotsKey = (key: LimitKey): string => `slots:${key}`;
const keysOf = (key: LimitKey): string[] => [slotsKey(key), `line:${key}`];
