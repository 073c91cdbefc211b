import { describe, expect, test } from 'vitest';
import type { DeliverySettings } from '../../../src/delivery/delivery.ts';
import type { Approach } from '../../../src/delivery/session.ts';
import type { MxRoute } from '../../../src/policy/policy.ts';
import { type Peer, type PeerOptions, startPeer } from '../../harness/smtp-peer.ts';
import {
  approachTo,
  deliveryOf,
  failureInShort,
  hello,
  inShort,
  mailOf,
  mxRoute,
  never,
  type Records,
  resolverOf,
  sessionOf,
  silent,
  smarthostRoute,
} from './setting.ts';

const refusing: PeerOptions = { script: { greeting: '554 5.3.2 Not today' } };

/** Peers at 127.0.1.1, 127.0.1.2 … on one port, each the next worse MX of x.test. */
async function mxPeers(...options: readonly PeerOptions[]): Promise<{ peers: Peer[]; records: Records }> {
  const peers: Peer[] = [];
  for (const [i, one] of options.entries()) {
    const port = peers[0]?.port ?? 0;
    peers.push(await startPeer({ ...one, address: `127.0.1.${i + 1}`, port }));
  }
  const mx = { 'x.test': peers.map((_, i) => [i, `mx${i + 1}.test`] as const) };
  const a = Object.fromEntries(peers.map(({ address }, i) => [`mx${i + 1}.test`, [address]]));
  return { peers, records: { mx, a } };
}

interface Walk {
  readonly approach: Approach;
  /** Addresses at which no session opened. */
  readonly failedAt: string[];
}

async function walk(
  records: Records,
  settings: Partial<DeliverySettings>,
  route: Partial<MxRoute> = {},
): Promise<Walk> {
  const failedAt: string[] = [];
  const debug = (_: string, fields: Readonly<Record<string, unknown>> = {}) =>
    void failedAt.push(String(fields.ip));
  const delivery = deliveryOf(resolverOf(records), settings, { observer: { ...silent, debug } });
  return { approach: await approachTo(delivery, { ...mxRoute, ...route }, 'x.test'), failedAt };
}

/** The failure that ends the attempt, in short; or the host of the session. */
async function ending(approach: Approach): Promise<string> {
  const next = await approach.next(never);
  if ('failure' in next) return failureInShort(next.failure);
  await next.session.close();
  return next.session.target.host;
}

describe('the next host', () => {
  test('is tried when the best one refuses', async () => {
    const { peers, records } = await mxPeers(refusing, {});
    const { approach } = await walk(records, { port: peers[0]?.port ?? 0 });
    const session = sessionOf(await approach.next(never));
    expect(inShort(await session.send(mailOf(hello), never))).toEqual(['delivered']);
    await session.close();
    expect(session.target).toMatchObject({ host: 'mx2.test', address: '127.0.1.2' });
    expect(peers[1]?.messages).toHaveLength(1);
  });

  test('is tried after a host-scope failure in a transaction', async () => {
    const { peers, records } = await mxPeers({ script: { mail: '421 4.3.2 Later' } }, {});
    const { approach } = await walk(records, { port: peers[0]?.port ?? 0 });
    const first = sessionOf(await approach.next(never));
    const { hostFailure } = await first.send(mailOf(hello), never);
    if (hostFailure) approach.note(hostFailure);
    await first.close();
    expect(await ending(approach)).toBe('mx2.test');
  });

  test('comes after two sessions no more', async () => {
    const { peers, records } = await mxPeers({}, {}, {});
    const { approach } = await walk(records, { port: peers[0]?.port ?? 0 });
    expect(await ending(approach)).toBe('mx1.test');
    expect(await ending(approach)).toBe('mx2.test');
    expect(await ending(approach)).toBe('destination 4.4.4 unreachable');
    expect(peers[2]?.connectionsSeen).toBe(0);
  });

  test('comes after five addresses no more', async () => {
    const { peers, records } = await mxPeers(...Array.from({ length: 6 }, () => refusing), {});
    const { approach, failedAt } = await walk(records, { port: peers[0]?.port ?? 0 });
    expect(await ending(approach)).toBe('destination 4.3.2 unreachable');
    expect(failedAt).toEqual([1, 2, 3, 4, 5].map((n) => `127.0.1.${n}`));
  });

  test('is not one that a kept session failed with just before', async () => {
    const { peers, records } = await mxPeers({}, {});
    const { approach } = await walk(records, { port: peers[0]?.port ?? 0 });
    approach.note({
      scope: 'host',
      permanent: false,
      class: 'unreachable',
      status: '4.4.2',
      phase: 'rcpt',
      text: 'lost',
      ip: '127.0.1.1',
    });
    expect(await ending(approach)).toBe('mx2.test');
  });

  test('is not the same address by another name', async () => {
    const { peers, records } = await mxPeers(refusing);
    const mx = {
      'x.test': [
        [1, 'mx1.test'],
        [2, 'again.test'],
      ],
    } as const;
    const a = { ...records.a, 'again.test': ['127.0.1.1'] };
    const { approach } = await walk({ mx, a }, { port: peers[0]?.port ?? 0 });
    await ending(approach);
    expect(peers[0]?.connectionsSeen).toBe(1);
  });
});

describe('both families', () => {
  /** IPv6 in form, the loopback of IPv4 in fact: connections to them reach the peers. */
  const mapped = (count: number): string[] =>
    Array.from({ length: count }, (_, i) => `::ffff:127.0.2.${i + 1}`);

  test('an IPv4 address is among the five', async () => {
    const peer = await startPeer({ address: '127.0.1.1' });
    const mx = {
      'x.test': [
        [1, 'six.test'],
        [2, 'four.test'],
      ],
    } as const;
    const records: Records = { mx, aaaa: { 'six.test': mapped(9) }, a: { 'four.test': ['127.0.1.1'] } };
    const { approach, failedAt } = await walk(records, { port: peer.port, ip: 'both' });
    expect(await ending(approach)).toBe('four.test');
    expect(failedAt).toHaveLength(4);
  });

  test('without any IPv4 address the fifth is an IPv6 one all the same', async () => {
    const peer = await startPeer();
    const records: Records = { mx: { 'x.test': [[1, 'six.test']] }, aaaa: { 'six.test': mapped(9) } };
    const { approach, failedAt } = await walk(records, { port: peer.port, ip: 'both' });
    expect(await ending(approach)).toBe('destination 4.4.1 unreachable');
    expect(failedAt).toHaveLength(5);
  });

  test('a route whose sources are IPv4 tries no IPv6 address', async () => {
    const peer = await startPeer({ address: '127.0.1.1' });
    const records: Records = {
      mx: { 'x.test': [[1, 'both.test']] },
      aaaa: { 'both.test': mapped(2) },
      a: { 'both.test': ['127.0.1.1'] },
    };
    const sources = [{ address: '127.0.0.1', ehlo: 'one.test', weight: 1 }];
    const { approach, failedAt } = await walk(records, { port: peer.port, ip: 'both' }, { sources });
    expect(await ending(approach)).toBe('both.test');
    expect(failedAt).toEqual([]);
  });
});

describe('what ends the attempt', () => {
  const mx = {
    'x.test': [
      [1, 'a.test'],
      [2, 'b.test'],
    ],
  } as const;

  test.each<[string, Records, string]>([
    [
      'hosts without addresses: no fallback to A',
      { mx, a: { 'x.test': ['127.0.0.1'] } },
      'destination 5.4.4 dns permanent',
    ],
    [
      'only forbidden addresses',
      { mx, a: { 'a.test': ['10.0.0.1'], 'b.test': ['192.168.1.1'] } },
      'destination 5.4.4 dns permanent',
    ],
    [
      'forbidden ones and a failed lookup',
      { mx, a: { 'a.test': ['10.0.0.1'], 'b.test': 'SERVFAIL' } },
      'destination 4.4.3 dns',
    ],
    [
      'lookups that failed by our fault',
      { mx, a: { 'a.test': 'ours', 'b.test': 'ours' } },
      'destination 4.4.3 dns ours',
    ],
    [
      'forbidden ones and nobody at home',
      { mx, a: { 'a.test': ['10.0.0.1'], 'b.test': ['127.0.3.3'] } },
      'destination 4.4.1 unreachable',
    ],
  ])('%s', async (_, records, expected) => {
    const silentPort = await startPeer();
    const { approach } = await walk(records, { port: silentPort.port });
    expect(await ending(approach)).toBe(expected);
  });

  test('forbidden addresses are skipped beside others, and never connected to', async () => {
    const { peers, records } = await mxPeers({}, {});
    const allowNetworks = ['127.0.1.2/32'];
    const { approach } = await walk(records, { port: peers[0]?.port ?? 0, allowNetworks });
    expect(await ending(approach)).toBe('mx2.test');
    expect(peers[0]?.connectionsSeen).toBe(0);
  });

  test('521 of all hosts is final, of one it is not', async () => {
    const no: PeerOptions = { script: { greeting: '521 No mail here' } };
    const all = await mxPeers(no, no);
    const some = await mxPeers(no, { script: { greeting: '421 4.3.2 Later' } });
    for (const [{ peers, records }, expected] of [
      [all, 'destination 5.0.0 unreachable permanent'],
      [some, 'destination 4.3.2 unreachable'],
    ] as const) {
      const { approach } = await walk(records, { port: peers[0]?.port ?? 0 });
      expect(await ending(approach)).toBe(expected);
    }
  });

  test('a certificate that cannot be verified sends the mail to the next host', async () => {
    const { peers, records } = await mxPeers({ tls: { mode: 'starttls', certificate: 'self-signed' } }, {});
    const { approach } = await walk(records, { port: peers[0]?.port ?? 0 }, { tls: 'verified' });
    expect(await ending(approach)).toBe('destination 4.7.5 tls');
    expect(peers.map(({ connectionsSeen }) => connectionsSeen)).toEqual([1, 1]);
  });
});

test('smarthosts may be anywhere, are tried in their order, and share an address by port', async () => {
  const first = await startPeer(refusing);
  const second = await startPeer();
  const hosts = [first, second].map(({ port }) => ({
    host: 'localhost',
    port,
    implicitTls: false,
    weight: 1,
  }));
  const delivery = deliveryOf(resolverOf({}), { allowNetworks: [], ip: 'both' });
  const approach = await approachTo(delivery, smarthostRoute(0, { hosts }), null);
  const session = sessionOf(await approach.next(never));
  expect(session.target.port).toBe(second.port);
  await session.close();
});
