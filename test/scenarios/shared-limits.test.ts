// What a receiver sees of sites and their limits: rates, connections, and two daemons that share both.
import { beforeAll, expect, test } from 'vitest';
import { networkForFile, type Receiver } from '../harness/network.ts';
import { redisForFile } from '../harness/redis.ts';
import { type Sendoff, sendoffForFile } from '../harness/sendoff.ts';
import type { Script } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const MINUTE = 60_000;

const network = networkForFile();
const redis = redisForFile();

const sites = {
  paced: { domains: ['*.paced.test'], rate: '40/second' },
  narrow: { domains: ['*.narrow.test'], connections: 2, messagesPerConnection: 10 },
  welcoming: { domains: ['*.welcoming.test'], connectionRate: '5/second', messagesPerConnection: 1 },
  moody: {
    domains: ['*.moody.test'],
    connections: 8,
    backoff: [
      { reply: '*4.7.28*', suspend: '1h' },
      { reply: '*easy now*', slow: 'half', for: '30m' },
    ],
  },
  default: { connections: 15 },
};

/** Where the smarthost of both daemons will be. */
let provider = '';

const options = (name: string) => () => {
  provider ||= network().address();
  const hosts = [`${provider}:${network().mxPort}`];
  return {
    dns: network().dns,
    mxPort: network().mxPort,
    settings: { hostname: `${name}.example.net`, redis: { url: redis().url } },
    policy: {
      sites,
      routes: {
        provider: { via: 'smarthost', hosts, connections: 12, rate: '40/second' },
        single: { via: 'smarthost', hosts, recipients: 1, rate: '20/second' },
      },
      rules: [
        { when: { to: 'single.test' }, route: 'single' },
        { when: { to: 'provided.test' }, route: 'provider' },
        { when: 'any', route: 'direct' },
      ],
    },
  };
};
const one = sendoffForFile(options('one'));
const two = sendoffForFile(options('two'));

let both: readonly Sendoff[];
beforeAll(() => {
  both = [one(), two()];
});

async function sendMany(sendoff: Sendoff, { domain }: Receiver, count: number): Promise<void> {
  const sender = network().sender();
  const mails = Array.from({ length: count }, (_, n) => ({ from: sender, to: `r${n}@${domain}` }));
  await Promise.all(mails.map((mail) => sendoff.send(mail)));
}

/** Each message takes some hundredths of a second. */
const slowly: Script = { dot: () => ({ do: 'slow', reply: '250 2.0.0 ok', octets: 6, every: 20 }) };

/** When each message began, as the receiver saw it. */
function noting(times: number[]): Script {
  return {
    mail: () => {
      times.push(performance.now());
      return null;
    },
  };
}

/** Messages a second, from one to another. */
function pace(times: readonly number[], from: number, to: number): number {
  return ((to - from) * 1000) / ((times[to] ?? 0) - (times[from] ?? 0));
}

/** The most within half a second. */
function burst(times: readonly number[]): number {
  return Math.max(...times.map((from, i) => times.slice(i).filter((at) => at < from + 500).length));
}

test('two daemons hold a rate together within 5 %, and no half second has more than twice its share', async () => {
  const times: number[] = [];
  const peer = await network().peer({ address: provider, script: noting(times) });
  await Promise.all(both.map((sendoff) => sendMany(sendoff, { domain: 'provided.test', peer }, 50)));
  await peer.received(100);
  // The first ones find out that the host answers, the last ones leave connections without work.
  expect(pace(times, 29, 89)).toBeGreaterThan(38);
  expect(pace(times, 29, 89)).toBeLessThan(42);
  expect(burst(times)).toBeLessThan(40);
});

test('a site has its own rate, and new connections to it theirs', async () => {
  const times: number[] = [];
  const paced = await network().receiver({ script: noting(times) }, 'paced.test');
  const welcoming = await network().receiver({}, 'welcoming.test');
  const before = performance.now();
  await Promise.all([sendMany(one(), paced, 60), sendMany(two(), welcoming, 8)]);
  await Promise.all([paced.peer.received(60), welcoming.peer.received(8)]);
  expect(performance.now() - before).toBeGreaterThan(1300);
  expect(pace(times, 9, 59)).toBeGreaterThan(38);
  expect(pace(times, 9, 59)).toBeLessThan(42);
  expect(welcoming.peer.connectionsSeen).toBe(8);
});

test('each transaction of a message with many recipients has its turn', async () => {
  const times: number[] = [];
  const peer = await network().peer({ address: provider, script: noting(times) });
  const to = Array.from({ length: 20 }, (_, n) => `r${n}@single.test`);
  await one().send({ from: network().sender(), to });
  await peer.received(20);
  await one().settled();
  expect(pace(times, 0, 19)).toBeGreaterThan(17);
  expect(pace(times, 0, 19)).toBeLessThan(21);
});

test('two daemons never have more connections than their site may, and both get on', async () => {
  const receiver = await network().receiver({ script: slowly }, 'narrow.test');
  await Promise.all(both.map((sendoff) => sendMany(sendoff, receiver, 40)));
  const messages = await receiver.peer.received(80, 20_000);
  await Promise.all(both.map((sendoff) => sendoff.settled()));
  expect(receiver.peer.maxConnectionsSeen).toBe(2);
  const firstHalf = messages.slice(0, 40).filter(({ helo }) => helo === 'two.example.net').length;
  expect(firstHalf).toBeGreaterThan(5);
  expect(firstHalf).toBeLessThan(35);
});

test('a receiver that takes seven connections gets seven, and nobody is charged for finding out', async () => {
  const receiver = await network().receiver({ script: slowly, maxConnections: 7 });
  await sendMany(one(), receiver, 110);
  await one().settled();
  const { present } = await explained(receiver);
  expect(present.limits).toMatchObject([{ connections: 15, allowed: expect.toSatisfy(isSixOrSeven) }]);
  expect(refusedBy(receiver)).toBeGreaterThan(0);
  expect(refusedBy(receiver)).toBeLessThan(4);
  // It is time to ask for more; the other daemon finds out for itself, and counts the connections of this one.
  await one().advance(6 * MINUTE);
  await Promise.all(both.map((sendoff) => sendMany(sendoff, receiver, 40)));
  await Promise.all(both.map((sendoff) => sendoff.settled()));
  for (const sendoff of both) expect(sendoff.events('deferred')).toEqual([]);
  expect(refusedBy(receiver)).toBeLessThan(8);
});

test('a reply that fits a back-off rule slows the site down, another one lets all its mail wait', async () => {
  const sendoff = one();
  const rcpt = ['450 4.2.1 Easy now, please', '450-4.7.28 Too much\n450 4.7.28 unusual mail'];
  const first = await network().receiver({ script: { rcpt } }, 'moody.test');
  const other = await network().receiver({}, 'moody.test');
  const moody = { site: 'moody' };
  await sendMany(sendoff, first, 1);
  await sendoff.event('backoff', ({ action }) => action === 'slow');
  const { present } = await explained(other);
  expect(present).toMatchObject({
    limits: [{ of: 'site moody', allowed: 2, connections: 8 }],
    slowed: { reason: 'to 50%, its reply fits the back-off rule "*easy now*": 450 4.2.1 Easy now, please' },
  });
  await sendMany(sendoff, first, 1);
  expect(await sendoff.event('backoff', ({ action }) => action === 'suspend')).toMatchObject({
    ...moody,
    rule: '*4.7.28*',
    reply: '450-4.7.28 Too much\n450 4.7.28 unusual mail',
    to: null,
  });
  await sendMany(sendoff, other, 1);
  await until('the run to find the site suspended', async () => {
    const { destinations } = (await sendoff.api('/api/destinations')) as { destinations: Destination[] };
    return destinations.some(({ domain, site, state, connections }) => {
      return domain === other.domain && site === 'moody' && state === 'suspended' && connections === 0;
    });
  });
  await sendoff.advance(61 * MINUTE);
  await other.peer.received(1);
  await first.peer.received(2);
  expect((await explained(other)).present.slowed).toBeNull();
});

interface Destination {
  readonly domain: string;
  readonly site: string | null;
  readonly state: string;
  readonly connections: number;
}

interface Explained {
  readonly present: {
    readonly limits: readonly object[];
    readonly slowed: object | null;
  };
}

/** Of mail that would come now. */
async function explained({ domain }: Receiver): Promise<Explained> {
  return (await one().api(`/api/explain?from=a@b.test&to=x@${domain}`)) as Explained;
}

const isSixOrSeven = (count: unknown): boolean => count === 6 || count === 7;

/** Connections that came no further than the greeting. */
function refusedBy({ peer }: Receiver): number {
  return peer.connectionsSeen - peer.commands.filter((line) => line.includes(' EHLO ')).length;
}
