// Logins at POP3 servers that open the hosts of a route for a while: made when needed, remembered, one at a time.
// entrance.ts asks before it connects to a host; pop3.ts logs in.
// Never remembers a refusal: the door of the destination keeps the mail from knocking too often.
import type { Clock } from '../clock/clock.ts';
import { Flights } from '../dns/flights.ts';
import type { Resolver } from '../dns/resolver.ts';
import type { PopServer } from '../policy/auth.ts';
import { lookUpAddresses } from './addresses.ts';
import type { Failure, FailureScope } from './failure.ts';
import { failureKinds } from './failures.ts';
import { logInAtPop } from './pop3.ts';
import type { TlsManners } from './tls.ts';

/** Providers open for 10 minutes to an hour; half of the least leaves time for a connection to be used. */
const KNOWN_FOR = 5 * 60_000;

/** A host that refuses us so soon after a login has another reason; and a server is not asked over and over. */
const RENEWED_AFTER = 30_000;

/** Of the server's addresses: who answers at neither of two is down. */
const MOST_ADDRESSES = 2;

/** Where the connections come from that the login is for: servers open for the address that logged in. */
export interface PopOrigin {
  /** Local address; null: the system's choice. */
  readonly source: string | null;
  readonly family: 4 | 6;
}

/** When it was done, ms since the epoch; or why it was not. */
export type PopLogin = { readonly at: number } | { readonly failure: Failure };

export interface PopParts {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly tlsManners: TlsManners;
}

export class PopLogins {
  readonly #parts: PopParts;
  /** By server, user and origin: when the last login was done. */
  readonly #done = new Map<string, number>();
  readonly #underWay = new Flights<PopLogin>();

  constructor(parts: PopParts) {
    this.#parts = parts;
  }

  /** Logs in, unless that was done lately. `refused`: a host does not find it late enough. Never rejects. */
  logIn(server: PopServer, origin: PopOrigin, refused: boolean, signal: AbortSignal): Promise<PopLogin> {
    const { host, port, user } = server;
    const key = JSON.stringify([host, port, user, origin.source, origin.family]);
    const at = this.#done.get(key);
    if (at !== undefined && !this.#isOlder(at, refused ? RENEWED_AFTER : KNOWN_FOR)) {
      return Promise.resolve({ at });
    }
    const left = { failure: { ...failureKinds.stopping, phase: 'auth', text: 'stopping' } } as const;
    return this.#underWay.join(key, signal, left, async (ending) => {
      const login = await this.#visit(server, origin, ending);
      if ('at' in login) this.#done.set(key, login.at);
      return login;
    });
  }

  /** Whether another login could change the mind of a host that refuses us after this one. */
  isWorthAnother(at: number): boolean {
    return this.#isOlder(at, RENEWED_AFTER);
  }

  /** A clock that was set back makes a login old as well. */
  #isOlder(at: number, age: number): boolean {
    return Math.abs(this.#parts.clock.now() - at) >= age;
  }

  async #visit(server: PopServer, { source, family }: PopOrigin, ending: AbortSignal): Promise<PopLogin> {
    const { resolver, clock } = this.#parts;
    const { host, port } = server;
    const found = await lookUpAddresses(resolver, host, family, ending);
    if (found.kind === 'failed') {
      return failedAt(host, `its addresses cannot be looked up: ${found.reason}`);
    }
    const addresses = found.kind === 'none' ? [] : family === 4 ? found.v4 : found.v6;
    // An address of the other family may do for hosts that have one.
    if (addresses.length === 0) return wrongFamily(host, family, source);
    const reasons: string[] = [];
    for (const address of addresses.slice(0, MOST_ADDRESSES)) {
      const visit = { ...this.#parts, server, at: { address, port, source } };
      const outcome = await logInAtPop(visit, ending);
      if (outcome.kind === 'in') return { at: clock.now() };
      if (outcome.kind === 'no-source') {
        return { failure: { ...failureKinds.sourceMissing, scope: 'destination', text: outcome.reason } };
      }
      reasons.push(outcome.reason);
      if (outcome.kind === 'refused') break;
    }
    return failedAt(host, reasons.join('; '));
  }
}

/** An address of ours of the other family may do, where the route has one. */
function wrongFamily(host: string, family: 4 | 6, source: string | null): PopLogin {
  const login = failedAt(host, `it has no IPv${family} address`, 'host');
  return source === null ? login : { failure: { ...login.failure, sourceTrouble: 'unfit' } };
}

function failedAt(
  host: string,
  reason: string,
  scope: FailureScope = 'destination',
): { readonly failure: Failure } {
  const text = `no login at the POP3 server ${host}: ${reason}`;
  return { failure: { ...failureKinds.noLogin, scope, text, host } };
}
