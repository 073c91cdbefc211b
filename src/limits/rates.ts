// Paces messages and connections, shared by all daemons on one Redis: nobody saves up what was not used.
// run.ts asks for a turn before each message and each connection, and waits for it on the house's clock.
// Never knows why a rate is what it is, and never waits itself.
import type { Clock } from '../clock/clock.ts';
import type { Rate } from '../policy/policy.ts';
import type { Scripts } from '../redis/scripts.ts';

export interface RateLimit {
  readonly key: string;
  readonly rate: Rate;
  /** The site that it is of, if it is one's. */
  readonly site: string | null;
}

export type Turn =
  /** Reserved: goes in so many milliseconds. */
  | { readonly wait: number }
  /** Nothing is reserved: it would take longer than asked for, this long as things stand. */
  | { readonly later: number };

/**
 * Turns are leased so many milliseconds ahead: 500 a second cost 50 round trips instead of 500, and a lease that
 * nobody uses costs a fiftieth of a second of the rate. A rate of 50 a second or less leases one by one.
 */
const BATCH_MS = 20;

/** A turn may be taken this much late: timers are late by a millisecond, a busy loop by some tens. */
const LATE_MS = 100;

/** Nobody may ask to wait longer for a turn, so a turn further ahead is from a rate that was slower. */
export const LONGEST_TURN_MS = 5_000;

/** A pool that nobody used for so long is made anew when somebody does. */
const FORGOTTEN_MS = 60_000;

/**
 * GCRA with a burst of one: the key holds when the next turn is (milliseconds, on Redis's clock).
 * ARGV: milliseconds from turn to turn, how many, the longest wait for the first, the furthest ahead that is
 * believed. Returns whether they are reserved, and the wait for the first.
 */
const RESERVE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local interval, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local next = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
next = math.min(next, now + tonumber(ARGV[4]))
local wait = next - now
if wait > tonumber(ARGV[3]) then return { 0, string.format('%.3f', wait) } end
local ahead = wait + count * interval
redis.call('SET', KEYS[1], string.format('%.3f', now + ahead), 'PX', math.ceil(ahead) + 1000)
return { 1, string.format('%.3f', wait) }`;

/** The wait for the next turn that nobody has reserved. */
const LOOK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
return string.format('%.3f', math.max(0, tonumber(redis.call('GET', KEYS[1]) or 0) - now))`;

interface Pool {
  /** When turns that nobody has taken are, on the house's clock, the next one first. */
  turns: number[];
  /** The first turn that was not leased, as far as this daemon knows. */
  next: number;
  /** Turns of the latest lease; doubled when all were used. */
  size: number;
  waiting: number;
  lease: Promise<number | null> | null;
}

export class Rates {
  readonly #scripts: Scripts;
  readonly #clock: Clock;
  readonly #pools = new Map<string, Pool>();

  constructor(scripts: Scripts, clock: Clock) {
    this.#scripts = scripts;
    this.#clock = clock;
  }

  /** A turn under all limits that comes in `most` milliseconds (LONGEST_TURN_MS or less). Never rejects. */
  async turn(limits: readonly RateLimit[], most: number): Promise<Turn> {
    const turns: number[] = [];
    for (const limit of limits) {
      const turn = await this.#take(limit, most);
      if ('later' in turn) {
        for (const [i, at] of turns.entries()) this.#pool(limits[i] as RateLimit).turns.unshift(at);
        return turn;
      }
      turns.push(turn.at);
    }
    return { wait: Math.max(0, ...turns.map((at) => at - this.#clock.now())) };
  }

  /** Milliseconds until the next turn, as far as this daemon knows. */
  wait(key: string): number {
    const pool = this.#pools.get(key);
    return pool ? Math.max(0, (pool.turns[0] ?? pool.next) - this.#clock.now()) : 0;
  }

  /** Asks Redis for the wait of each. Never rejects: while it is away, what was last seen stays. */
  async refresh(limits: readonly RateLimit[]): Promise<void> {
    const looks = limits.map(async (limit) => {
      const wait = await this.#scripts.run(LOOK, [rateKey(limit.key)], []);
      this.#pool(limit).next = this.#clock.now() + Number(wait);
    });
    await Promise.allSettled(looks);
  }

  /** Forgets what was not used for a while. */
  sweep(now: number): void {
    for (const [key, { next, waiting }] of this.#pools) {
      if (waiting === 0 && next < now - FORGOTTEN_MS) this.#pools.delete(key);
    }
  }

  async #take(limit: RateLimit, most: number): Promise<{ at: number } | { later: number }> {
    const pool = this.#pool(limit);
    pool.waiting++;
    try {
      for (;;) {
        const now = this.#clock.now();
        this.#dropMissed(pool, now);
        const [at] = pool.turns;
        if (at !== undefined && at - now > most) return { later: at - now };
        if (at !== undefined) return { at: pool.turns.shift() as number };
        pool.lease ??= this.#lease(limit, pool, most).finally(() => {
          pool.lease = null;
        });
        const later = await pool.lease;
        if (later !== null) return { later };
      }
    } finally {
      pool.waiting--;
    }
  }

  #dropMissed(pool: Pool, now: number): void {
    const missed = pool.turns.findLastIndex((at) => at < now - LATE_MS) + 1;
    if (missed === 0) return;
    pool.turns.splice(0, missed);
    // As many as were used are leased next: doubled, as always.
    pool.size = Math.max(0, Math.floor((pool.size - missed) / 2));
  }

  /** Resolves with null when there are turns in the pool, else with the milliseconds that the first would take. */
  async #lease({ key, rate }: RateLimit, pool: Pool, most: number): Promise<number | null> {
    const interval = rate.per / rate.count;
    const cap = Math.max(1, Math.floor(BATCH_MS / interval));
    pool.size = Math.min(cap, Math.max(1, pool.size * 2, pool.waiting));
    const believed = LONGEST_TURN_MS + Math.max(interval, BATCH_MS);
    const answer = await this.#scripts
      .run(RESERVE, [rateKey(key)], [interval, pool.size, most, believed])
      .catch(() => null);
    const now = this.#clock.now();
    // While Redis is away its daemons pace alone what goes over connections that are open.
    const [reserved, text] = (answer ?? [1, Math.max(0, pool.next - now)]) as [number, string | number];
    const wait = Number(text);
    pool.next = now + wait;
    if (reserved === 0 || wait > most) return wait;
    for (let i = 0; i < pool.size; i++) pool.turns.push(now + wait + i * interval);
    pool.next += pool.size * interval;
    return null;
  }

  #pool({ key }: RateLimit): Pool {
    const pool = this.#pools.get(key) ?? { turns: [], next: 0, size: 0, waiting: 0, lease: null };
    this.#pools.set(key, pool);
    return pool;
  }
}

const rateKey = (key: string): string => `rate:${key}`;
