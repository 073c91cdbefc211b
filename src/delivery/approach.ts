// Walks the hosts of one attempt: their addresses, one after the other, until a session opens.
// queue/ asks for the next session; connection.ts opens it; hosts.ts made the list.
// Never tries more than 5 addresses or opens more than 2 sessions an attempt.
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import { type Random, shuffled } from '../clock/random.ts';
import type { Resolver } from '../dns/resolver.ts';
import type { Observer } from '../observe/events.ts';
import type { MxRoute, SmarthostRoute, SourceAddress } from '../policy/policy.ts';
import { familyOf, lookUpAddresses } from './addresses.ts';
import { Entrance } from './entrance.ts';
import type { Failure } from './failure.ts';
import { failureKinds } from './failures.ts';
import { type Manners, mannersOf } from './manners.ts';
import { OpenSession } from './open-session.ts';
import type { PopLogins } from './pop-logins.ts';
import type { Approach, Session, Target } from './session.ts';
import type { ChosenHost, HostUse, NextHost } from './smarthosts.ts';
import type { TlsManners } from './tls.ts';
import type { Tokens } from './tokens.ts';

/** As Postfix (smtp_mx_address_limit, smtp_mx_session_limit): who answers at none of these is down. */
const MOST_ADDRESSES = 5;
const MOST_SESSIONS = 2;

export interface ApproachSetting {
  readonly route: MxRoute | SmarthostRoute;
  /** The address to leave from; null: the system's choice. */
  readonly source: SourceAddress | null;
  readonly nextHost: NextHost;
  readonly ip: 'both' | 4 | 6;
  readonly hostname: string;
  /** Whether an MX record may send mail to the address. */
  readonly mayGoTo: (address: string) => boolean;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly random: Random;
  readonly reached: ReachMilestone;
  readonly tlsManners: TlsManners;
  readonly tokens: Tokens;
  readonly popLogins: PopLogins;
}

export class HostWalk implements Approach {
  readonly #setting: ApproachSetting;
  /** The host whose addresses are being tried. */
  #use: HostUse | null = null;
  /** Its addresses that were looked up, still to be tried. */
  #targets: Target[] = [];
  /** IPv6 ones that were passed over, for the last place belongs to an IPv4 one. */
  readonly #passedOver: { readonly target: Target; readonly use: HostUse | null }[] = [];
  readonly #failures: Failure[] = [];
  /** Address and port, each tried once, by whatever name. */
  readonly #seen = new Set<string>();
  /** Addresses of sessions from before this walk that came to nothing. */
  readonly #refused = new Set<string>();
  #given: Target | null = null;
  readonly #familiesDown = new Set<4 | 6>();
  #tried = 0;
  #triedIpv4 = false;
  #sessions = 0;
  readonly #entrance: Entrance;
  readonly #manners: Manners;

  constructor(setting: ApproachSetting) {
    this.#setting = setting;
    this.#manners = mannersOf(setting.route, setting.source, setting.hostname);
    this.#entrance = new Entrance(setting);
  }

  note(failure: Failure): void {
    this.#failures.push(failure);
    const given = failure.ip === this.#given?.address ? this.#given : null;
    if (this.#entrance.refused(failure)) this.#tryAgain(given);
    else if (failure.ip !== undefined && !given) this.#refused.add(failure.ip);
  }

  async next(signal: AbortSignal): Promise<{ readonly session: Session } | { readonly failure: Failure }> {
    await this.#entrance.prepare(signal);
    while (this.#sessions < MOST_SESSIONS && !signal.aborted && !this.#entrance.shut) {
      const target = await this.#nextTarget(signal);
      if (!target) break;
      const session = await this.#open(target, signal);
      if (session) return { session };
    }
    this.#use?.left();
    if (signal.aborted) return { failure: { ...failureKinds.stopping, phase: 'connect', text: 'stopping' } };
    return { failure: this.#entrance.shut ?? closingFailure(this.#failures) };
  }

  /** A host whose mind another login may change. */
  #tryAgain(target: Target | null): void {
    if (!target) return;
    this.#seen.delete(placeOf(target));
    this.#targets.unshift(target);
  }

  /** The next address to try, or null when the attempt is over. */
  async #nextTarget(signal: AbortSignal): Promise<Target | null> {
    while (this.#tried < MOST_ADDRESSES) {
      const target = this.#targets.shift();
      if (target === undefined) {
        this.#use?.left();
        const next = this.#setting.nextHost();
        if (!next) return this.#nextPassedOver();
        this.#use = next.use;
        this.#targets = await this.#targetsOf(next.host, signal);
      } else if (!this.#useless(target)) {
        if (!this.#isLastPlaceForIpv4(target)) return target;
        this.#passedOver.push({ target, use: this.#use });
      }
    }
    return null;
  }

  #nextPassedOver(): Target | null {
    const next = this.#passedOver.shift();
    if (!next) return null;
    this.#use = next.use;
    return next.target;
  }

  #useless(target: Target): boolean {
    const { address } = target;
    const place = placeOf(target);
    if (this.#seen.has(place) || this.#familiesDown.has(familyOf(address))) return true;
    this.#seen.add(place);
    return this.#refused.delete(address);
  }

  /** With both families, an IPv4 address is always among those that are tried. */
  #isLastPlaceForIpv4({ address }: Target): boolean {
    const last = this.#tried === MOST_ADDRESSES - 1;
    return last && !this.#triedIpv4 && this.#setting.ip === 'both' && familyOf(address) === 6;
  }

  async #targetsOf(host: ChosenHost['host'], signal: AbortSignal): Promise<Target[]> {
    const { resolver, ip, random, route } = this.#setting;
    const found = await lookUpAddresses(resolver, host.host, ip, signal);
    if (found.kind === 'failed') {
      const text = `the addresses of ${host.host} cannot be looked up: ${found.reason}`;
      const failure: Failure = { ...failureKinds.addressLookupFailed, text, host: host.host };
      return this.#none(found.ours ? { ...failure, ours: true } : failure);
    }
    if (found.kind === 'none') {
      return this.#none({ ...failureKinds.noAddress, text: `${host.host} has no address`, host: host.host });
    }
    const all = alternating(shuffled(found.v6, random), shuffled(found.v4, random));
    const allowed = route.via === 'mx' ? all.filter(this.#setting.mayGoTo) : all;
    if (allowed.length === 0) {
      const text = `${host.host} has only addresses that mail must not go to: ${all.join(', ')}`;
      return this.#none({ ...failureKinds.forbiddenAddress, text, host: host.host });
    }
    const reachable = allowed.filter(isReachableFrom(this.#manners.source));
    if (reachable.length === 0) {
      const text = `${host.host} has no address that can be reached from ${this.#manners.source}`;
      return this.#none({ ...failureKinds.sourceUnfit, text, host: host.host });
    }
    const { port, implicitTls } = host;
    return reachable.map((address) => ({ host: host.host, address, port, implicitTls }));
  }

  #none(failure: Failure): Target[] {
    this.#failures.push(failure);
    this.#use?.failed(failure);
    return [];
  }

  async #open(target: Target, signal: AbortSignal): Promise<Session | null> {
    const { clock, observer, route } = this.#setting;
    const startedAt = clock.now();
    const connection = await this.#entrance.connect(target, this.#manners, signal);
    if (!('channel' in connection)) {
      this.#count(target, connection);
      this.#failures.push(connection);
      this.#use?.failed(connection);
      observer.debug('no session with a host', {
        host: target.host,
        ip: target.address,
        why: connection.text,
      });
      return null;
    }
    this.#count(target, null);
    this.#sessions++;
    this.#given = target;
    return new OpenSession({
      target,
      connection,
      connectMs: clock.now() - startedAt,
      smarthost: this.#manners.smarthost,
      limit: route.recipients,
      clock,
      reached: this.#setting.reached,
      use: this.#use,
    });
  }

  /** An address that our own network cannot reach is not an address tried; nor are its like. */
  #count({ address }: Target, failure: Failure | null): void {
    if (failure?.ours && failure.phase === 'connect') {
      this.#familiesDown.add(familyOf(address));
      return;
    }
    this.#tried++;
    if (familyOf(address) === 4) this.#triedIpv4 = true;
  }
}

/** From an address of the same family, that is. */
function isReachableFrom(source: string | null): (address: string) => boolean {
  return (address) => source === null || familyOf(source) === familyOf(address);
}

function placeOf({ address, port }: Target): string {
  return `${address} ${port}`;
}

/** One of each in turn, so that a family that does not work costs little (RFC 8305 §4). */
function alternating(first: readonly string[], second: readonly string[]): string[] {
  const length = Math.max(first.length, second.length);
  return Array.from({ length }, (_, i) => [first[i], second[i]])
    .flat()
    .filter((address) => address !== undefined);
}

/**
 * What an attempt failed with, out of what each host failed with: the most hopeful, for the message may
 * still be delivered where that one gave hope. Among equals, what a host said, and the best host first.
 */
function closingFailure(failures: readonly Failure[]): Failure {
  const hope = (failure: Failure): number =>
    (failure.permanent ? 0 : 4) + (failure.ours ? 0 : 2) + (failure.reply === undefined ? 0 : 1);
  const best = failures.reduce<Failure | null>(
    (found, failure) => (found === null || hope(failure) > hope(found) ? failure : found),
    null,
  );
  const closing = best ?? { ...failureKinds.noHostsLeft, text: 'no host is left to try' };
  return { ...closing, scope: 'destination' };
}
