// The Redis of the tests: it comes up, loses nothing over a restart, dies when told, and leaves nothing.
// Stands before every integration test that needs Redis.
// Never assumes that another Redis runs here.
import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { redisForFile, startRedis } from '../../harness/redis.ts';

const shared = redisForFile();

test('keeps what it has over a restart, and loses it with flush', async () => {
  const redis = await startRedis();
  await redis.call('SET', 'key', 'value');
  const before = redis.pid;
  await redis.restart();
  expect(redis.pid).not.toBe(before);
  expect(await redis.call('GET', 'key')).toBe('value');
  await redis.flush();
  expect(await redis.call('GET', 'key')).toBeNull();
});

test('kill9 takes it away, stop removes its folder', async () => {
  const redis = await startRedis({ args: ['--appendonly', 'no'] });
  await redis.kill9();
  await expect(redis.call('PING')).rejects.toThrow();
  await redis.stop();
  expect(existsSync(redis.folder)).toBe(false);
});

test('two at a time, each its own, by url and by socket', async () => {
  const own = await startRedis();
  expect(own.port).not.toBe(shared().port);
  await own.call('SET', 'key', 'own');
  const client = new Redis(shared().url);
  expect(await client.get('key')).toBeNull();
  client.disconnect();
});
