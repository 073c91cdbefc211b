// Addresses, networks and host names as people write them in YAML.
// fields.ts reads with it; checks.ts asks how far a network or a listener reaches.
// Never resolves a name and never opens a socket.
import { BlockList, isIP, SocketAddress } from 'node:net';
import { domainToASCII } from 'node:url';

export interface Network {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

export interface Endpoint {
  readonly host: string;
  /** Null when the text names none. */
  readonly port: number | null;
}

/** Networks that no router on the Internet carries: a whole one of them may be trusted. */
const privateNetworks = [
  '127.0.0.0/8', // loopback, RFC 1122 §3.2.1.3
  '10.0.0.0/8', // RFC 1918
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10', // carrier-grade NAT, RFC 6598
  '169.254.0.0/16', // link-local, RFC 3927
  '::1/128',
  'fc00::/7', // unique local, RFC 4193
  'fe80::/10', // link-local
];

/** The widest public ranges that may be trusted. A /32 is what one IPv6 provider gets in all. */
const WIDEST_PUBLIC_PREFIX = { ipv4: 16, ipv6: 32 } as const;

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. */
export function parseNetwork(text: string): Network | null {
  const [address = '', width, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0 || address.includes('%')) return null;
  const bits = version === 4 ? 32 : 128;
  if (width !== undefined && !/^\d{1,3}$/.test(width)) return null;
  const prefix = width === undefined ? bits : Number(width);
  return prefix > bits ? null : { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** The canonical text, `address/prefix`. */
export function formatNetwork(network: Network): string {
  return `${network.address}/${network.prefix}`;
}

/** IPv6 in the shortest form and lower case (RFC 5952), as the system writes it; null: no address. */
export function canonicalAddress(text: string): string | null {
  const version = isIP(text);
  // A zone is the name of an interface, and stays as it is.
  if (version !== 6) return version === 0 ? null : text;
  const [address = '', ...zone] = text.split('%');
  return [new SocketAddress({ address, family: 'ipv6' }).address, ...zone].join('%');
}

/** Whether trusting this network would trust strangers: everybody, or a wide public range. */
export function reachesTooFar(network: Network): boolean {
  const inPrivate = privateNetworks.some((text) => isWithin(network, parseNetwork(text) as Network));
  return !inPrivate && network.prefix < WIDEST_PUBLIC_PREFIX[network.family];
}

function isWithin(inner: Network, outer: Network): boolean {
  if (inner.family !== outer.family || inner.prefix < outer.prefix) return false;
  const list = new BlockList();
  list.addSubnet(outer.address, outer.prefix, outer.family);
  return list.check(inner.address, inner.family);
}

/** Whether what listens on this address can be reached from this machine alone. */
export function isLoopback(address: string): boolean {
  if (address === 'localhost') return true;
  const network = parseNetwork(address);
  if (network === null) return false;
  return ['127.0.0.0/8', '::1/128'].some((text) => isWithin(network, parseNetwork(text) as Network));
}

/** `host`, `host:port`, `192.0.2.1:25`, `::1`, `[::1]:25`. Names come back in lower case as A-labels. */
export function parseEndpoint(text: string): Endpoint | null {
  if (isIP(text) === 6) return { host: text, port: null };
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/@\s]+))(?::(\d{1,5}))?$/.exec(text);
  if (parts === null) return null;
  const host = parts[1] === undefined ? hostOf(parts[2] as string) : isIP(parts[1]) === 6 ? parts[1] : null;
  const port = parts[3] === undefined ? null : Number(parts[3]);
  if (host === null || (port !== null && !isPort(port))) return null;
  return { host, port };
}

/** `host:port` with brackets where IPv6 needs them. */
export function formatEndpoint(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

export function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** An IP address as it is, or a host name in its normal form, or null. */
function hostOf(text: string): string | null {
  return isIP(text) !== 0 ? text : parseDomain(text);
}

/** A domain or host name in lower case as A-labels, without a trailing dot, or null. RFC 1035 §2.3.4 lengths. */
export function parseDomain(text: string): string | null {
  const ascii = domainToASCII(text.replace(/\.$/, ''));
  // domainToASCII reads `1` and `0x7f.1` as IPv4 addresses and answers in dotted form.
  if (ascii === '' || ascii.length > 253 || isIP(ascii) !== 0) return null;
  const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
  return ascii.split('.').every((part) => label.test(part)) ? ascii : null;
}

/** `user@domain` with the local part as written and the domain in its normal form, or null. */
export function parseAddress(text: string): string | null {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  const domain = parseDomain(text.slice(at + 1));
  if (at < 1 || domain === null || !isLocalPart(local)) return null;
  return `${local}@${domain}`;
}

/** Dot-string or quoted string of RFC 5321 §4.1.2, at most 64 octets (§4.5.3.1.1). */
export function isLocalPart(text: string): boolean {
  if (text.length > 64) return false;
  return /^[^\s"\\@<>()[\],;:]+$/.test(text) || /^"(?:[^"\\]|\\.)*"$/.test(text);
}
