// Scripts on a real Redis: keys, answers, and what happens while Redis is away or has forgotten them.
import { expect, onTestFinished, test } from 'vitest';
import { type OpenScripts, openScripts } from '../../../src/redis/scripts.ts';
import { startRedis } from '../../harness/redis.ts';
import { until } from '../../harness/until.ts';

const COUNT = "return { redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2] }";

function open(socket: string): OpenScripts {
  const scripts = openScripts({ kind: 'socket', path: socket }, () => undefined);
  onTestFinished(() => scripts.close());
  return scripts;
}

/** Its first answer, as soon as there is one. */
function answer(scripts: OpenScripts): Promise<unknown> {
  return until('an answer', () => scripts.run(COUNT, ['count'], [2, 'x']).catch(() => null));
}

test('all keys stand under one hash tag, and a script that Redis forgot is told again', async () => {
  const redis = await startRedis();
  const scripts = open(redis.socket);
  expect(await answer(scripts)).toEqual([2, 'x']);
  await redis.call('SCRIPT', 'FLUSH');
  expect(await scripts.run(COUNT, ['count'], [3, 'y'])).toEqual([5, 'y']);
  expect(await redis.call('KEYS', '*')).toEqual(['{sendoff}:count']);
});

test('while Redis is away a script fails at once, and runs again when it is back', async () => {
  const redis = await startRedis();
  const scripts = open(redis.socket);
  await answer(scripts);
  await redis.kill9();
  const before = performance.now();
  await until('a failure', () => scripts.run(COUNT, ['count'], [2, 'x']).catch(() => 'failed'));
  expect(performance.now() - before).toBeLessThan(1000);
  await redis.restart();
  expect(await answer(scripts)).toEqual([expect.any(Number), 'x']);
});
