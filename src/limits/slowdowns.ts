// Which sites go slow for a while, because their replies asked for it: fewer connections, lower rates.
// site-backoff.ts puts them in and takes them out; slots and rates are asked for with what is left.
// Never the truth: each has a note in the spool, from which recall.ts makes the table again.
import type { ConnectionLimit } from './limits.ts';
import type { RateLimit } from './rates.ts';

export interface Slowdown {
  readonly site: string;
  /** What is left of connections and rates, between 0 and 1. */
  readonly to: number;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly until: number;
  /** The pattern that the reply fitted, and the reply. */
  readonly rule: string;
  readonly reply: string;
}

/** Name of the spool's note that keeps one. */
export const SLOW_NOTES = 'slow ';
export const slowNote = (site: string): string => SLOW_NOTES + site;

export class Slowdowns {
  readonly #table = new Map<string, Slowdown>();

  /** Takes the place of the site's last one. */
  add(slowdown: Slowdown): void {
    this.#table.set(slowdown.site, slowdown);
  }

  of(site: string | null, now: number): Slowdown | null {
    const slowdown = site === null ? undefined : this.#table.get(site);
    return slowdown && slowdown.until > now ? slowdown : null;
  }

  /** What is left of so many connections, at least one. */
  connections({ site }: ConnectionLimit, count: number, now: number): number {
    return Math.max(1, Math.floor(count * (this.of(site, now)?.to ?? 1)));
  }

  rate(limit: RateLimit, now: number): RateLimit {
    const slowdown = this.of(limit.site, now);
    if (!slowdown) return limit;
    const { count, per } = limit.rate;
    return { ...limit, rate: { count, per: per / slowdown.to } };
  }

  /** Takes out those whose time is over. */
  takeEnded(now: number): Slowdown[] {
    const ended = [...this.#table.values()].filter(({ until }) => until <= now);
    for (const { site } of ended) this.#table.delete(site);
    return ended;
  }
}
