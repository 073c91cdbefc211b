// IP addresses as texts of zeros and ones, so that an address lies in a network when its bits begin like it.
// Conditions by client ask: the bits of an address are made once, and looked at by many rules.
// Never resolves a name and never opens a socket.
import { isIP } from 'node:net';
import type { Network } from './network.ts';

/** `4` or `6`, then 32 or 128 bits; null for what is no address. A mapped IPv4 address is an IPv4 address. */
export function addressBits(address: string): string | null {
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  switch (isIP(bare)) {
    case 4:
      return `4${bitsOfIpv4(bare)}`;
    case 6:
      return `6${bitsOfIpv6(bare)}`;
    default:
      return null;
  }
}

/** What the bits of all its addresses begin with. */
export function networkBits({ address, prefix }: Network): string {
  return (addressBits(address) ?? '').slice(0, 1 + prefix);
}

function bitsOfIpv4(address: string): string {
  return address
    .split('.')
    .map((part) => inBits(Number(part), 8))
    .join('');
}

/** RFC 4291 §2.2: groups of 16 bits, `::` for as many zeros as are missing, the last 32 bits dotted or not. */
function bitsOfIpv6(address: string): string {
  const [head = '', tail = ''] = address.split('::').map((half) => half.split(':').map(bitsOfGroup).join(''));
  return head + '0'.repeat(128 - head.length - tail.length) + tail;
}

function bitsOfGroup(group: string): string {
  if (group.includes('.')) return bitsOfIpv4(group);
  return group === '' ? '' : inBits(Number.parseInt(group, 16), 16);
}

function inBits(value: number, width: number): string {
  return value.toString(2).padStart(width, '0');
}
