// Quotas of routes and of senders: exact, past the loss of Redis, over the hour, and with two daemons.
import { expect, test } from 'vitest';
import { networkForFile } from '../harness/network.ts';
import { redisForFile } from '../harness/redis.ts';
import { type Sendoff, sendoffForFile } from '../harness/sendoff.ts';
import type { Peer } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const SECOND = 1_000;
const HOUR = 3_600_000;

const network = networkForFile();
const redis = redisForFile();

const options = () => ({
  dns: network().dns,
  mxPort: network().mxPort,
  settings: { redis: { url: redis().url } },
  policy: {},
});
const one = sendoffForFile(options);
const two = sendoffForFile(options);

function smarthost(
  peer: Peer,
  rest: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return { via: 'smarthost', hosts: [`${peer.address}:${peer.port}`], tls: 'none', ...rest };
}

/** Moves the daemons' clocks to the same second of the next hour: no window ends by itself. */
async function freshHour(...daemons: readonly Sendoff[]): Promise<void> {
  for (const daemon of daemons) await daemon.advance(HOUR - (daemon.now % HOUR) + 5 * SECOND);
}

async function sendMany(daemon: Sendoff, count: number, from = '', to = 'test'): Promise<void> {
  const domain = network().name(to);
  await Promise.all(Array.from({ length: count }, (_, n) => daemon.send({ from, to: `r${n}@${domain}` })));
}

test('a quota of 20 an hour sends exactly 20 by that route and the rest by the next, by two daemons on one Redis', async () => {
  const daemons = [one(), two()];
  const [first, second] = [await network().peer({ port: 0 }), await network().peer({ port: 0 })];
  const routes = { shared: smarthost(first, { quota: '20/hour' }), next: smarthost(second) };
  for (const daemon of daemons)
    expect(await daemon.setPolicy({ routes, rules: [{ route: ['shared', 'next'] }] })).toEqual([]);
  await freshHour(...daemons);
  await Promise.all(daemons.map((daemon) => sendMany(daemon, 20)));
  await Promise.all(daemons.map((daemon) => daemon.settled()));
  expect([first.messages.length, second.messages.length]).toEqual([20, 20]);
  await freshHour(...daemons);
  await Promise.all(daemons.map((daemon) => sendMany(daemon, 15)));
  await Promise.all(daemons.map((daemon) => daemon.settled()));
  expect([first.messages.length, second.messages.length]).toEqual([40, 30]);
});

test('mail without another route waits for the next hour, and FLUSHALL does not refill the one that is', async () => {
  const daemon = one();
  const peer = await network().peer({ port: 0 });
  expect(
    await daemon.setPolicy({
      routes: { only: smarthost(peer, { quota: '10/hour' }) },
      rules: [{ route: 'only' }],
    }),
  ).toEqual([]);
  await freshHour(daemon);
  await sendMany(daemon, 4);
  await daemon.settled();
  await redis().flush();
  await sendMany(daemon, 11);
  await until('the quota to be used up', () => peer.messages.length === 10);
  await daemon.event('quota-full', ({ name }) => name === 'only');
  expect(await daemon.books()).toMatchObject({ queued: 5 });
  await freshHour(daemon);
  await daemon.settled();
  expect(peer.messages).toHaveLength(15);
});
