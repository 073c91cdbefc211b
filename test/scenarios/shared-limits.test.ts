// What a receiver sees of sites and their limits: rates, connections, and two daemons that share both.
import { expect, test } from 'vitest';
import { networkForFile, type Receiver } from '../harness/network.ts';
import { redisForFile } from '../harness/redis.ts';
import { type Sendoff, startSendoff } from '../harness/sendoff.ts';
import type { Script } from '../harness/smtp-peer.ts';

const network = networkForFile();
const redis = redisForFile();

/** A daemon on the Redis of this file. */
function daemon(site: object, domain: string, name = 'one'): Promise<Sendoff> {
  return startSendoff({
    dns: network().dns,
    mxPort: network().mxPort,
    settings: { hostname: `${name}.example.net`, redis: { url: redis().url } },
    policy: { sites: { [`site-${domain.replace('.', '-')}`]: { domains: [domain], ...site } } },
  });
}

async function sendMany(sendoff: Sendoff, { domain }: Receiver, count: number): Promise<void> {
  const sender = network().sender();
  const mails = Array.from({ length: count }, (_, n) => ({ from: sender, to: `r${n}@${domain}` }));
  await Promise.all(mails.map((mail) => sendoff.send(mail)));
}

/** Notes when each message begins. */
function noting(times: number[]): Script {
  return {
    mail: () => {
      times.push(performance.now());
      return null;
    },
  };
}

/** Messages a second from the first to the last. */
function pace(times: readonly number[]): number {
  return ((times.length - 1) * 1000) / ((times.at(-1) ?? 0) - (times[0] ?? 0));
}

test('two daemons hold a rate together within 5 %, and no half second has more than twice its share', async () => {
  const times: number[] = [];
  const receiver = await network().receiver({ script: noting(times) });
  const daemons = await Promise.all(
    ['one', 'two'].map((name) => daemon({ rate: '40/second' }, receiver.domain, name)),
  );
  await Promise.all(daemons.map((one) => sendMany(one, receiver, 50)));
  await receiver.peer.received(100);
  expect(pace(times)).toBeGreaterThan(38);
  expect(pace(times)).toBeLessThan(42);
  const most = times.map((from, i) => times.slice(i).filter((at) => at < from + 500).length);
  expect(Math.max(...most)).toBeLessThan(40);
});

test('two daemons never have more connections than their site may, and both get on', async () => {
  const script: Script = { dot: () => ({ do: 'slow', reply: '250 2.0.0 ok', octets: 6, every: 20 }) };
  const receiver = await network().receiver({ script });
  const site = { connections: 2, messagesPerConnection: 20 };
  const daemons = await Promise.all(['one', 'two'].map((name) => daemon(site, receiver.domain, name)));
  await Promise.all(daemons.map((one) => sendMany(one, receiver, 60)));
  const messages = await receiver.peer.received(120, 20_000);
  expect(receiver.peer.maxConnectionsSeen).toBe(2);
  const firstHalf = messages.slice(0, 60).filter(({ helo }) => helo === 'two.example.net').length;
  expect(firstHalf).toBeGreaterThan(10);
  expect(firstHalf).toBeLessThan(50);
});

test('new connections are paced', async () => {
  const receiver = await network().receiver();
  const site = { connectionRate: '5/second', messagesPerConnection: 1 };
  const sendoff = await daemon(site, receiver.domain);
  const before = performance.now();
  await sendMany(sendoff, receiver, 8);
  await receiver.peer.received(8);
  expect(performance.now() - before).toBeGreaterThan(1300);
  expect(receiver.peer.connectionsSeen).toBe(8);
});
