// Addresses of a host, and which of them mail may go to.
// hosts.ts and approach.ts ask; the resolver answers.
// Never lets an MX record send mail into our own networks unasked.
import { BlockList, isIP } from 'node:net';
import type { Resolver } from '../dns/resolver.ts';

export type Addresses =
  | { readonly kind: 'found'; readonly v4: readonly string[]; readonly v6: readonly string[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly reason: string; readonly ours: boolean };

/** Addresses of the families that `ip` allows; an IP literal is its own address. */
export async function lookUpAddresses(
  resolver: Resolver,
  host: string,
  ip: 'both' | 4 | 6,
  signal: AbortSignal,
): Promise<Addresses> {
  const known = isIP(host) === 0 ? loopbackOf(host) : { kind: 'found' as const, ...literal(host) };
  if (known) return known;
  const [a, aaaa] = await Promise.all([
    ip === 6 ? null : resolver.a(host, signal),
    ip === 4 ? null : resolver.aaaa(host, signal),
  ]);
  const v4 = a?.kind === 'found' ? a.records : [];
  const v6 = aaaa?.kind === 'found' ? aaaa.records : [];
  if (v4.length + v6.length > 0) return { kind: 'found', v4, v6 };
  // One family that nobody could tell of may hold the addresses: not "none".
  if (a?.kind === 'failed') return a;
  if (aaaa?.kind === 'failed') return aaaa;
  return { kind: 'none' };
}

/** Of an IP address. */
export function familyOf(address: string): 4 | 6 {
  return isIP(address) === 6 ? 6 : 4;
}

function literal(host: string): { readonly v4: readonly string[]; readonly v6: readonly string[] } {
  return isIP(host) === 4 ? { v4: [host], v6: [] } : { v4: [], v6: [host] };
}

/** RFC 6761 §6.3: localhost is never looked up. */
function loopbackOf(host: string): Addresses | null {
  const isLocalhost = host === 'localhost' || host.endsWith('.localhost');
  return isLocalhost ? { kind: 'found', v4: ['127.0.0.1'], v6: ['::1'] } : null;
}

/**
 * Where an MX record of somebody else may not send mail: ourselves and networks that are not the
 * Internet's (RFC 6890). Documentation addresses are left to time out: nothing there can be harmed.
 */
const forbiddenNetworks = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
];

/** A test for addresses that an MX may point to; `allowed` are networks (CIDR) that it may all the same. */
export function addressFilter(allowed: readonly string[]): (address: string) => boolean {
  const forbidden = blockList(forbiddenNetworks);
  const exempt = blockList(allowed);
  return (address) => {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    return exempt.check(address, family) || !forbidden.check(address, family);
  };
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family);
  }
  return list;
}
