// The networks whose clients may relay without AUTH.
// Asked once for each connection by listener.ts.
// Never resolves a name: only addresses count.
import { BlockList, isIPv6 } from 'node:net';

/** `cidrs`: addresses or address/prefix; they were checked when the settings were read. */
export function trustedNetworks(cidrs: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** The form in which a client is known: mapped IPv4 as IPv4, no scope. `''` when the socket is gone. */
export function clientAddress(remote: string | undefined): string {
  return (remote ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
}
