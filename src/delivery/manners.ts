// How a route talks to one address: TLS, local address and EHLO name.
// approach.ts asks for each target; entrance.ts adds the login; connection.ts obeys.
// Never picks a source address of another family than the target's.
import { isIP } from 'node:net';
import type { Random } from '../clock/random.ts';
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

/** Null when the route has source addresses, and none of the address's family. */
export function mannersFor(
  route: MxRoute | SmarthostRoute,
  address: string,
  hostname: string,
  random: Random,
): Manners | null {
  const source = route.sources.length === 0 ? null : pickSource(route.sources, address, random);
  if (source === undefined) return null;
  return {
    tls: route.tls,
    smarthost: route.via === 'smarthost',
    connectTimeout: route.connectTimeout,
    ehlo: source?.ehlo ?? hostname,
    source: source?.address ?? null,
  };
}

/** By weight, among those of the target's family. */
function pickSource(
  sources: readonly SourceAddress[],
  target: string,
  random: Random,
): SourceAddress | undefined {
  const fitting = sources.filter(({ address }) => isIP(address) === isIP(target));
  let left = random() * fitting.reduce((sum, { weight }) => sum + weight, 0);
  for (const source of fitting) {
    left -= source.weight;
    if (left < 0) return source;
  }
  return fitting[0];
}
