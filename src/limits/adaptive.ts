// The concurrency of each site as this daemon found it out, and each connection's part in finding it out.
// run.ts tells it what became of a connection; slots.ts asks how many are allowed.
// Never touches a limit that is not a site's: what an operator says of a smarthost is known, not guessed.
import {
  allowedBeside,
  allowedOf,
  BEGINNING,
  type Concurrency,
  type ConcurrencyEvent,
  changed,
} from './concurrency.ts';
import type { ConnectionLimit, LimitKey } from './limits.ts';

/** A site that had no connection for so long is met as a new one. */
const REMEMBERED_MS = 24 * 60 * 60_000;

interface Known {
  state: Concurrency;
  /** Sessions of this daemon that are open. */
  open: number;
  lastAt: number;
}

export class Adaptive {
  readonly #known = new Map<LimitKey, Known>();

  /** As far as this daemon found out alone. */
  allowed({ key, connections, site }: ConnectionLimit): number {
    if (site === null) return connections;
    return allowedOf(this.#known.get(key)?.state ?? BEGINNING, connections);
  }

  /** Beside `others`, connections of other daemons. */
  allowedBeside({ key, connections, site }: ConnectionLimit, others: number, now: number): number {
    if (site === null) return connections;
    return allowedBeside(this.#known.get(key)?.state ?? BEGINNING, connections, others, now);
  }

  /** Null where the receiver has not said no. */
  ceiling(key: LimitKey): number | null {
    return this.#known.get(key)?.state.ceiling?.connections ?? null;
  }

  /** Sessions of this daemon. */
  open(key: LimitKey): number {
    return this.#known.get(key)?.open ?? 0;
  }

  count(key: LimitKey, change: 1 | -1): void {
    this.#of(key).open += change;
  }

  tell(limit: ConnectionLimit, event: ConcurrencyEvent, now: number): void {
    const known = this.#of(limit.key);
    known.state = changed(known.state, event, limit.connections, now);
    known.lastAt = now;
  }

  sweep(now: number): void {
    for (const [key, { open, lastAt }] of this.#known) {
      if (open === 0 && now - lastAt > REMEMBERED_MS) this.#known.delete(key);
    }
  }

  #of(key: LimitKey): Known {
    const known = this.#known.get(key) ?? { state: BEGINNING, open: 0, lastAt: 0 };
    this.#known.set(key, known);
    return known;
  }
}
