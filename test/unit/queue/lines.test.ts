// Lines of destinations that wait for a place, and idle runs that wait for mail.
import { describe, expect, test } from 'vitest';
import { closed } from '../../../src/queue/backoff.ts';
import { type Destination, Destinations } from '../../../src/queue/destinations.ts';
import { Idlers } from '../../../src/queue/idlers.ts';
import { PlaceLines, SlowPlaces } from '../../../src/queue/lines.ts';
import { MovableClock } from '../../harness/clock.ts';
import { policyFrom } from '../../harness/policy.ts';
import { ARRIVED, failure, middle } from './setting.ts';

const table = new Destinations();
const fresh = (name: string): Destination => table.of(`direct ${name}.example`);

function failing(name: string): Destination {
  const destination = fresh(name);
  closed(
    destination,
    failure({ scope: 'destination' }),
    policyFrom('rules: []').defaultRetry,
    ARRIVED,
    middle,
  );
  return destination;
}

describe('slow places', () => {
  const never = (): void => {
    throw new Error('nobody waits');
  };

  test('are as many as there are, and one that was asked for counts', () => {
    const slow = new SlowPlaces(2);
    const destination = fresh('asked');
    slow.asked(destination);
    expect(slow.free).toBe(1);
    slow.begun(destination);
    const places = ['one', 'two', 'three'].map((name) => slow.take(fresh(name), ARRIVED, never));
    expect([places.map((place) => place !== null), slow.free]).toEqual([[true, true, false], 0]);
    places[0]?.giveBack();
    places[0]?.giveBack();
    expect(slow.free).toBe(1);
  });

  test('go to the latest and the oldest of the new ones, one time in four to one that failed', () => {
    const slow = new SlowPlaces(1);
    const all = [failing('f1'), failing('f2'), ...['n1', 'n2', 'n3', 'n4'].map(fresh)];
    for (const destination of all) slow.wait(destination);
    expect(all.every(({ parked }) => parked)).toBe(true);
    const called = all.map(() => slow.call()?.domain?.slice(0, 2));
    expect(called).toEqual(['n4', 'n1', 'n3', 'f1', 'n2', 'f2']);
    expect(all.some(({ parked }) => parked)).toBe(false);
    expect(slow.call()).toBeUndefined();
  });

  test('are called for only while one is free, and not for who left the line', () => {
    const slow = new SlowPlaces(1);
    const [first, second] = [fresh('left'), fresh('stays')];
    for (const destination of [first, second]) slow.wait(destination);
    slow.leave(first);
    expect(first.parked).toBe(false);
    const place = slow.take(fresh('other'), ARRIVED, never);
    expect(slow.call()).toBeUndefined();
    place?.giveBack();
    expect(slow.call()).toBe(second);
  });

  test('are not all for what failed before: a quarter is kept for first looks', () => {
    const slow = new SlowPlaces(4);
    const taken = ['g1', 'g2', 'g3', 'g4'].map((name) => slow.take(failing(name), ARRIVED, never));
    expect(taken.map((place) => place !== null)).toEqual([true, true, true, false]);
    expect([slow.isFreeFor(failing('g5')), slow.isFreeFor(fresh('new'))]).toEqual([false, true]);
    slow.wait(failing('g4'));
    expect(slow.call()).toBeUndefined();
    taken[0]?.giveBack();
    expect(slow.call()?.domain).toBe('g4.example');
  });

  test('are taken from first looks that had their time, oldest first, one by one while new ones wait', () => {
    const slow = new SlowPlaces(4);
    const hurried: string[] = [];
    slow.take(failing('patient'), ARRIVED, never);
    for (const [n, name] of ['a', 'b', 'c'].entries()) {
      slow.take(fresh(name), ARRIVED + n * 1000, () => hurried.push(name));
    }
    slow.hurry(ARRIVED + 60_000);
    expect(hurried).toEqual([]);
    for (const name of ['w1', 'w2']) slow.wait(fresh(name));
    slow.hurry(ARRIVED + 1999);
    expect(hurried).toEqual([]);
    slow.hurry(ARRIVED + 2000);
    slow.hurry(ARRIVED + 2000);
    expect(hurried).toEqual(['a']);
    slow.hurryOne(ARRIVED + 60_000);
    expect(hurried).toEqual(['a', 'b']);
  });
});

test('each full limit has a line of its own, first come, first served', () => {
  const lines = new PlaceLines();
  const [a, b, c] = [fresh('a'), fresh('b'), fresh('c')];
  lines.add('site s', a);
  lines.add('site s', b);
  lines.add('site s', a);
  lines.add('route r', c);
  expect([lines.keys(), lines.waiting('site s')]).toEqual([['site s', 'route r'], true]);
  expect([lines.next('site s'), lines.next('site s'), lines.next('site s')]).toEqual([a, b, undefined]);
  expect([a.parked, c.parked, lines.waiting('site s')]).toEqual([false, true, false]);
  expect(lines.empty()).toEqual([c]);
  expect([c.parked, lines.keys()]).toEqual([false, []]);
});

describe('idle runs', () => {
  const never = new AbortController().signal;

  test('end their wait for mail, by the time, and when they must go', async () => {
    const [idlers, clock, destination] = [new Idlers(), new MovableClock(), fresh('idle')];
    const wait = (limits: string[], signal = never) => idlers.wait(destination, limits, clock, 5000, signal);
    const stop = new AbortController();
    const waits = [wait(['site s']), wait(['site t']), wait([], stop.signal), wait([]), wait([])];
    idlers.wake(destination, 1);
    idlers.dismissOne('site t');
    stop.abort();
    idlers.dismissOne(null);
    clock.advance(5000);
    expect(await Promise.all(waits)).toEqual([true, false, false, false, false]);
    expect(destination.idle.size).toBe(0);
  });

  test('are woken no more than there is mail', async () => {
    const [idlers, clock, destination] = [new Idlers(), new MovableClock(), fresh('few')];
    const waits = [1, 2, 3].map(() => idlers.wait(destination, [], clock, 5000, never));
    idlers.wake(destination, 2);
    expect(destination.idle.size).toBe(1);
    idlers.dismissAll();
    expect(await Promise.all(waits)).toEqual([true, true, false]);
    expect(await idlers.wait(destination, [], clock, 5000, never)).toBe(false);
  });
});
