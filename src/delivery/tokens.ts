// Access tokens of the routes that log in with OAuth2: cached, refreshed in time, one request for all who wait.
// approach.ts asks before it connects, and again when a host refuses the token.
// Never touches a file: who made it keeps the grants and hands them back at the next start.
import { createHash } from 'node:crypto';
import type { Clock } from '../clock/clock.ts';
import type { TokenAuth } from '../policy/auth.ts';
import type { Failure } from './failure.ts';
import { failureKinds } from './failures.ts';
import type { TokenLogin } from './sasl.ts';
import { type Grant, type Granted, requestToken } from './token-request.ts';

/** Keeps grants across restarts. A key tells nothing of the secrets behind it. */
export interface GrantBook {
  recall(key: string): Grant | null;
  /** Never rejects: mail goes on with what is in memory. */
  keep(key: string, grant: Grant): Promise<void>;
}

/** A token that ends within a minute may end on the way. */
const EARLY = 60_000;

export class Tokens {
  readonly #clock: Clock;
  readonly #book: GrantBook;
  readonly #grants = new Map<string, Grant>();
  readonly #underWay = new Map<string, Promise<Granted>>();

  constructor(clock: Clock, book: GrantBook) {
    this.#clock = clock;
    this.#book = book;
  }

  /** The login of a route. `refused`: a token that a host did not take, so another one is needed. Never rejects. */
  async login(
    auth: TokenAuth,
    refused: string | null,
    signal: AbortSignal,
  ): Promise<{ readonly login: TokenLogin } | { readonly failure: Failure }> {
    const granted = await unlessAborted(this.#grant(auth, refused), signal);
    if (granted === null) return { failure: { ...failureKinds.stopping, phase: 'auth', text: 'stopping' } };
    if ('refused' in granted) {
      const { host } = new URL(auth.oauth2.tokenUrl);
      const text = `no token from ${host}: ${granted.refused}`;
      return { failure: { ...failureKinds.noLogin, scope: 'destination', text, host } };
    }
    const { user, cleartext } = auth;
    return { login: { kind: 'token', user, cleartext, token: granted.grant.accessToken } };
  }

  async #grant(auth: TokenAuth, refused: string | null): Promise<Granted> {
    const key = keyOf(auth);
    const known = this.#grants.get(key) ?? this.#book.recall(key);
    const isGood = known !== null && known.expires - EARLY > this.#clock.now();
    if (isGood && known.accessToken !== refused) return { grant: known };
    let request = this.#underWay.get(key);
    if (!request) {
      request = this.#refresh(key, auth, known?.refreshToken ?? auth.oauth2.refreshToken);
      this.#underWay.set(key, request);
    }
    return request;
  }

  /** Not ended by a stop: a server that rotates has taken the old token back by then. */
  async #refresh(key: string, auth: TokenAuth, refreshToken: string): Promise<Granted> {
    const granted = await requestToken(auth.oauth2, refreshToken, this.#clock);
    if ('grant' in granted) {
      this.#grants.set(key, granted.grant);
      await this.#book.keep(key, granted.grant);
    }
    this.#underWay.delete(key);
    return granted;
  }
}

/**
 * One for each refresh token that an operator gave: another one begins anew, another secret of the same
 * client does not.
 */
function keyOf({ user, oauth2 }: TokenAuth): string {
  const { clientId, refreshToken, tokenUrl } = oauth2;
  const parts = JSON.stringify([user, clientId, refreshToken, tokenUrl]);
  return createHash('sha256').update(parts).digest('hex');
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(null);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
