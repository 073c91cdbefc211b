// One connection's presence at a receiver: that it was let in, how it fared, and that it was turned away.
// run.ts has one for each run; what it tells goes to adaptive.ts, which decides how many there may be.
// Never judges mail: a message that was turned away with its connection was not looked at.
import type { Failure } from '../delivery/failure.ts';
import type { ConcurrencyEvent } from '../limits/concurrency.ts';
import type { ConnectionLimit } from '../limits/limits.ts';
import type { Slot } from '../limits/slots.ts';
import type { Site } from '../policy/policy.ts';
import type { AttemptReport } from './attempt.ts';
import { findingOf } from './backoff.ts';
import { type Destination, standing } from './destinations.ts';
import type { House } from './house.ts';
import { heed } from './site-backoff.ts';

/** A smarthost that takes no more connections is asked for more after a while: it may have been other mail's. */
const TURNED_AWAY_MS = 60_000;

/** A site is asked when a place comes free, which the next look at the line tells. */
const SITE_TURNED_AWAY_MS = 1_000;

export class Presence {
  readonly #house: House;
  readonly #destination: Destination;
  readonly #site: Site | null;
  /** The site's, the one that adapts. */
  readonly #limit: ConnectionLimit | null;
  readonly #slot: Slot;
  #counted = false;

  constructor(
    house: House,
    destination: Destination,
    site: Site | null,
    limits: readonly ConnectionLimit[],
    slot: Slot,
  ) {
    this.#house = house;
    this.#destination = destination;
    this.#site = site;
    this.#limit = limits.find((limit) => limit.site !== null) ?? null;
    this.#slot = slot;
  }

  /** A session is open. */
  opened(): void {
    if (this.#limit === null || this.#counted) return;
    this.#counted = true;
    this.#house.adaptive.count(this.#limit.key, 1);
    this.#tell('opened', this.#others() + 1);
  }

  /** The run has ended, its connection is closed. */
  left(): void {
    if (this.#limit !== null && this.#counted) this.#house.adaptive.count(this.#limit.key, -1);
    this.#slot.release();
  }

  /** Whether it should end, because fewer are allowed by now. */
  isSurplus(): boolean {
    return this.#slot.isSurplus();
  }

  fared({ outcomes }: AttemptReport): void {
    if (this.#site !== null) heed(this.#house, this.#site, outcomes.values());
    const failures = [...outcomes.values()].flatMap((one) => (one.kind === 'failed' ? [one.failure] : []));
    if (failures.some(isTrouble)) this.#tell('trouble', this.#others() + 1);
    else if (outcomes.size > failures.length) this.#tell('delivered', this.#others() + 1);
  }

  /**
   * No connection was to be had while others are at work: the peer takes no more of them (many say so with
   * a 421). The mail goes over those that are open, and is charged nothing.
   */
  isTurnedAway(report: AttemptReport): boolean {
    const { clock, observer } = this.#house;
    const finding = findingOf(report.outcomes.values());
    if (finding === 'open' || finding === 'unknown' || finding.permanent) return false;
    if (report.via !== null && !isSaidOfConnection(finding)) return false;
    if (!this.#hasCompany(finding)) return false;
    const others = this.#others();
    // What our own side lacks says nothing about theirs.
    if (!finding.ours) this.#tell(isSilence(finding) ? 'trouble' : 'turned-away', others);
    const pause = this.#limit === null ? TURNED_AWAY_MS : SITE_TURNED_AWAY_MS;
    this.#destination.notBefore = clock.now() + pause;
    const fields = { destination: this.#destination.key, others, why: finding.text };
    observer.debug('no further connection for now', fields);
    return true;
  }

  /** Others are let in: at this destination, or, where the receiver says that there are too many, at its site. */
  #hasCompany(finding: Failure): boolean {
    const { connected } = this.#destination;
    const isLive = standing(this.#destination, this.#house.clock.now()) === 'live';
    return (isLive && connected > 1) || (finding.class === 'throttled' && this.#others() > 0);
  }

  /** Other sessions at the site, those of other daemons as far as they are known. */
  #others(): number {
    if (this.#limit === null) return 0;
    const { adaptive, slots } = this.#house;
    const { key } = this.#limit;
    return adaptive.open(key) - (this.#counted ? 1 : 0) + slots.elsewhere(key);
  }

  #tell(kind: ConcurrencyEvent['kind'], open: number): void {
    if (this.#limit === null) return;
    const { adaptive, clock, dispatcher } = this.#house;
    const before = adaptive.allowed(this.#limit);
    adaptive.tell(this.#limit, { kind, open }, clock.now());
    if (adaptive.allowed(this.#limit) <= before) return;
    // One more may come: whoever waits for it in the line, or another run of this destination.
    dispatcher.freed(this.#limit.key);
    dispatcher.look(this.#destination);
  }
}

/** "Slow down", or a connection that said nothing more. */
function isTrouble(failure: Failure): boolean {
  if (failure.ours || failure.aborted) return false;
  return failure.class === 'throttled' || isSilence(failure);
}

function isSilence({ class: failureClass, reply }: Failure): boolean {
  return failureClass === 'unreachable' && reply === undefined;
}

/** At MAIL nothing of the message was seen yet: a 421 there is about the connection (RFC 5321 §3.8). */
function isSaidOfConnection({ phase, class: failureClass, reply }: Failure): boolean {
  return phase === 'mail' && failureClass === 'throttled' && reply?.startsWith('421') === true;
}
