import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/clock/clock.ts';
import type { Delivery } from '../../../src/delivery/session.ts';
import { createResolver } from '../../../src/dns/stub.ts';
import { type DnsServer, startDnsServer } from '../../harness/dns-server.ts';
import { startPeer } from '../../harness/smtp-peer.ts';
import {
  approachTo,
  deliveryOf,
  failureInShort,
  hello,
  inShort,
  mailOf,
  mxRoute,
  never,
  sessionOf,
} from './setting.ts';

/** Delivery to MX hosts at `port`, over the real resolver and a DNS server of the test's own. */
async function resolving(port: number): Promise<{ delivery: Delivery; dns: DnsServer }> {
  const dns = await startDnsServer();
  const resolver = createResolver({ servers: [dns.address], clock: systemClock, random: Math.random });
  onTestFinished(async () => {
    resolver.close();
    await dns.close();
  });
  return { delivery: deliveryOf(resolver, { port }), dns };
}

test('mail finds its way by MX, an alias and an address', async () => {
  const peer = await startPeer({ address: '127.0.0.4' });
  const { delivery, dns } = await resolving(peer.port);
  dns.set('alias.test', { cname: 'real.test' });
  dns.set('real.test', { mx: [[10, 'mx.real.test']] });
  dns.set('mx.real.test', { a: ['127.0.0.4'] });
  const session = sessionOf(await (await approachTo(delivery, mxRoute, 'alias.test')).next(never));
  expect(inShort(await session.send(mailOf(hello), never))).toEqual(['delivered']);
  await session.close();
  expect(session.target.host).toBe('mx.real.test');
});

test.each([
  ['missing.test', 'destination 5.1.2 dns permanent'],
  ['null.test', 'destination 5.1.10 dns permanent'],
  ['broken.test', 'destination 4.4.3 dns'],
])('%s: %s', async (domain, expected) => {
  const { delivery, dns } = await resolving(25);
  dns.set('null.test', { mx: [[0, '.']] });
  dns.set('broken.test', { rcode: 'SERVFAIL' });
  const plan = await delivery.plan(mxRoute, domain, never);
  expect(plan.kind === 'failed' && failureInShort(plan.failure)).toBe(expected);
});
