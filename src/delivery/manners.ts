// How a route talks to one address: TLS, local address and EHLO name.
// approach.ts asks for each attempt; entrance.ts adds the login; connection.ts obeys.
// Never chooses a source address: the queue has, and keeps to it.
import type { MxRoute, SmarthostRoute, SourceAddress, TlsPolicy } from '../policy/policy.ts';

export interface Manners {
  readonly tls: TlsPolicy;
  /** A smarthost that refuses us refuses our login, not the mail. */
  readonly smarthost: boolean;
  /** Milliseconds for TCP, TLS and greeting together. */
  readonly connectTimeout: number;
  /** Name for EHLO. */
  readonly ehlo: string;
  /** Local address; null: the system's choice. */
  readonly source: string | null;
}

export function mannersOf(
  route: MxRoute | SmarthostRoute,
  source: SourceAddress | null,
  hostname: string,
): Manners {
  return {
    tls: route.tls,
    smarthost: route.via === 'smarthost',
    connectTimeout: route.connectTimeout,
    ehlo: source?.ehlo ?? hostname,
    source: source?.address ?? null,
  };
}
