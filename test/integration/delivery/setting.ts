// What every delivery test needs: a Delivery over records in memory, routes, mail to send.
// Used by the tests beside it; peers come from test/harness/smtp-peer.ts.
// Never a mock: sockets, TLS and timers are real.
import { systemClock } from '../../../src/clock/clock.ts';
import { createDelivery, type DeliverySettings } from '../../../src/delivery/delivery.ts';
import type { Failure } from '../../../src/delivery/failure.ts';
import type {
  Approach,
  Delivery,
  Outgoing,
  RecipientResult,
  Session,
  TransactionResult,
} from '../../../src/delivery/session.ts';
import type { Lookup, MxRecord, Resolver } from '../../../src/dns/resolver.ts';
import type { Observer } from '../../../src/observe/events.ts';
import type { MxRoute, SmarthostRoute } from '../../../src/policy/policy.ts';

export const silent: Observer = {
  event: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  debug: () => undefined,
};

/** Records by name; a string instead of a list is a failure with that reason, `nxdomain` that answer. */
export interface Records {
  readonly mx?: Readonly<Record<string, readonly (readonly [number, string])[] | string>>;
  readonly a?: Readonly<Record<string, readonly string[] | string>>;
  readonly aaaa?: Readonly<Record<string, readonly string[] | string>>;
}

export interface MemoryResolver extends Resolver {
  readonly asked: readonly string[];
}

export function resolverOf(records: Records): MemoryResolver {
  const asked: string[] = [];
  const known = new Set([records.mx, records.a, records.aaaa].flatMap((all) => Object.keys(all ?? {})));
  const answer = <T>(name: string, found: readonly T[] | string | undefined): Lookup<T> => {
    if (found === 'nxdomain' || (found === undefined && !known.has(name)))
      return { kind: 'nxdomain', ttl: 60 };
    if (found === undefined) return { kind: 'no-data', ttl: 60 };
    if (typeof found === 'string') return { kind: 'failed', reason: found, ours: found.startsWith('ours') };
    return { kind: 'found', records: found, ttl: 60, authenticated: false };
  };
  return {
    asked,
    async mx(domain) {
      asked.push(`mx ${domain}`);
      const found = records.mx?.[domain];
      const list = typeof found === 'string' ? found : found?.map(toMx);
      return answer<MxRecord>(domain, list);
    },
    async a(name) {
      asked.push(`a ${name}`);
      return answer(name, records.a?.[name]);
    },
    async aaaa(name) {
      asked.push(`aaaa ${name}`);
      return answer(name, records.aaaa?.[name]);
    },
    healthy: async () => true,
    close: () => undefined,
  };
}

function toMx([preference, exchange]: readonly [number, string]): MxRecord {
  return { preference, exchange };
}

export const mxRoute: MxRoute = {
  name: 'direct',
  displayName: 'direct',
  via: 'mx',
  connections: null,
  messagesPerConnection: null,
  rate: null,
  quotas: [],
  recipients: 50,
  connectTimeout: 30_000,
  sources: [],
  tls: 'opportunistic',
  softBounce: false,
};

export function smarthostRoute(port: number, changes: Partial<SmarthostRoute> = {}): SmarthostRoute {
  return {
    ...mxRoute,
    name: 'provider',
    via: 'smarthost',
    tls: 'none',
    hosts: [{ host: '127.0.0.1', port, implicitTls: false, weight: 1 }],
    choose: 'in-order',
    auth: null,
    ...changes,
  };
}

export function deliveryOf(
  resolver: Resolver,
  changes: Partial<DeliverySettings> = {},
  parts: Partial<Parameters<typeof createDelivery>[0]> = {},
): Delivery {
  return createDelivery({
    resolver,
    clock: systemClock,
    random: Math.random,
    observer: silent,
    reached: () => undefined,
    grants: { recall: () => null, keep: async () => undefined },
    ...parts,
    settings: {
      hostname: 'sendoff.test',
      port: 25,
      ip: 4,
      allowNetworks: ['127.0.0.0/8', '::1'],
      ownAddresses: () => [],
      ...changes,
    },
  });
}

export const never = new AbortController().signal;

/** A plan and an approach to it; throws when the plan failed. */
export async function approachTo(
  delivery: Delivery,
  route: MxRoute | SmarthostRoute,
  domain: string | null,
): Promise<Approach> {
  const plan = await delivery.plan(route, domain, never);
  if (plan.kind === 'failed') throw new Error(`no plan: ${plan.failure.text}`);
  return delivery.approach(route, plan, null, route.sources[0] ?? null);
}

export function sessionOf(next: { session: Session } | { failure: Failure }): Session {
  if ('failure' in next) throw new Error(`no session: ${next.failure.text}`);
  return next.session;
}

/** A session with the peer as a smarthost. */
export async function openSession(
  port: number,
  changes: Partial<SmarthostRoute> = {},
  delivery: Delivery = deliveryOf(resolverOf({})),
): Promise<Session> {
  const approach = await approachTo(delivery, smarthostRoute(port, changes), null);
  return sessionOf(await approach.next(never));
}

export function mailOf(content: string | Buffer, changes: Partial<Outgoing> = {}): Outgoing {
  const data = Buffer.from(content);
  return {
    from: 'ann@example.org',
    recipients: ['bob@example.net'],
    size: data.length,
    eightBit: false,
    body: async () => ({ kind: 'buffer', data }),
    dotSent: () => undefined,
    ...changes,
  };
}

export const hello = 'Subject: hello\r\n\r\nHello\r\n';

/** `delivered`, `next-transaction`, or the failure in short: `recipient 5.1.1 unknown-user permanent`. */
export function inShort({ results }: TransactionResult): string[] {
  return results.map(resultInShort);
}

function resultInShort(result: RecipientResult): string {
  return result.kind === 'failed' ? failureInShort(result.failure) : result.kind;
}

export function failureInShort(failure: Failure): string {
  const marks = [failure.permanent && 'permanent', failure.ours && 'ours', failure.inDoubt && 'in-doubt'];
  return [failure.scope, failure.status, failure.class, ...marks.filter(Boolean)].join(' ');
}
