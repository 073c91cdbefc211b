// What the dispatcher asks BullMQ for, and what it does when an answer does not come.
import { expect, onTestFinished, test } from 'vitest';
import { closed, opened } from '../../../src/queue/backoff.ts';
import type { RunRequest } from '../../../src/queue/bull.ts';
import { Destinations } from '../../../src/queue/destinations.ts';
import { Dispatcher, type Room } from '../../../src/queue/dispatcher.ts';
import type { QueueEntry } from '../../../src/queue/entry.ts';
import { MovableClock } from '../../harness/clock.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { policyFrom } from '../../harness/policy.ts';
import { mail, openSpool } from '../../harness/spool.ts';
import { until } from '../../harness/until.ts';
import { failure, MINUTE, middle } from './setting.ts';

const KEY = 'direct a.example';
const OTHER = 'direct b.example';
const SWEEP = 1100;

/** Nine connections, three of them for destinations that have not answered. */
async function setting() {
  const { spool } = await openSpool(temporaryFolder());
  const clock = new MovableClock();
  const destinations = new Destinations();
  const asked: RunRequest[] = [];
  const redis = { answers: true };
  const room: Room = { places: 9, limit: 'site s' };
  const dispatcher = new Dispatcher({
    spool,
    destinations,
    clock,
    ask: async (request) => asked.push(request) > 0 && redis.answers,
    connections: 9,
    room: () => room,
    reached: () => undefined,
  });
  onTestFinished(() => dispatcher.stop());
  dispatcher.start();
  const put = async (count: number, key = KEY, entry: Partial<QueueEntry> = {}): Promise<void> => {
    const one = () => mail(spool, { destinations: { [key]: 1 }, entry });
    await Promise.all(Array.from({ length: count }, () => spool.commit(one())));
    dispatcher.arrived([key]);
  };
  /** Runs asked for, once no more are coming in this turn. */
  const seen = async (count: number): Promise<RunRequest[]> => {
    await until(`${count} runs`, () => asked.length >= count);
    await new Promise(setImmediate);
    return asked;
  };
  return {
    spool,
    clock,
    destinations,
    destination: destinations.of(KEY),
    dispatcher,
    redis,
    room,
    put,
    seen,
  };
}

test('a new destination gets one run, however much mail it has', async () => {
  const { put, seen, dispatcher, destination } = await setting();
  await put(50);
  await put(1);
  expect(await seen(1)).toEqual([{ destination: KEY, delay: 0, priority: 'slow' }]);
  expect(dispatcher.admit(destination, false)).not.toBeNull();
  expect(dispatcher.admit(destination, false), 'one run finds out for all').toBeNull();
});

test('one that answers gets a run for each four messages, as far as there is room', async () => {
  const { put, seen, clock, destination, room } = await setting();
  opened(destination, clock.now());
  await put(10);
  expect(await seen(3)).toEqual(Array(3).fill({ destination: KEY, delay: 0, priority: 'live' }));
  Object.assign(room, { places: 5 });
  await put(90);
  expect(await seen(5)).toHaveLength(5);
});

test('two of three runs for urgent mail queue before those of their standing, runs for low mail with them', async () => {
  const { put, seen, clock, destinations, destination } = await setting();
  opened(destination, clock.now());
  await put(24, KEY, { priority: 'high' });
  const queued = (await seen(6)).map(({ priority }) => priority).sort();
  expect(queued).toEqual(['live', 'live', ...Array(4).fill('live-urgent')]);
  opened(destinations.of(OTHER), clock.now());
  await put(1, OTHER, { priority: 'low' });
  expect((await seen(7)).at(-1)).toMatchObject({ destination: OTHER, priority: 'live' });
  await put(1, 'direct new.example', { priority: 'high' });
  expect((await seen(8)).at(-1)).toMatchObject({ priority: 'slow-urgent' });
});

test('what Redis did not take is asked for again', async () => {
  const { put, seen, clock, redis } = await setting();
  redis.answers = false;
  await put(1);
  await seen(1);
  clock.advance(SWEEP);
  await seen(2);
  redis.answers = true;
  clock.advance(SWEEP);
  await seen(3);
  clock.advance(SWEEP);
  expect(await seen(3)).toHaveLength(3);
});

test('a run that nobody begins is lost after some seconds, and asked for again', async () => {
  const { put, seen, clock } = await setting();
  await put(1);
  await seen(1);
  for (let second = 0; second < 4; second++) clock.advance(1000);
  expect(await seen(1)).toHaveLength(1);
  clock.advance(2 * SWEEP);
  expect(await seen(2)).toHaveLength(2);
});

test('a closed door gets a run with a delay and lets nobody in before', async () => {
  const { put, seen, clock, destination, dispatcher } = await setting();
  closed(
    destination,
    failure({ scope: 'destination' }),
    policyFrom('rules: []').defaultRetry,
    clock.now(),
    middle,
  );
  await put(3);
  const [later] = await seen(1);
  expect(later?.delay).toBeGreaterThan(MINUTE - 5000);
  expect(dispatcher.admit(destination, false)).toBeNull();
  clock.advance(MINUTE + SWEEP);
  expect(await seen(2)).toMatchObject([{ delay: expect.any(Number) }, { delay: 0, priority: 'slow' }]);
  expect(dispatcher.admit(destination, false)).not.toBeNull();
});

test('who waits for a place under a limit is called when one comes free', async () => {
  const { put, seen, destination, dispatcher } = await setting();
  await put(1);
  await seen(1);
  dispatcher.admit(destination, false)?.ended();
  dispatcher.park(destination, 'site s');
  expect(dispatcher.crowded(['site s'])).toBe(true);
  await put(1);
  await put(1, OTHER);
  expect((await seen(2)).map((run) => run.destination)).toEqual([KEY, OTHER]);
  dispatcher.freed('site s');
  expect((await seen(3)).map((run) => run.destination)).toEqual([KEY, OTHER, KEY]);
  expect(dispatcher.crowded(['site s'])).toBe(false);
});

test('a slow place that comes free goes to the next in line that still has mail', async () => {
  const { spool, put, seen, clock, dispatcher, destinations } = await setting();
  const keys = ['v', 'w', 'x', 'y', 'z'].map((name) => `direct ${name}.example`);
  for (const key of keys) await put(1, key);
  const begun = (await seen(3)).map((run) => run.destination);
  const [empty = '', full = ''] = keys.filter((key) => !begun.includes(key));
  for (const entry of spool.entriesOf(empty, null)) {
    await spool.change({ remove: [entry], ended: { removed: 1 } });
  }
  const ending = destinations.of(begun[0] ?? '');
  const admission = dispatcher.admit(ending, false);
  expect(spool.claim(ending.key, clock.now())).not.toBeNull();
  admission?.ended();
  await until('the one with mail', async () => {
    clock.advance(SWEEP);
    return (await seen(3)).some((run) => run.destination === full);
  });
});

test('after a stop nothing is asked for', async () => {
  const { put, seen, clock, dispatcher, destination } = await setting();
  dispatcher.stop();
  await put(1);
  clock.advance(10 * SWEEP);
  expect(await seen(0)).toEqual([]);
  expect(dispatcher.admit(destination, true)).toBeNull();
});
