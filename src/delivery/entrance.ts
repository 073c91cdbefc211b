// How an attempt gets into the hosts of its route: a connection, with the login that the route needs.
// approach.ts has the addresses; connection.ts connects, tokens.ts and pop-logins.ts fetch what opens the door.
// Never asks a host when there is nothing to log in with; never renews a login twice in an attempt.
import type { Clock } from '../clock/clock.ts';
import type { MxRoute, SmarthostRoute } from '../policy/policy.ts';
import { familyOf } from './addresses.ts';
import { type Connection, connect } from './connection.ts';
import type { Failure } from './failure.ts';
import type { Manners } from './manners.ts';
import type { PopLogins } from './pop-logins.ts';
import type { Login } from './sasl.ts';
import type { Target } from './session.ts';
import type { TlsManners } from './tls.ts';
import type { Tokens } from './tokens.ts';

export interface EntranceSetting {
  readonly route: MxRoute | SmarthostRoute;
  readonly clock: Clock;
  readonly tlsManners: TlsManners;
  readonly tokens: Tokens;
  readonly popLogins: PopLogins;
}

export class Entrance {
  readonly #setting: EntranceSetting;
  readonly #auth: SmarthostRoute['auth'];
  /** What is said to a host: the route's password, or a token. */
  #login: Login | null = null;
  /** When the POP3 login was made that opened the host which was tried last. */
  #popAt: number | null = null;
  #renewed = false;
  #shut: Failure | null = null;

  constructor(setting: EntranceSetting) {
    const { route } = setting;
    this.#setting = setting;
    this.#auth = route.via === 'smarthost' ? route.auth : null;
  }

  /** Why there is no login: no host needs to be asked then. */
  get shut(): Failure | null {
    return this.#shut;
  }

  /** A token before any connection: a host would not wait for it as long as its server may take. */
  prepare(signal: AbortSignal): Promise<void> {
    return this.#fetchLogin(null, signal);
  }

  /** A connection to one address. Never rejects. */
  async connect(target: Target, manners: Manners, signal: AbortSignal): Promise<Connection | Failure> {
    const first = await this.#connectOnce(target, manners, signal);
    if ('channel' in first || !this.refused(first)) return first;
    if (this.#login?.kind === 'token') await this.#fetchLogin(this.#login.token, signal);
    return this.#shut ? first : this.#connectOnce(target, manners, signal);
  }

  /**
   * Whether a failure is the refusal of a login that another one may mend; the next connection then gets
   * it. A token may have been taken back before its time, and a host may forget a POP3 login before we do:
   * it says so at any step of the dialogue. Once an attempt.
   */
  refused({ class: failureClass, phase, reply }: Failure): boolean {
    if (this.#renewed || failureClass !== 'auth' || reply === undefined) return false;
    const kind = this.#auth?.kind;
    this.#renewed = kind === 'oauth2' ? phase === 'auth' : kind === 'pop' && this.#isPopLoginOld();
    return this.#renewed;
  }

  /** Of a session from before this attempt nobody knows which login opened it. */
  #isPopLoginOld(): boolean {
    return this.#popAt === null || this.#setting.popLogins.isWorthAnother(this.#popAt);
  }

  /** Opportunistic TLS that came to nothing is followed by plain text to the same address (RFC 7435). */
  async #connectOnce(target: Target, manners: Manners, signal: AbortSignal): Promise<Connection | Failure> {
    const closed = await this.#popFirst(target, manners, signal);
    if (closed) return closed;
    const { tls } = manners;
    const auth = this.#login;
    const first = await connect(target, { ...manners, auth }, this.#setting, signal);
    const mayFallBack = tls === 'opportunistic' && !target.implicitTls && auth?.cleartext !== false;
    if ('channel' in first || !mayFallBack || first.class !== 'tls') return first;
    return connect(target, { ...manners, auth, tls: 'none' }, this.#setting, signal);
  }

  async #fetchLogin(refused: string | null, signal: AbortSignal): Promise<void> {
    const auth = this.#auth;
    if (auth?.kind === 'password') this.#login = auth;
    if (auth?.kind !== 'oauth2') return;
    const found = await this.#setting.tokens.login(auth, refused, signal);
    if ('failure' in found) this.#shut = found.failure;
    else this.#login = found.login;
  }

  /** A POP3 login opens the hosts for the address that it came from, so that is chosen first. */
  async #popFirst({ address }: Target, { source }: Manners, signal: AbortSignal): Promise<Failure | null> {
    if (this.#auth?.kind !== 'pop') return null;
    const { popLogins } = this.#setting;
    const origin = { source, family: familyOf(address) };
    const login = await popLogins.logIn(this.#auth.popBeforeSmtp, origin, this.#renewed, signal);
    if ('at' in login) {
      this.#popAt = login.at;
      return null;
    }
    if (login.failure.scope === 'destination') this.#shut = login.failure;
    return login.failure;
  }
}
