// What surrounds the daemon in a fault scenario: DNS, peers, the folder that outlives each daemon, the copies.
// Every scenario here makes one, starts and breaks daemons in it, and counts at the end.
// Never forgives: a missing message, books that do not balance, or a copy too many fail the test.
import { onTestFinished } from 'vitest';
import { type DnsServer, startDnsServer } from '../harness/dns-server.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { type Books, type Sendoff, type SendoffOptions, startSendoff } from '../harness/sendoff.ts';
import { type Peer, type PeerOptions, startPeer } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

/** The domain whose MX host is the first peer. */
export const DOMAIN = 'example.org';

export class World {
  readonly folder = temporaryFolder();
  readonly dns: DnsServer;
  readonly peer: Peer;
  readonly #options: SendoffOptions;

  constructor(dns: DnsServer, peer: Peer, options: SendoffOptions) {
    this.dns = dns;
    this.peer = peer;
    this.#options = options;
  }

  /** A daemon on the folder that all daemons of this world share, one after the other. */
  start(options: SendoffOptions = {}): Promise<Sendoff> {
    const { folder, dns, peer } = this;
    const settings = { ...this.#options.settings, ...options.settings };
    return startSendoff({ folder, dns, mxPort: peer.port, ...this.#options, ...options, settings });
  }

  /** A start that ends in a crash, before the daemon is ready or a moment after. */
  async startDoomed(options: SendoffOptions): Promise<void> {
    let started: Sendoff;
    try {
      started = await this.start(options);
    } catch (error) {
      if (String(error).includes('SIGKILL')) return;
      throw error;
    }
    await started.ended;
  }

  /** Another peer, on an address of its own, for these domains. */
  async neighbour(address: string, domains: readonly string[], options: PeerOptions = {}): Promise<Peer> {
    const peer = await startPeer({ ...options, address, port: this.peer.port });
    for (const domain of domains) direct(this.dns, domain, address);
    return peer;
  }
}

/** A world with one peer, which is the MX host of DOMAIN. */
export async function makeWorld(options: SendoffOptions = {}, peerOptions: PeerOptions = {}): Promise<World> {
  const dns = await startDnsServer();
  onTestFinished(() => dns.close());
  const peer = await startPeer(peerOptions);
  direct(dns, DOMAIN, peer.address);
  return new World(dns, peer, options);
}

/** Mail of the domain goes to this address; a wildcard will do. */
export function direct(dns: DnsServer, domain: string, address: string): void {
  const host = `mx-${address.replaceAll('.', '-')}.hosts.test`;
  dns.set(domain, { mx: [[10, host]] });
  dns.set(host, { a: [address] });
}

/** A message that its subject identifies, across every copy of it. */
export function mailOf(subject: string, octets = 0): string {
  const padding = 'x'
    .repeat(76)
    .concat('\r\n')
    .repeat(Math.ceil(octets / 78));
  return `From: a@example.net\r\nTo: b@${DOMAIN}\r\nSubject: ${subject}\r\n\r\nHello\r\n${padding}`;
}

/** How many copies of each subject (and recipient) the peers have. */
export function copies(...peers: readonly Peer[]): Map<string, number> {
  const counted = new Map<string, number>();
  for (const { data, to } of peers.flatMap(({ messages }) => messages)) {
    const subject = subjectOf(data);
    for (const recipient of to) {
      for (const key of new Set([subject, `${subject} ${recipient}`])) {
        counted.set(key, (counted.get(key) ?? 0) + 1);
      }
    }
  }
  return counted;
}

/** Subjects of all copies, sorted: equal to the list of what was sent when each came exactly once. */
export function onceEach(...peers: readonly Peer[]): string[] {
  const subjects = peers.flatMap(({ messages }) => messages.map(({ data }) => subjectOf(data)));
  return subjects.sort();
}

function subjectOf(data: Buffer): string {
  return /^Subject: (.*)\r$/m.exec(data.toString('latin1', 0, 2000))?.[1] ?? 'none';
}

/** One message with this subject; resolves with its queue id. */
export function send(sendoff: Sendoff, subject: string, to = `b@${DOMAIN}`, octets = 0): Promise<string> {
  return sendoff.send({ from: 'a@example.net', to, content: mailOf(subject, octets) });
}

/** An operator's change through the admin API. */
export function change(sendoff: Sendoff, what: string, filter: object): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  return sendoff.api(`/api/queue/${what}`, { method: 'POST', headers, body: JSON.stringify(filter) });
}

/** The books as soon as so many recipients are delivered. */
export function delivered(sendoff: Sendoff, count: number): Promise<Books> {
  return until(`${count} deliveries in the books`, async () => {
    const books = balanced(await sendoff.books());
    return books.delivered >= count ? books : null;
  });
}

/** Throws unless accepted = delivered + bounced + expired + discarded + removed + queued. */
export function balanced(books: Books): Books {
  const { accepted, delivered, bounced, expired, discarded, removed, queued } = books;
  const sum = delivered + bounced + expired + discarded + removed + queued;
  if (accepted !== sum) throw new Error(`the books do not balance: ${JSON.stringify(books)}`);
  return books;
}
