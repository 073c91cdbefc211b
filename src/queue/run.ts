// One run: one connection's turn at one destination, claim after claim.
// BullMQ's worker calls it; it asks policy, sends through delivery/, settles in the spool.
// Never ends in an exception: a broken attempt is a failed attempt, the lane goes on.
import { pause } from '../clock/clock.ts';
import type { Approach, HostPlan } from '../delivery/session.ts';
import { type LimitKey, type Limits, limitsOf, NO_LIMITS } from '../limits/limits.ts';
import type { RateLimit } from '../limits/rates.ts';
import type { MxRoute, Policy, Site, SmarthostRoute, SourceAddress } from '../policy/policy.ts';
import { bounces } from '../policy/routing.ts';
import { siteOf } from '../policy/sites.ts';
import { type Claim, SpoolError } from '../spool/spool.ts';
import { type AttemptReport, attempt, type Link } from './attempt.ts';
import { answered, type BackOffNotes, findingOf } from './backoff.ts';
import { holdBroken, nextClaim, type RoutedClaim, routedNow } from './claims.ts';
import { type Destination, standing, suspensionOf } from './destinations.ts';
import { tried } from './detour-moves.ts';
import type { Admission } from './dispatcher.ts';
import type { DestinationKey } from './entry.ts';
import type { House } from './house.ts';
import { isShut, meter } from './metering.ts';
import { noteOurTrouble } from './our-trouble.ts';
import { paced, slotFor } from './pacing.ts';
import { sourceIn } from './pools.ts';
import { Presence } from './presence.ts';
import { reviewBehind } from './review.ts';
import { writeOutcome } from './settler.ts';

/** While others wait for a place, a turn ends after this long: short enough to be fair, long enough to be worth a connection. */
const TURN_MS = 3_000;

/** Peers close idle connections after 5 minutes (RFC 5321 §4.5.3.2.7); some seconds catch a burst's tail. */
const IDLE_MS = 5_000;

/** No connection is older: load balancers and routing changes get their chance. */
const CONNECTION_MS = 300_000;

/** A run that broke is a mistake of ours: not made again at once, for ever. */
const BROKEN_PAUSE_MS = 60_000;

/** An outcome that the disk did not take is offered again this often: a full disk gets room in minutes. */
const WRITE_AGAIN_MS = 2_000;

export async function run(key: DestinationKey, delayed: boolean, house: House): Promise<void> {
  const destination = house.destinations.of(key);
  const admission = house.dispatcher.admit(destination, delayed);
  if (!admission) return;
  try {
    await new Turn(house, destination, admission).take();
  } catch (error) {
    destination.notBefore = house.clock.now() + BROKEN_PAUSE_MS;
    house.observer.warn('a run ended unexpectedly', { destination: key, error: String(error) });
  } finally {
    admission.ended();
  }
  await reviewBehind(house, destination);
}

class Turn {
  readonly #house: House;
  readonly #destination: Destination;
  readonly #admission: Admission;
  readonly #startedAt: number;
  /** Ends what is before its final dot: the daemon stops, or others wait for this run's place. */
  readonly #stopping: AbortSignal;
  /** As of the first claim: a changed policy may give the route other hosts, so the run ends. */
  #policy: Policy;
  #site: Site | null = null;
  /** The message was placed before its site was known. */
  #siteIsNews = false;
  #limits: Limits = NO_LIMITS;
  #presence: Presence | null = null;
  /** The outcome that is being written while the next message is already on its way. */
  #writing: Promise<void> = Promise.resolve();

  constructor(house: House, destination: Destination, admission: Admission) {
    this.#house = house;
    this.#destination = destination;
    this.#admission = admission;
    this.#startedAt = house.clock.now();
    const { hurried } = admission;
    this.#stopping = hurried ? AbortSignal.any([house.stopping, hurried]) : house.stopping;
    this.#policy = house.policy();
  }

  async take(): Promise<void> {
    const claimed = await nextClaim(this.#house, this.#destination);
    if (!claimed) return;
    this.#policy = this.#house.policy();
    const route = this.#policy.routes.get(this.#destination.route);
    if (!route || route.via === 'discard' || isShut(this.#house, this.#destination))
      return claimed.claim.release();
    const source = sourceIn(route, this.#destination.source);
    // The policy changed this very moment: the next run moves the mail.
    if (source === undefined) return claimed.claim.release();
    const link = await this.#link(route, source).catch((error: unknown) => {
      claimed.claim.release();
      throw error;
    });
    const first = this.#siteIsNews ? await this.#stillHere(claimed.claim) : claimed;
    if (!first) return;
    // Its site may be known only now.
    if (this.#isSuspended()) return first.claim.release();
    if (this.#isHurried()) return this.#comeBack(first.claim);
    const slot = await slotFor(this.#house, this.#destination, this.#limits);
    if (!slot) return first.claim.release();
    this.#destination.connected++;
    this.#presence = new Presence(this.#house, this.#destination, this.#site, this.#limits.connections, slot);
    try {
      await this.#work(first, link, route);
    } finally {
      await link.session?.close();
      this.#destination.connected--;
      this.#presence.left();
      await this.#writing;
    }
  }

  async #work(first: RoutedClaim, link: Link, route: MxRoute | SmarthostRoute): Promise<void> {
    let next: RoutedClaim | null = first;
    while (next) {
      if (!(await this.#paced(next.claim, link))) return;
      const { clock, shutdownTimeout } = this.#house;
      const metered = await meter(this.#house, this.#destination, next.claim);
      if (metered.kind === 'shut') return;
      if (metered.kind === 'moved') {
        next = await this.#following(link);
        continue;
      }
      const report = await attempt(next.claim, link, { clock, stopping: this.#stopping, shutdownTimeout });
      metered.settle(report.outcomes.values());
      if (this.#isHurried() && findingOf(report.outcomes.values()) === 'unknown') {
        return this.#comeBack(next.claim);
      }
      if (this.#presence?.isTurnedAway(report)) return next.claim.release();
      this.#presence?.fared(report);
      const notes = this.#judge(next, report);
      await this.#writing;
      this.#writing = this.#write(next, report, notes);
      if (this.#over(link, route)) return;
      next = await this.#following(link);
    }
  }

  #isHurried(): boolean {
    return this.#admission.hurried?.aborted === true && !this.#house.stopping.aborted;
  }

  /** The destination said nothing while others waited: it is charged nothing, and gets all the time next. */
  #comeBack(claim: Claim): void {
    this.#destination.looked = true;
    claim.release();
  }

  /** The claim, or another one, when the site that was found sends the message elsewhere. */
  async #stillHere(claim: Claim): Promise<RoutedClaim | null> {
    const same = await routedNow(this.#house, claim);
    return same ?? nextClaim(this.#house, this.#destination);
  }

  /** Hosts, site and limits of the destination, and the connection that this run will keep. */
  async #link(route: MxRoute | SmarthostRoute, source: SourceAddress | null): Promise<Link> {
    const { delivery, destinations } = this.#house;
    const { domain } = this.#destination;
    const plan = await delivery.plan(route, domain, this.#stopping);
    // There is nobody to connect to: what waits is answered without a place that others need.
    if (plan.kind === 'failed') this.#admission.answered();
    const mx = route.via === 'mx' && plan.kind === 'hosts';
    const site = mx ? siteOf(this.#policy, domain ?? '', plan.bestMx) : null;
    this.#site = site;
    this.#limits = limitsOf(route, site, this.#destination.source);
    if (route.via === 'mx') this.#noteSite(plan);
    destinations.found(this.#destination, site?.name ?? null);
    this.#destination.limits = this.#limits.connections;
    const approach = (): Approach => {
      if (plan.kind === 'failed') throw new Error('there are no hosts to approach');
      return delivery.approach(route, plan, site, source);
    };
    const opened = (): void => {
      this.#admission.answered();
      this.#presence?.opened();
    };
    const again = (): Promise<boolean> => this.#turn(this.#limits.messageRates);
    return { session: null, plan, approach, opened, again };
  }

  /** What was found out is known to all mail from now on. */
  #noteSite(plan: HostPlan): void {
    const { sites } = this.#house;
    const domain = this.#destination.domain ?? '';
    const before = sites.nameOf(this.#policy, domain);
    if (plan.kind === 'hosts') sites.learned(domain, plan.bestMx);
    else if (!this.#stopping.aborted) sites.learned(domain, null);
    this.#siteIsNews = sites.nameOf(this.#policy, domain) !== before;
  }

  /** Waits for its turn under all rates; false when that takes too long and the claim was given back. */
  async #paced(claim: Claim, link: Link): Promise<boolean> {
    const { messageRates, connectionRates } = this.#limits;
    const connects = !link.session?.usable;
    if (await this.#turn(connects ? [...messageRates, ...connectionRates] : messageRates)) return true;
    claim.release();
    return false;
  }

  async #turn(limits: readonly RateLimit[]): Promise<boolean> {
    return (await paced(this.#house, this.#destination, limits, this.#crowded())) && !this.#isSuspended();
  }

  /** Opens or closes the destination's door by what the attempt found. */
  #judge(routed: RoutedClaim, report: AttemptReport): BackOffNotes {
    const { clock, dispatcher, random } = this.#house;
    const finding = findingOf(report.outcomes.values());
    noteOurTrouble(this.#house.alarms, this.#destination, finding);
    const now = clock.now();
    tried(this.#house, routed.claim, routed.decision, report.outcomes.values());
    // What waited for this run to find out may have more of them now.
    const isNews = finding === 'open' && standing(this.#destination, now) !== 'live';
    if (isNews) dispatcher.look(this.#destination);
    const mayBounce = bounces(this.#policy, this.#destination.route);
    return answered(this.#destination, finding, routed.decision.retry, now, random, mayBounce);
  }

  /**
   * What is known must not be forgotten: the claim stays taken, the run waits, and the outcome is
   * written when the disk takes it. At a stop the attempt is in doubt if its dot was sent.
   */
  async #write(routed: RoutedClaim, report: AttemptReport, notes: BackOffNotes): Promise<void> {
    const { observer, clock, stopping } = this.#house;
    const { route } = this.#destination;
    const { claim, decision, reason } = routed;
    const where = { route, site: this.#site?.name ?? route, rule: decision.rule, reason };
    do {
      try {
        return await writeOutcome(this.#house, claim, report, where, notes);
      } catch (error) {
        const { id } = claim.message;
        observer.warn('an outcome could not be written', { id, error: String(error) });
        // Not the disk: what cannot be settled now never can.
        if (!(error instanceof SpoolError)) return holdBroken(this.#house, claim).catch(() => undefined);
      }
    } while (await pause(clock, WRITE_AGAIN_MS, stopping));
  }

  #over(link: Link, route: MxRoute | SmarthostRoute): boolean {
    const { stopping, clock } = this.#house;
    if (stopping.aborted || this.#destination.backOff || this.#isOutdated() || this.#isSuspended())
      return true;
    const most = route.messagesPerConnection ?? this.#site?.messagesPerConnection ?? Number.POSITIVE_INFINITY;
    if ((link.session?.transactions ?? 0) >= most || this.#presence?.isSurplus()) return true;
    const age = clock.now() - this.#startedAt;
    return age > CONNECTION_MS || (age > TURN_MS && this.#crowded());
  }

  #isOutdated(): boolean {
    return this.#house.policy() !== this.#policy;
  }

  #isSuspended(): boolean {
    return suspensionOf(this.#destination, this.#house.clock.now()) !== null;
  }

  #crowded(): boolean {
    const { dispatcher, slots } = this.#house;
    const keys = this.#keys();
    return dispatcher.crowded(keys) || keys.some((key) => slots.isWanted(key));
  }

  #keys(): LimitKey[] {
    return this.#limits.connections.map(({ key }) => key);
  }

  /** The next claim, waiting some seconds with the connection open when nothing is due. */
  async #following(link: Link): Promise<RoutedClaim | null> {
    const { dispatcher, clock, stopping } = this.#house;
    const next = await nextClaim(this.#house, this.#destination);
    if (next) return next;
    await this.#writing;
    // Mail that came meanwhile found nobody idle to wake: no wait begins without a look right before it.
    for (;;) {
      const claim = await nextClaim(this.#house, this.#destination);
      if (claim || !link.session?.usable || this.#crowded()) return claim;
      const woken = await dispatcher.idlers.wait(this.#destination, this.#keys(), clock, IDLE_MS, stopping);
      if (!woken || this.#isOutdated() || this.#isSuspended()) return null;
    }
  }
}
