// The destinations that have mail or a history, as this process sees them.
// dispatcher.ts decides by it who gets a run; run.ts reports what became of it.
// Never the truth about mail: it is made from the spool's index and can be made again.
import type { Failure } from '../delivery/failure.ts';
import type { ConnectionLimit } from '../limits/limits.ts';
import { type DestinationKey, parseDestination } from './entry.ts';
import { inForce, type Suspension, Suspensions } from './suspensions.ts';

/** A door that nobody wanted to go through for so long after it might have been tried again is forgotten. */
const REMEMBERED_MS = 24 * 60 * 60_000;

/** A destination counts as answering this long after its last success. */
export const LIVE_MS = 30 * 60_000;

/** Durable: kept in the spool's notes, so that a restart does not knock on closed doors at once. */
export interface BackOff {
  /** In a row. */
  readonly failures: number;
  /** No run before this time, then one probe. */
  readonly until: number;
  readonly since: number;
  readonly lastAt: number;
  readonly last: Failure;
}

export interface Destination {
  readonly key: DestinationKey;
  readonly route: string;
  /** The address of ours that its mail leaves from; null: the system's choice. */
  readonly source: string | null;
  readonly domain: string | null;
  /** As of the last look at its MX hosts. */
  site: string | null;
  /** What its connections were counted against then. */
  limits: readonly ConnectionLimit[];
  backOff: BackOff | null;
  /** The operator's suspension over it that ends last; it may have ended. */
  suspension: Suspension | null;
  lastSuccess: number | null;
  /** The success that the spool has a note of, for a restart; 0: none. */
  notedSuccess: number;
  /** Runs asked for and not begun; when the oldest was asked for. */
  asked: number;
  askedAt: number;
  /** Runs that hold a place, those that idle with an open connection among them. */
  running: number;
  /** Those of them that are counted against the limits. */
  connected: number;
  /** Ends the wait of a run that idles. */
  readonly idle: Set<() => void>;
  /** When the delayed run in Redis begins; null: none asked for. */
  delayedUntil: number | null;
  /** Earliest unclaimed due time, as last seen; null: nothing waits. */
  nextDue: number | null;
  /** Waits in one of the dispatcher's lines for a place. */
  parked: boolean;
  /** A first look at it ended without an answer, for others were waiting. */
  looked: boolean;
  /** No further run before this time: a rate limit said so, or a peer that takes no more connections. */
  notBefore: number;
}

export type Standing = 'new' | 'live' | 'backing-off';

export function standing(destination: Destination, now: number): Standing {
  if (destination.backOff) return 'backing-off';
  const { lastSuccess } = destination;
  return lastSuccess !== null && now - lastSuccess < LIVE_MS ? 'live' : 'new';
}

/** The back-off of a destination whose door is closed; null once a probe may knock. */
export function closedDoor(destination: Destination | undefined, now: number): BackOff | null {
  const backOff = destination?.backOff;
  // A clock that was set back must not keep a door closed for as long as it was wrong.
  return backOff && backOff.until > now && backOff.lastAt <= now ? backOff : null;
}

/** The suspension that keeps a destination's mail from being tried; null: none, or it is over. */
export function suspensionOf({ suspension }: Destination, now: number): Suspension | null {
  return inForce(suspension, now);
}

/** Name of the spool's note that keeps a destination's back-off. */
export const backOffNote = (key: DestinationKey): string => `backoff ${key}`;
export const BACK_OFF_NOTES = 'backoff ';

/** Name of the note that keeps when a destination last answered. */
export const liveNote = (key: DestinationKey): string => `live ${key}`;
export const LIVE_NOTES = 'live ';

export class Destinations {
  readonly suspensions = new Suspensions();
  readonly #table = new Map<DestinationKey, Destination>();

  get(key: DestinationKey): Destination | undefined {
    return this.#table.get(key);
  }

  /** The destination, made when it is not there yet. */
  of(key: DestinationKey): Destination {
    const known = this.#table.get(key);
    if (known) return known;
    const made: Destination = {
      key,
      ...parseDestination(key),
      site: null,
      limits: [],
      backOff: null,
      suspension: null,
      lastSuccess: null,
      notedSuccess: 0,
      asked: 0,
      askedAt: 0,
      running: 0,
      connected: 0,
      idle: new Set(),
      delayedUntil: null,
      nextDue: null,
      parked: false,
      looked: false,
      notBefore: 0,
    };
    made.suspension = this.suspensions.over(made);
    this.#table.set(key, made);
    return made;
  }

  all(): Iterable<Destination> {
    return this.#table.values();
  }

  /** A look at its MX hosts told the site; suspensions of the site are over it from now on. */
  found(destination: Destination, site: string | null): void {
    if (destination.site === site) return;
    destination.site = site;
    destination.suspension = this.suspensions.over(destination);
  }

  /** A suspension came or went. Returns the destinations for which that changed something. */
  suspensionsChanged(): Destination[] {
    const changed: Destination[] = [];
    for (const destination of this.#table.values()) {
      const suspension = this.suspensions.over(destination);
      if (suspension !== destination.suspension) changed.push(destination);
      destination.suspension = suspension;
    }
    return changed;
  }

  /** Drops what has no mail, no run and no history worth keeping. */
  forgetIdle(now: number): void {
    for (const destination of this.#table.values()) {
      const { nextDue, asked, running, parked } = destination;
      const busy = nextDue !== null || asked > 0 || running > 0 || parked;
      if (!busy && !isRemembered(destination, now)) this.#table.delete(destination.key);
    }
  }
}

function isRemembered(destination: Destination, now: number): boolean {
  const { backOff } = destination;
  return backOff ? now < backOff.until + REMEMBERED_MS : standing(destination, now) !== 'new';
}
