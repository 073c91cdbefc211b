// What happens to mail when Redis dies, forgets, goes away or comes back from the past: it takes longer.
// A real Redis, the daemon's own or one beside it, is killed, emptied and stopped while mail is under way.
// Never lost, never twice: Redis holds what is to be done next, and no mail.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../harness/folder.ts';
import { startRedis, type TestRedis } from '../harness/redis.ts';
import type { Sendoff } from '../harness/sendoff.ts';
import type { Script } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';
import { balanced, change, DOMAIN, delivered, makeWorld, onceEach, send, type World } from './world.ts';

const MINUTE = 60_000;

/** `later@` is deferred at the first attempts, until the script changes. */
const deferring: Script = { rcpt: ({ line }) => (line.includes('later@') ? '450 4.2.0 try again' : null) };

const using = (redis: TestRedis) => ({ settings: { redis: { url: redis.url } } });

async function deferred(sendoff: Sendoff, subject: string): Promise<void> {
  const id = await send(sendoff, subject, `later@${DOMAIN}`);
  await sendoff.event('deferred', (line) => line.id === id);
}

/** Mail in delivery: the peer has the whole message and does not answer until told to. */
async function inDelivery(world: World, sendoff: Sendoff, subject: string): Promise<() => void> {
  const answer = Promise.withResolvers<void>();
  const before = world.peer.commands.length;
  world.peer.setScript({ ...deferring, dot: [{ do: 'wait', for: answer.promise }] });
  await send(sendoff, subject);
  await until('the transaction', () =>
    world.peer.commands.slice(before).some((line) => line.endsWith('DATA')),
  );
  return answer.resolve;
}

test("the daemon's own Redis is killed with mail queued, deferred and in delivery", async () => {
  const world = await makeWorld({}, { script: deferring });
  const sendoff = await world.start();
  await deferred(sendoff, 'deferred');
  const answer = await inDelivery(world, sendoff, 'in delivery');
  process.kill(Number(readFileSync(join(world.folder, 'data/redis/redis.pid'), 'utf8')), 'SIGKILL');
  await send(sendoff, 'meanwhile');
  await sendoff.event('alarm', ({ alarm }) => alarm === 'redis-died');
  answer();
  await send(sendoff, 'afterwards');
  await world.peer.received(3);
  world.peer.setScript({});
  await sendoff.advance(2 * MINUTE);
  expect(balanced(await sendoff.settled())).toMatchObject({ accepted: 4, delivered: 4 });
  expect(onceEach(world.peer)).toEqual(['afterwards', 'deferred', 'in delivery', 'meanwhile']);
  expect(await sendoff.stop()).toBe(0);
});

test('FLUSHALL with mail queued, deferred, held and in delivery', async () => {
  const redis = await startRedis();
  const delivery = { port: 0, allowNetworks: ['127.0.0.0/8'], connections: 1 };
  const world = await makeWorld(using(redis), { script: deferring });
  const sendoff = await world.start({
    settings: { ...using(redis).settings, delivery: { ...delivery, port: world.peer.port } },
  });
  const other = await world.neighbour('127.0.0.2', ['other.example']);
  await deferred(sendoff, 'held');
  await change(sendoff, 'hold', { domain: DOMAIN });
  await deferred(sendoff, 'deferred');
  const answer = await inDelivery(world, sendoff, 'in delivery');
  await send(sendoff, 'queued', 'c@other.example');
  await until('its run', async () => Number(await redis.call('EVAL', COUNT_RUNS, '0')) >= 1);
  await redis.flush();
  answer();
  await other.received(1, 15_000);
  world.peer.setScript({});
  await sendoff.advance(2 * MINUTE);
  expect(await delivered(sendoff, 3)).toMatchObject({ accepted: 4, delivered: 3, queued: 1, held: 1 });
  expect(await change(sendoff, 'release', { domain: DOMAIN })).toEqual({ changed: 1, busy: 0 });
  expect(balanced(await sendoff.settled())).toMatchObject({ delivered: 4 });
  expect(onceEach(world.peer, other)).toEqual(['deferred', 'held', 'in delivery', 'queued']);
});

/** Runs that wait in BullMQ's lists and sets. */
const COUNT_RUNS = `
  local n = 0
  for _, key in ipairs(redis.call('KEYS', '*:prioritized')) do n = n + redis.call('ZCARD', key) end
  return n`;

test.each([
  { away: 'dead', go: (redis: TestRedis) => redis.kill9(), back: (redis: TestRedis) => redis.restart() },
  { away: 'silent', go: (redis: TestRedis) => redis.freeze(), back: (redis: TestRedis) => redis.thaw() },
])('Redis is $away while mail comes in, and mail flows when it is back', async ({ go, back }) => {
  const redis = await startRedis();
  const world = await makeWorld(using(redis), { script: deferring });
  const sendoff = await world.start();
  await deferred(sendoff, 'deferred');
  await go(redis);
  const subjects = Array.from({ length: 20 }, (_, n) => `away ${n}`);
  await Promise.all(subjects.map((subject) => send(sendoff, subject)));
  await until('a red /readyz', async () => (await readiness(sendoff)) === 503, 10_000);
  expect(balanced(await sendoff.books())).toMatchObject({ accepted: 21 });
  await back(redis);
  await world.peer.received(20, 10_000);
  await until('a green /readyz', async () => (await readiness(sendoff)) === 200, 10_000);
  world.peer.setScript({});
  await sendoff.advance(2 * MINUTE);
  expect(balanced(await sendoff.settled())).toMatchObject({ accepted: 21, delivered: 21 });
  expect(onceEach(world.peer)).toEqual(['deferred', ...subjects].sort());
});

test('a Redis without memory takes no runs; mail is taken, and flows when there is room', async () => {
  const redis = await startRedis();
  const world = await makeWorld(using(redis));
  const sendoff = await world.start();
  await redis.call('CONFIG', 'SET', 'maxmemory', '1');
  const subjects = Array.from({ length: 20 }, (_, n) => `full ${n}`);
  await Promise.all(subjects.map((subject) => send(sendoff, subject)));
  expect(balanced(await sendoff.books())).toMatchObject({ accepted: 20, queued: 20 });
  await redis.call('CONFIG', 'SET', 'maxmemory', '0');
  expect(balanced(await sendoff.settled(10_000))).toMatchObject({ accepted: 20, delivered: 20 });
  expect(onceEach(world.peer)).toEqual([...subjects].sort());
});

test.each([
  { away: 'dead', go: (redis: TestRedis) => redis.kill9() },
  { away: 'silent', go: (redis: TestRedis) => redis.freeze() },
])('a stop with mail in delivery while Redis is $away: the outcome is kept, exit 0', async ({ go }) => {
  const redis = await startRedis();
  const world = await makeWorld(using(redis));
  const first = await world.start();
  const answer = await inDelivery(world, first, 'in delivery');
  await go(redis);
  const began = performance.now();
  const stopped = first.stop();
  answer();
  expect(await stopped).toBe(0);
  expect(performance.now() - began).toBeLessThan(20_000);
  await redis.restart();
  const second = await world.start();
  expect(balanced(await second.books())).toMatchObject({ accepted: 1, delivered: 1, queued: 0 });
  expect(onceEach(world.peer)).toEqual(['in delivery']);
});

async function readiness(sendoff: Sendoff): Promise<number> {
  return (await fetch(`http://127.0.0.1:${sendoff.admin}/readyz`)).status;
}

test('a Redis that is not there at the start, and a stop without it', async () => {
  const redis = await startRedis();
  await redis.kill9();
  const world = await makeWorld(using(redis));
  const first = await world.start();
  await send(first, 'before a stop');
  await first.event('alarm', ({ alarm }) => alarm === 'redis-down');
  expect(await first.stop()).toBe(0);
  const second = await world.start();
  await send(second, 'before Redis');
  await redis.restart();
  expect(balanced(await second.settled())).toMatchObject({ accepted: 2, delivered: 2 });
  expect(onceEach(world.peer)).toEqual(['before Redis', 'before a stop']);
  expect(await second.stop()).toBe(0);
});

test('an AOF of yesterday is put back', async () => {
  const world = await makeWorld({}, { script: deferring });
  const redisFolder = join(world.folder, 'data/redis');
  const first = await world.start();
  await deferred(first, 'old and deferred');
  await send(first, 'old');
  await first.event('delivered');
  await first.stop();
  cpSync(redisFolder, `${redisFolder}.old`, { recursive: true });
  const second = await world.start();
  await deferred(second, 'new and deferred');
  await send(second, 'new');
  await second.event('delivered');
  world.peer.setScript({});
  await change(second, 'retry', { domain: DOMAIN });
  await second.settled();
  world.peer.setScript(deferring);
  await deferred(second, 'last');
  await second.stop();
  renameSync(redisFolder, `${redisFolder}.new`);
  renameSync(`${redisFolder}.old`, redisFolder);
  world.peer.setScript({});
  const third = await world.start({ offset: 2 * MINUTE });
  expect(balanced(await third.settled())).toMatchObject({ accepted: 5, delivered: 5 });
  expect(onceEach(world.peer)).toEqual(['last', 'new', 'new and deferred', 'old', 'old and deferred']);
});

test('a Redis that evicts is refused at the start, in words that tell what to do', async () => {
  const redis = await startRedis({ args: ['--maxmemory-policy', 'allkeys-lru'] });
  const folder = temporaryFolder();
  const file = join(folder, 'sendoff.yaml');
  const settings = {
    hostname: 'relay.example.net',
    listeners: [{ port: 0 }],
    admin: { port: 0 },
    redis: { url: redis.url },
  };
  writeFileSync(file, JSON.stringify(settings));
  const main = new URL('../../src/main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [main, 'serve', '--config', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words += chunk.toString();
  });
  const [code] = await once(child, 'close');
  expect(words).toMatch(/^sendoff: .*maxmemory-policy is allkeys-lru.*set noeviction\n$/);
  expect(code).toBe(78);
});
