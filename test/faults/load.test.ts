// The daemon with much to do: a stop in the middle of it, neighbours that hang, large mail, bad clients.
// Many clients send to good, slow and dead peers at once; what was answered 250 is counted at the end.
// Never does one destination's trouble become another one's, nor a stop a loss.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startRedis } from '../harness/redis.ts';
import { SmtpClient } from '../harness/smtp-client.ts';
import { hang, type Step } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';
import { Clients } from './clients.ts';
import { startSink } from './sink.ts';
import { balanced, copies, DOMAIN, delivered, makeWorld, onceEach, send, type World } from './world.ts';

const settings = (more: Readonly<Record<string, unknown>>) => ({ settings: more });
const loopback = ['127.0.0.0/8'];

/**
 * Milliseconds. What hangs here hangs for 20 s at the least (a shutdown timeout, a connection's or a
 * command's deadline); what is not held up by it takes a second or two, and more on a busy machine.
 */
const HARMLESS = 15_000;

/** The peer thinks about each message for so long. */
const slowly = (ms: number) => (): Step => ({
  do: 'wait',
  for: new Promise((resolve) => setTimeout(resolve, ms)),
});

/** Twenty clients that send until they are stopped, once `count` messages were answered. */
async function crowd(port: number, count: number, to: (n: number) => string) {
  const clients = new Clients('load');
  const sending = Promise.all(Array.from({ length: 20 }, () => clients.send(port, to)));
  await until(`${count} messages`, () => clients.answered.length >= count);
  return { clients, sending };
}

test('SIGTERM under load: in time, nothing lost, nothing twice', async () => {
  const world = await makeWorld({}, { script: { dot: slowly(200) } });
  const first = await world.start();
  const { clients, sending } = await crowd(first.port, 500, (n) => `b${n}@${DOMAIN}`);
  await world.peer.received(20);
  const began = performance.now();
  expect(await first.stop()).toBe(0);
  expect(performance.now() - began).toBeLessThan(HARMLESS);
  await sending;
  world.peer.setScript({});
  const second = await world.start();
  expect(balanced(await second.settled()).accepted).toBeGreaterThanOrEqual(clients.answered.length);
  const counted = copies(world.peer);
  expect(clients.answered.filter((subject) => !counted.has(subject))).toEqual([]);
  expect([...counted].filter(([, count]) => count > 1)).toEqual([]);
});

test('SIGTERM while a peer never answers the final dot: in doubt, and not tried again at once', async () => {
  const world = await makeWorld(settings({ shutdownTimeout: '1s' }), {
    script: { dot: { do: 'hang', record: true } },
  });
  const first = await world.start();
  await send(first, 'in doubt');
  await world.peer.received(1);
  expect(await first.stop()).toBe(0);
  expect(await first.event('attempt')).toMatchObject({ result: 'in-doubt' });
  world.peer.setScript({});
  const second = await world.start();
  const clear = await send(second, 'clear');
  await second.event('delivered', ({ id }) => id === clear);
  expect(onceEach(world.peer)).toEqual(['clear', 'in doubt']);
  await second.advance(11 * 60_000);
  expect(balanced(await second.settled())).toMatchObject({ accepted: 2, delivered: 2 });
  expect(copies(world.peer).get('in doubt')).toBe(2);
});

test('SIGTERM before the final dot: at once, no attempt charged, delivered after the next start', async () => {
  const world = await makeWorld(settings({ shutdownTimeout: '20s' }), { script: { rcpt: hang } });
  const first = await world.start();
  await send(first, 'before the dot');
  await until('its transaction', () => world.peer.commands.some((line) => line.includes('RCPT')));
  const began = performance.now();
  expect(await first.stop()).toBe(0);
  expect(performance.now() - began).toBeLessThan(HARMLESS);
  world.peer.setScript({});
  const second = await world.start();
  expect(balanced(await second.settled())).toMatchObject({ accepted: 1, delivered: 1 });
  expect(await second.event('attempt')).toMatchObject({ attempt: 1, result: 'delivered' });
  expect(onceEach(world.peer)).toEqual(['before the dot']);
});

/** Milliseconds from the first of these messages until the last one is with the peer. */
async function timeFor(world: World, port: number, count: number): Promise<number> {
  const began = performance.now();
  const before = world.peer.messages.length;
  await new Clients('live').send(port, () => `b@${DOMAIN}`, count);
  await world.peer.received(before + count);
  return performance.now() - began;
}

test('a dead destination with hundreds of messages does not slow a living one down', async () => {
  const world = await makeWorld();
  const dead = await world.neighbour('127.0.0.3', ['dead.example'], { script: { greeting: hang } });
  const sendoff = await world.start();
  const clients = new Clients('dead');
  await Promise.all(Array.from({ length: 5 }, () => clients.send(sendoff.port, () => 'x@dead.example', 80)));
  expect(await timeFor(world, sendoff.port, 20)).toBeLessThan(HARMLESS);
  expect(dead.maxConnectionsSeen).toBe(1);
  expect(await delivered(sendoff, 20)).toMatchObject({ accepted: 420, delivered: 20, queued: 400 });
});

test('a transaction that stands still holds up no other message of its destination', async () => {
  const world = await makeWorld(settings({ shutdownTimeout: '1s' }));
  const sendoff = await world.start();
  await timeFor(world, sendoff.port, 1);
  world.peer.setScript({ dot: [{ do: 'hang' }] });
  const stuck = await send(sendoff, 'stuck');
  await until(
    'its transaction',
    () => world.peer.commands.filter((line) => line.endsWith('DATA')).length === 2,
  );
  expect(await timeFor(world, sendoff.port, 3)).toBeLessThan(HARMLESS);
  expect(await delivered(sendoff, 4)).toMatchObject({ accepted: 5, delivered: 4, queued: 1 });
  expect(sendoff.events('delivered').map(({ id }) => id)).not.toContain(stuck);
});

test('300 domains that hang take a third of the connections, and no time from a living one', async () => {
  const world = await makeWorld();
  const dead = await world.neighbour('127.0.0.3', [], { script: { greeting: hang } });
  // Without MX records each domain is its own host, and so a site of its own.
  world.dns.set('*.dead.example', { a: [dead.address] });
  const delivery = { port: world.peer.port, allowNetworks: loopback, connections: 30 };
  const sendoff = await world.start(settings({ delivery }));
  await timeFor(world, sendoff.port, 1);
  const clients = new Clients('dead');
  let domain = 0;
  const next = (): string => `x@${++domain}.dead.example`;
  await Promise.all(Array.from({ length: 5 }, () => clients.send(sendoff.port, next, 60)));
  await until('a third of the connections', () => dead.connectionsOpen >= 10);
  expect(await timeFor(world, sendoff.port, 20)).toBeLessThan(HARMLESS);
  expect(dead.maxConnectionsSeen).toBe(10);
  expect(await delivered(sendoff, 21)).toMatchObject({ accepted: 321, delivered: 21, queued: 300 });
});

test('two daemons on one Redis deliver each its own mail', async () => {
  const redis = await startRedis();
  const world = await makeWorld(settings({ redis: { url: redis.url } }));
  const daemons = [
    await world.start({ folder: `${world.folder}/one` }),
    await world.start({ folder: `${world.folder}/two` }),
  ];
  const senders = daemons.map((_, n) => new Clients(`daemon ${n}`));
  await Promise.all(daemons.map(({ port }, n) => senders[n]?.send(port, () => `b@${DOMAIN}`, 100)));
  for (const daemon of daemons) {
    expect(balanced(await daemon.settled())).toMatchObject({ accepted: 100, delivered: 100 });
  }
  const answered = senders.flatMap((sender) => sender.answered);
  expect(answered).toHaveLength(200);
  expect(onceEach(world.peer)).toEqual(answered.sort());
  for (const daemon of daemons) expect(await daemon.stop()).toBe(0);
});

const MB = 2 ** 20;

/** Memory that the process has for itself, without files that it maps. */
function rssAnon(pid: number | undefined): number {
  const [, kB] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kB) * 1024;
}

test('25 MB on 20 connections at once arrive whole, and memory stays small', async () => {
  const sink = await startSink();
  const world = await makeWorld({
    ...settings({ limits: { messageSize: '30MB' }, spool: { minFree: '50MB' } }),
    mxPort: sink.port,
  });
  const sendoff = await world.start();
  await send(sendoff, 'warm');
  await sendoff.settled();
  const { pid } = sendoff.process;
  const idle = rssAnon(pid);
  let peak = idle;
  const watching = setInterval(() => {
    peak = Math.max(peak, rssAnon(pid));
  }, 25);
  const lines = Buffer.from(`${'large mail '.repeat(6)}\r\n`.repeat((25 * MB) / 68));
  const expected = new Map<string, string>();
  try {
    const sending = Array.from({ length: 20 }, async (_, n) => {
      const own = Buffer.from(`This is number ${n}\r\n`);
      expected.set(`large ${n}`, createHash('sha1').update(own).update(lines.subarray(0, -2)).digest('hex'));
      const header = Buffer.from(`Subject: large ${n}\r\n\r\n`);
      const client = await SmtpClient.ready({ port: sendoff.port, deadline: 60_000 });
      return client.message('a@example.net', [`b@${DOMAIN}`], Buffer.concat([header, own, lines]));
    });
    for (const { code } of await Promise.all(sending)) expect(code).toBe(250);
    expect(balanced(await sendoff.settled(60_000))).toMatchObject({ accepted: 21, delivered: 21 });
  } finally {
    clearInterval(watching);
  }
  expect(Object.fromEntries([...sink.bodies].filter(([subject]) => subject !== 'warm'))).toEqual(
    Object.fromEntries(expected),
  );
  expect((peak - idle) / MB).toBeLessThan(150);
}, 90_000);

test('silent, slow and deaf clients harm nobody', async () => {
  const world = await makeWorld();
  const sendoff = await world.start();
  const { port } = sendoff;
  const silent = await Promise.all(Array.from({ length: 50 }, () => SmtpClient.connect({ port })));
  const slow = await Promise.all(Array.from({ length: 20 }, () => SmtpClient.ready({ port })));
  for (const client of slow) {
    await client.command('MAIL FROM:<a@example.net>', 250);
    await client.command(`RCPT TO:<b@${DOMAIN}>`, 250);
    await client.command('DATA', 354);
    await client.send('Subject: never ends\r\n\r\nand so');
  }
  const deaf = await SmtpClient.ready({ port });
  deaf.stopReading();
  // Replies that nobody reads fill the buffers on the way; the daemon must stop reading commands then.
  void deaf.send('NOOP\r\n'.repeat(1_000_000));
  expect(await timeFor(world, port, 50)).toBeLessThan(HARMLESS);
  for (const client of slow) client.reset();
  expect(balanced(await sendoff.settled())).toMatchObject({ accepted: 50, delivered: 50 });
  for (const client of [...silent, deaf]) client.destroy();
  expect(await sendoff.stop()).toBe(0);
});
