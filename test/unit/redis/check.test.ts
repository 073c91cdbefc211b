// What is said about a Redis, from its answers.
// The answers are those of real servers, cut to the lines that matter.
// Never talks to a server: test/integration/redis does.
import { expect, test } from 'vitest';
import { judge, parseInfo } from '../../../src/redis/check.ts';

const good = {
  redis_version: '7.0.15',
  redis_mode: 'standalone',
  role: 'master',
  aof_enabled: '1',
  maxmemory_policy: 'noeviction',
};

function check(changes: Readonly<Record<string, string>>, appendfsync: string | null = 'everysec') {
  return judge(new Map(Object.entries({ ...good, ...changes })), appendfsync);
}

test('a Redis as it should be has no problem, and losing it costs a second of runs', () => {
  const { problems, facts } = check({});
  expect(problems).toEqual([]);
  expect(facts).toMatchObject({ server: 'redis 7.0.15', aof: true, evictionPolicy: 'noeviction' });
  expect(facts.lossAtDeath).toMatch(/^the last second of runs, but no mail/);
});

test.each([
  [{ redis_version: '6.0.16' }, 'error', '6.2'],
  [{ redis_version: '5.0.3' }, 'error', '6.2'],
  [{ redis_version: '6.2.14' }, 'warning', '7'],
  [{ role: 'slave' }, 'error', 'replica'],
  [{ redis_mode: 'cluster' }, 'error', 'Cluster'],
  [{ maxmemory_policy: 'allkeys-lru' }, 'error', 'noeviction'],
  [{ maxmemory_policy: 'volatile-ttl' }, 'error', 'noeviction'],
  [{ aof_enabled: '0' }, 'warning', 'appendonly yes'],
])('%j is a problem: %s', (changes, severity, words) => {
  const { problems } = check(changes);
  expect(problems).toEqual([{ severity, text: expect.stringContaining(words) }]);
});

test('appendfsync: always and everysec are fine, no is not, and unknown is said', () => {
  expect(check({}, 'always').facts.lossAtDeath).toBe('nothing');
  expect(check({}, 'always').problems).toEqual([]);
  expect(check({}, 'no').problems).toMatchObject([{ severity: 'warning' }]);
  expect(check({}, null).problems).toEqual([
    { severity: 'warning', text: expect.stringContaining('CONFIG is refused') },
  ]);
});

test('Valkey is named as itself and judged by the Redis that it is compatible with', () => {
  const { problems, facts } = check({ redis_version: '7.2.4', valkey_version: '8.1.1' });
  expect(facts.server).toBe('valkey 8.1.1');
  expect(problems).toEqual([]);
});

test('INFO is read line by line; values may hold colons', () => {
  const info = parseInfo('# Server\r\nredis_version:7.0.15\r\n\r\n# X\r\nexecutable:/a:b\r\n');
  expect([...info]).toEqual([
    ['redis_version', '7.0.15'],
    ['executable', '/a:b'],
  ]);
});
