// Walks the hosts of one attempt: their addresses, one after the other, until a session opens.
// queue/ asks for the next session; connection.ts opens it; hosts.ts made the list.
// Never tries more than 5 addresses or opens more than 2 sessions an attempt.
import { isIP } from 'node:net';
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import { type Random, shuffled } from '../clock/random.ts';
import type { Resolver } from '../dns/resolver.ts';
import type { Observer } from '../observe/events.ts';
import type { MxRoute, SmarthostRoute } from '../policy/policy.ts';
import { lookUpAddresses } from './addresses.ts';
import { type Connection, connect } from './connection.ts';
import type { Failure } from './failure.ts';
import { failureKinds } from './failures.ts';
import { type Manners, mannersFor } from './manners.ts';
import { OpenSession } from './open-session.ts';
import type { Login } from './sasl.ts';
import type { Approach, Session, Target } from './session.ts';
import type { ChosenHost, HostUse, NextHost } from './smarthosts.ts';
import type { TlsManners } from './tls.ts';
import type { Tokens } from './tokens.ts';

/** As Postfix (smtp_mx_address_limit, smtp_mx_session_limit): who answers at none of these is down. */
const MOST_ADDRESSES = 5;
const MOST_SESSIONS = 2;

export interface ApproachSetting {
  readonly route: MxRoute | SmarthostRoute;
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
}

type Family = 4 | 6;

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
  readonly #familiesDown = new Set<Family>();
  #tried = 0;
  #triedIpv4 = false;
  #sessions = 0;
  /** How to log in: the route's password, or a token that is fetched when the first host is due. */
  #login: Login | null = null;
  #renewed = false;
  /** Why there is no token: no host needs to be asked then. */
  #noLogin: Failure | null = null;

  constructor(setting: ApproachSetting) {
    this.#setting = setting;
  }

  note(failure: Failure): void {
    this.#failures.push(failure);
    if (failure.ip !== undefined && failure.ip !== this.#given?.address) this.#refused.add(failure.ip);
  }

  async next(signal: AbortSignal): Promise<{ readonly session: Session } | { readonly failure: Failure }> {
    await this.#fetchLogin(null, signal);
    while (this.#sessions < MOST_SESSIONS && !signal.aborted && !this.#noLogin) {
      const target = await this.#nextTarget(signal);
      if (!target) break;
      const session = await this.#open(target, signal);
      if (session) return { session };
    }
    this.#use?.left();
    if (signal.aborted) return { failure: { ...failureKinds.stopping, phase: 'connect', text: 'stopping' } };
    return { failure: this.#noLogin ?? closingFailure(this.#failures) };
  }

  /** A token before any connection: a host would not wait for it as long as its server may take. */
  async #fetchLogin(refused: string | null, signal: AbortSignal): Promise<void> {
    const { route, tokens } = this.#setting;
    const auth = route.via === 'smarthost' ? route.auth : null;
    if (auth?.kind !== 'oauth2') {
      this.#login = auth;
      return;
    }
    const found = await tokens.login(auth, refused, signal);
    if ('failure' in found) this.#noLogin = found.failure;
    else this.#login = found.login;
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

  #useless({ address, port }: Target): boolean {
    const place = `${address} ${port}`;
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
    const { port, implicitTls } = host;
    return allowed.map((address) => ({ host: host.host, address, port, implicitTls }));
  }

  #none(failure: Failure): Target[] {
    this.#failures.push(failure);
    this.#use?.failed(failure);
    return [];
  }

  async #open(target: Target, signal: AbortSignal): Promise<Session | null> {
    const { clock, observer, route, hostname, random } = this.#setting;
    const manners = mannersFor(route, target.address, hostname, this.#login, random);
    if (!manners) {
      const text = `the route has no source address to reach ${target.address} from`;
      this.#failures.push({ ...failureKinds.noSource, text, host: target.host, ip: target.address });
      return null;
    }
    const startedAt = clock.now();
    const connection = await this.#connect(target, manners, signal);
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
      smarthost: manners.smarthost,
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

  /** Opportunistic TLS that came to nothing is followed by plain text to the same address (RFC 7435). */
  async #connect(target: Target, manners: Manners, signal: AbortSignal): Promise<Connection | Failure> {
    const first = await this.#connectWithToken(target, manners, signal);
    const { tls } = manners;
    const auth = this.#login;
    const mayFallBack = tls === 'opportunistic' && !target.implicitTls && auth?.cleartext !== false;
    if ('channel' in first || !mayFallBack || first.class !== 'tls') return first;
    return this.#connectWithToken(target, { ...manners, auth, tls: 'none' }, signal);
  }

  /** A token may have been taken back before its time: refused once, another one is asked for, once. */
  async #connectWithToken(
    target: Target,
    manners: Manners,
    signal: AbortSignal,
  ): Promise<Connection | Failure> {
    const first = await connect(target, manners, this.#setting, signal);
    const { auth } = manners;
    const isRefused = !('channel' in first) && first.phase === 'auth' && first.reply !== undefined;
    if (!isRefused || first.class !== 'auth' || auth?.kind !== 'token' || this.#renewed) return first;
    this.#renewed = true;
    await this.#fetchLogin(auth.token, signal);
    if (this.#noLogin) return first;
    return connect(target, { ...manners, auth: this.#login }, this.#setting, signal);
  }
}

function familyOf(address: string): Family {
  return isIP(address) === 6 ? 6 : 4;
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
