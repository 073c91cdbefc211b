// Scripts on the Redis of a test, as the daemon has them.
// Used by tests of what daemons share, each `openScripts` being another daemon's.
// Never outlives the test.
import { onTestFinished } from 'vitest';
import { type OpenScripts, openScripts } from '../../src/redis/scripts.ts';
import type { TestRedis } from './redis.ts';
import { until } from './until.ts';

export async function scriptsOn(redis: TestRedis): Promise<OpenScripts> {
  const scripts = openScripts({ kind: 'socket', path: redis.socket }, () => undefined);
  onTestFinished(() => scripts.close());
  await until('a connection to Redis', () => scripts.run('return 1', [], []).catch(() => null));
  return scripts;
}
