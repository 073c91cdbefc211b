// From a route and a recipient domain to the hosts that may be tried, in order.
// delivery.ts calls it for a run; approach.ts looks up the addresses and connects.
// Never takes an unanswered question for "no such domain", never falls back to A where an MX exists.
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Random, shuffled } from '../clock/random.ts';
import type { MxRecord, Resolver } from '../dns/resolver.ts';
import type { SmarthostRoute } from '../policy/policy.ts';
import { lookUpAddresses } from './addresses.ts';
import type { Failure } from './failure.ts';
import { failureKinds } from './failures.ts';
import type { HostPlan, PlannedHost } from './session.ts';

export interface Listener {
  readonly address: string;
  readonly port: number;
}

/** What telling our own hosts from others takes. */
export interface Ourselves {
  readonly hostname: string;
  readonly listeners: () => readonly Listener[];
}

/** The smarthost's list as it is: the recipient's MX is never asked for. */
export function smarthostPlan(route: SmarthostRoute): HostPlan {
  const hosts = route.hosts.map(({ weight: _, ...address }, preference) => ({ ...address, preference }));
  return { kind: 'hosts', bestMx: [], hosts };
}

/** MX hosts of a domain (RFC 5321 §5.1), those of equal preference in random order. */
export async function mxPlan(
  domain: string,
  port: number,
  resolver: Resolver,
  random: Random,
  ourselves: Ourselves,
  signal: AbortSignal,
): Promise<HostPlan> {
  if (domain.startsWith('[')) return literalPlan(domain, port);
  const answer = await resolver.mx(domain, signal);
  if (signal.aborted) return failed({ ...failureKinds.stopping, phase: 'dns', text: 'stopping' });
  if (answer.kind === 'failed') {
    const text = `the MX of ${domain} cannot be looked up: ${answer.reason}`;
    const failure: Failure = { ...failureKinds.lookupFailed, text };
    return { kind: 'failed', failure: answer.ours ? { ...failure, ours: true } : failure };
  }
  if (answer.kind === 'nxdomain') {
    return failed({ ...failureKinds.noSuchDomain, text: `the domain ${domain} does not exist` });
  }
  if (answer.kind === 'found' && isNullMx(answer.records)) {
    return failed({ ...failureKinds.nullMx, text: `${domain} takes no mail (null MX)` });
  }
  const records = answer.kind === 'found' ? answer.records : [{ preference: 0, exchange: domain }];
  return withoutOurselves(domain, ordered(records, port, random), resolver, ourselves, signal);
}

/** RFC 7505 §3: a null MX stands alone; beside others it is only a host without a name. */
function isNullMx(records: readonly MxRecord[]): boolean {
  return records.length === 1 && records[0]?.exchange === '';
}

function ordered(records: readonly MxRecord[], port: number, random: Random): PlannedHost[] {
  const named = records.filter(({ exchange }) => exchange !== '');
  return shuffled(named, random)
    .sort((a, b) => a.preference - b.preference)
    .map(({ exchange, preference }) => ({ host: exchange, port, implicitTls: false, preference }));
}

/** RFC 5321 §4.1.3: `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
function literalPlan(domain: string, port: number): HostPlan {
  const address = domain.slice(1, -1).replace(/^ipv6:/i, '');
  if (isIP(address) === 0) return failed({ ...failureKinds.badLiteral, text: `${domain} is no address` });
  const host: PlannedHost = { host: address, port, implicitTls: false, preference: 0 };
  return { kind: 'hosts', bestMx: [address], hosts: [host] };
}

/**
 * RFC 5321 §5.1: where we are in the list ourselves, hosts of our preference and worse would give the
 * mail back to us, so they are dropped. Nothing left: a loop.
 */
async function withoutOurselves(
  domain: string,
  hosts: readonly PlannedHost[],
  resolver: Resolver,
  ourselves: Ourselves,
  signal: AbortSignal,
): Promise<HostPlan> {
  const us = await Promise.all(hosts.map((host) => isOurselves(host, resolver, ourselves, signal)));
  const first = hosts.find((_, i) => us[i]);
  const left = first ? hosts.filter(({ preference }) => preference < first.preference) : hosts;
  if (first && left.length === 0) {
    return failed({ ...failureKinds.loop, text: `mail for ${domain} loops back to us: ${first.host}` });
  }
  if (left.length === 0)
    return failed({ ...failureKinds.noAddress, scope: 'destination', text: unusable(domain) });
  const best = left.filter(({ preference }) => preference === left[0]?.preference);
  return { kind: 'hosts', bestMx: best.map(({ host }) => host).sort(), hosts: left };
}

function unusable(domain: string): string {
  return `the MX records of ${domain} name no host`;
}

/** By name; by address only where a listener has the port that MX hosts are asked at. */
async function isOurselves(
  { host, port }: PlannedHost,
  resolver: Resolver,
  { hostname, listeners }: Ourselves,
  signal: AbortSignal,
): Promise<boolean> {
  if (host === hostname.toLowerCase()) return true;
  const own = listeners().filter((listener) => listener.port === port);
  if (own.length === 0) return false;
  const addresses = await lookUpAddresses(resolver, host, 'both', signal);
  if (addresses.kind !== 'found') return false;
  const ownAddresses = new Set(own.flatMap(({ address }) => addressesOf(address)));
  return [...addresses.v4, ...addresses.v6].some((address) => ownAddresses.has(address));
}

/** A listener on the unspecified address hears on all of the machine's. */
function addressesOf(address: string): string[] {
  if (address !== '0.0.0.0' && address !== '::') return [address];
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address));
}

function failed(failure: Failure): HostPlan {
  return { kind: 'failed', failure };
}
