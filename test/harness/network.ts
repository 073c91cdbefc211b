// The world around a daemon under test: a DNS server, and MX hosts that share one port on loopback.
// Scenarios ask it for receivers, each with a domain of its own; senders live at `home`.
// Never two peers at one address: each test gets fresh ones.
import { afterAll, beforeAll } from 'vitest';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import { type ParsedDsn, parseDsn } from './dsn.ts';
import { type Peer, type PeerOptions, type ReceivedMessage, startPeer } from './smtp-peer.ts';
import { until } from './until.ts';

/** A domain and its only MX host. */
export interface Receiver {
  readonly domain: string;
  readonly peer: Peer;
}

const HOME = 'home.test';

export class Network {
  readonly dns: DnsServer;
  /** The MX host of home.test, where senders read what comes back to them. */
  readonly home: Peer;
  #names = 0;
  #addresses = 1;

  constructor(dns: DnsServer, home: Peer) {
    this.dns = dns;
    this.home = home;
    this.domain(HOME, home.address);
  }

  /** Port of all MX hosts. */
  get mxPort(): number {
    return this.home.port;
  }

  /** A mail address that no other test uses, whose mail `home` receives. */
  sender(): string {
    return `s${++this.#names}@${HOME}`;
  }

  /** A domain that no other test uses, without records; policies may know it by its parent. */
  name(parent = 'test'): string {
    return `d${++this.#names}.${parent}`;
  }

  /** A loopback address where nobody listens. */
  address(): string {
    const n = ++this.#addresses;
    // Test files run side by side: each process has a block of addresses of its own.
    return `127.${1 + ((process.pid >> 6) % 250)}.${((process.pid & 63) << 2) | (n >> 8)}.${n & 255}`;
  }

  /** Sets a domain's MX hosts, the best first; each is named after the domain. */
  domain(domain: string, ...addresses: readonly string[]): void {
    const hosts = addresses.map((address, i) => ({ address, name: `mx${i + 1}.${domain}` }));
    this.dns.set(domain, { mx: hosts.map(({ name }, i) => [10 * (i + 1), name] as const) });
    for (const { address, name } of hosts) this.dns.set(name, { a: [address] });
  }

  /** A peer on the MX port, at an address of its own. */
  peer(options: PeerOptions = {}): Promise<Peer> {
    return startPeer({ address: this.address(), port: this.mxPort, ...options });
  }

  async receiver(options: PeerOptions = {}, parent?: string): Promise<Receiver> {
    const domain = this.name(parent);
    const address = options.address ?? this.address();
    const peer = await this.peer({ hostname: `mx1.${domain}`, ...options, address });
    this.domain(domain, address);
    return { domain, peer };
  }

  /** The nth report that came to a sender, read strictly. */
  async report(sender: string, nth = 1): Promise<ParsedDsn> {
    const mine = await until(`report ${nth} to ${sender}`, () => {
      const messages = this.home.messages.filter(({ to }) => to.includes(sender));
      return messages.length >= nth ? messages : null;
    });
    const { data, from } = mine[nth - 1] as ReceivedMessage;
    if (from !== '') throw new Error(`a report from <${from}>`);
    return parseDsn(data);
  }
}

/** One network for all tests of a file. */
export function networkForFile(): () => Network {
  let network: Network;
  beforeAll(async () => {
    network = new Network(await startDnsServer(), await startPeer());
  });
  afterAll(async () => {
    await network.home.close();
    await network.dns.close();
  });
  return () => network;
}
