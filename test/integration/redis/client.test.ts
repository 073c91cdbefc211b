// Clients against real servers: what is asked does not wait, what works comes back, and the check sees the truth.
// Stands between the option sets of src/redis and the queue that uses them.
// Never asserts a time that a loaded machine could not keep.
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { checkRedis } from '../../../src/redis/check.ts';
import { parseRedisUrl, type RedisUse, redisOptions } from '../../../src/redis/connection.ts';
import { startRedis, type TestRedis } from '../../harness/redis.ts';
import { until } from '../../harness/until.ts';

async function connected(redis: TestRedis, use: RedisUse): Promise<Redis> {
  const client = new Redis(redisOptions(parseRedisUrl(redis.url), use));
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  await until('the client to be ready', () => client.status === 'ready');
  return client;
}

test('who asks is told at once that Redis is away, and is served again when it is back', async () => {
  const redis = await startRedis();
  const client = await connected(redis, 'asking');
  await redis.kill9();
  await until('the loss to be noticed', () => client.status !== 'ready');
  await expect(client.ping()).rejects.toThrow();
  await redis.restart();
  await until('the client to be back', () => client.status === 'ready');
  expect(await client.ping()).toBe('PONG');
});

test('who asks a silent Redis is told so after the deadline', async () => {
  const redis = await startRedis();
  const client = await connected(redis, 'asking');
  redis.freeze();
  await expect(client.ping()).rejects.toThrow('timed out');
  redis.thaw();
});

test('who works is answered when Redis is back', async () => {
  const redis = await startRedis();
  const client = await connected(redis, 'working');
  await redis.kill9();
  const answer = client.ping();
  await redis.restart();
  expect(await answer).toBe('PONG');
});

test('the check finds nothing to say about a Redis as it should be', async () => {
  const redis = await startRedis();
  const client = await connected(redis, 'asking');
  const { problems, facts } = await checkRedis(client);
  expect(problems).toEqual([]);
  expect(facts).toMatchObject({ aof: true, appendfsync: 'everysec', evictionPolicy: 'noeviction' });
});

test('the check refuses a Redis that evicts, and misses the AOF', async () => {
  const redis = await startRedis({ args: ['--appendonly', 'no', '--maxmemory-policy', 'allkeys-lru'] });
  const { problems } = await checkRedis(await connected(redis, 'asking'));
  expect(problems.map((problem) => problem.severity)).toEqual(['error', 'warning']);
});

test('the check does without CONFIG where a provider refuses it', async () => {
  const redis = await startRedis({ args: ['--rename-command', 'CONFIG', ''] });
  const { problems, facts } = await checkRedis(await connected(redis, 'asking'));
  expect(problems).toEqual([{ severity: 'warning', text: expect.stringContaining('CONFIG is refused') }]);
  expect(facts).toMatchObject({ aof: true, appendfsync: null, evictionPolicy: 'noeviction' });
});
