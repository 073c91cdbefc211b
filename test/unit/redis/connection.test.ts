// Redis URLs and the two manners of a client.
// What ioredis makes of the options is tested in test/integration/redis.
// Never connects.
import { expect, test } from 'vitest';
import { describeRedis, parseRedisUrl, redisOptions } from '../../../src/redis/connection.ts';

test.each([
  ['redis://127.0.0.1:6379', { host: '127.0.0.1', port: 6379, db: 0, tls: false }],
  ['redis://cache.example', { host: 'cache.example', port: 6379, db: 0, tls: false }],
  ['rediss://cache.example:6380/2', { host: 'cache.example', port: 6380, db: 2, tls: true }],
  ['redis://[::1]:6379/', { host: '::1', port: 6379, db: 0, tls: false }],
  ['redis://:p%40ss@h', { host: 'h', port: 6379, password: 'p@ss', db: 0, tls: false }],
  ['redis://u:p@h/1', { host: 'h', port: 6379, username: 'u', password: 'p', db: 1, tls: false }],
])('%s is TCP', (url, expected) => {
  expect(parseRedisUrl(url)).toEqual({ kind: 'tcp', ...expected });
});

test.each(['/run/redis/redis.sock', 'unix:///run/redis/redis.sock'])('%s is a socket', (url) => {
  expect(parseRedisUrl(url)).toEqual({ kind: 'socket', path: '/run/redis/redis.sock' });
});

test.each(['', 'localhost:6379', 'http://u:secret@h', 'redis://', 'redis://u:secret@h/name', 'unix://'])(
  '%j is refused without its password',
  (url) => {
    expect(() => parseRedisUrl(url)).toThrow(/^a Redis URL (?!.*secret)/);
  },
);

test('is described without a password', () => {
  expect(describeRedis(parseRedisUrl('rediss://u:secret@[::1]:6380/2'))).toBe('rediss://[::1]:6380/2');
  expect(describeRedis(parseRedisUrl('/run/redis.sock'))).toBe('/run/redis.sock');
});

test('who asks does not wait, who works waits as long as it takes', () => {
  const address = parseRedisUrl('rediss://h');
  expect(redisOptions(address, 'asking')).toMatchObject({
    host: 'h',
    tls: {},
    enableOfflineQueue: false,
    commandTimeout: expect.any(Number),
  });
  expect(redisOptions(address, 'working')).toMatchObject({ maxRetriesPerRequest: null });
  expect(redisOptions(address, 'working')).not.toHaveProperty('commandTimeout');
  expect(redisOptions(parseRedisUrl('/s'), 'working')).toMatchObject({ path: '/s' });
});
