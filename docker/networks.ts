// Which networks a container may trust: the bridges that it is itself a member of.
// start.ts asks, and hands the answer to the daemon's settings.
// Never trusts a network of the machine's own, or one that reaches further than a bridge.
import type { NetworkInterfaceInfo } from 'node:os';

/** As os.networkInterfaces() gives them. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Where these are, the container has the machine's network (`--network host`). */
const HOST_INTERFACE = /^(?:docker\d|br-|cni|podman\d|virbr|veth)/;

/** Docker gives bridges a /16, compose too; anything wider is somebody's network. */
const WIDEST = 16;

/** RFC 1918, and the unique local addresses of RFC 4193. */
const PRIVATE = /^(?:10\.|172\.(?:1[6-9]|2\d|3[01])\.|192\.168\.|f[cd][0-9a-f]{2}:)/;

/** CIDRs, `172.17.0.2/16`; the bits behind the prefix do not count. Empty on the machine's own network. */
export function bridgeNetworks(interfaces: Interfaces): readonly string[] {
  if (Object.keys(interfaces).some((name) => HOST_INTERFACE.test(name))) return [];
  return Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && PRIVATE.test(address))
    .flatMap(({ cidr }) => (cidr !== null && Number(cidr.split('/')[1]) >= WIDEST ? [cidr] : []));
}
