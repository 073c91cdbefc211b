// How many connections and messages a site or a route may have at a time.
// run.ts takes a place before it connects and a turn before each message; dispatcher.ts learns who waits.
// Never knows why a limit is what it is: that is policy.
import type { MxRoute, Rate, Site, SmarthostRoute } from '../policy/policy.ts';

/** Anything that connections or messages are counted against: a site's or a route's key. */
export type LimitKey = string;

export const siteKey = (site: string): LimitKey => `site ${site}`;
export const routeKey = (route: string): LimitKey => `route ${route}`;

export interface ConnectionLimit {
  readonly key: LimitKey;
  readonly connections: number;
}

/** The limits that count a connection of this route to this site. */
export function connectionLimits(route: MxRoute | SmarthostRoute, site: Site | null): ConnectionLimit[] {
  const limits: ConnectionLimit[] = [];
  if (site) limits.push({ key: siteKey(site.name), connections: site.connections });
  if (route.connections !== null) limits.push({ key: routeKey(route.name), connections: route.connections });
  return limits;
}

/** Connections open at a time by key. One daemon's count; shared counts take its place later. */
export class Places {
  readonly #taken = new Map<LimitKey, number>();
  readonly #freed: (key: LimitKey) => void;

  /** `freed` is told each time a place under a key comes free. */
  constructor(freed: (key: LimitKey) => void) {
    this.#freed = freed;
  }

  /** One place under every limit and how to give it back, or the key of the limit that is full. */
  take(limits: readonly ConnectionLimit[]): { release(): void } | { full: LimitKey } {
    for (const { key, connections } of limits) {
      if (this.taken(key) >= connections) return { full: key };
    }
    for (const { key } of limits) this.#taken.set(key, this.taken(key) + 1);
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        for (const { key } of limits) this.#give(key);
      },
    };
  }

  taken(key: LimitKey): number {
    return this.#taken.get(key) ?? 0;
  }

  #give(key: LimitKey): void {
    const left = this.taken(key) - 1;
    if (left > 0) this.#taken.set(key, left);
    else this.#taken.delete(key);
    this.#freed(key);
  }
}

/**
 * Paces messages evenly (GCRA with a burst of one): no allowance is saved up, so that a rate of
 * 300 a minute is one message every 200 ms and never 300 in the first second.
 */
export class Pace {
  /** When the next message may go, by key. */
  readonly #next = new Map<LimitKey, number>();

  /** Milliseconds until the next message may go; 0: now. Takes nothing. */
  wait(key: LimitKey, now: number): number {
    return Math.max(0, (this.#next.get(key) ?? 0) - now);
  }

  /** Reserves the next turn and tells how many milliseconds to wait for it. */
  reserve(key: LimitKey, rate: Rate, now: number): number {
    const interval = rate.per / rate.count;
    const next = this.#next.get(key) ?? 0;
    const start = Math.max(next, now);
    this.#next.set(key, start + interval);
    return start - now;
  }

  /** Forgets keys whose turn has long come. */
  sweep(now: number): void {
    for (const [key, next] of this.#next) if (next < now) this.#next.delete(key);
  }
}
