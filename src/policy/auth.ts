// How a smarthost route proves who it is: a password, OAuth2 tokens, or a POP3 login before.
// auth-schema.ts reads it from YAML; delivery/ logs in with it.
// Never shown: printable.ts knows which of these are secrets.
import type { TlsPolicy } from './policy.ts';

export interface PasswordAuth {
  readonly kind: 'password';
  readonly user: string;
  readonly password: string;
  /** Log in without TLS too. */
  readonly cleartext: boolean;
}

/** An application that may log in for a user, and what it gets its access tokens with (RFC 6749). */
export interface OAuth2Client {
  readonly clientId: string;
  readonly clientSecret: string;
  /** The first one: servers that rotate give others later. */
  readonly refreshToken: string;
  readonly tokenUrl: string;
}

export interface TokenAuth {
  readonly kind: 'oauth2';
  readonly user: string;
  readonly oauth2: OAuth2Client;
  /** Log in without TLS too. */
  readonly cleartext: boolean;
}

/** A mailbox whose owner's address may send for a while after a login there. */
export interface PopServer {
  readonly host: string;
  readonly port: number;
  /** TLS from the first octet (RFC 8314 §3.1), or after STLS (RFC 2595 §4). */
  readonly implicitTls: boolean;
  readonly tls: TlsPolicy;
  readonly user: string;
  readonly password: string;
  /** Log in without TLS too. */
  readonly cleartext: boolean;
}

/** Nothing is said to the route's own hosts. */
export interface PopAuth {
  readonly kind: 'pop';
  readonly popBeforeSmtp: PopServer;
}

export type RouteAuth = PasswordAuth | TokenAuth | PopAuth;
