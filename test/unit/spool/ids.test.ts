// Queue ids: their form, their order, and that none comes twice, whatever the clock does.
// The clock is the test's own; nothing else is needed.
// Never depends on the hour at which it runs.
import { expect, test } from 'vitest';
import { QueueIds } from '../../../src/spool/ids.ts';
import { MovableClock } from '../../harness/clock.ts';

function idsAt(now: () => number, floor = 0, random = () => 0.5): QueueIds {
  const { after } = new MovableClock();
  return new QueueIds({ now, after }, random, floor);
}

test('are twelve characters of base32 that sort by time', () => {
  let now = 1_800_000_000_000;
  const ids = idsAt(() => now);
  const made: string[] = [];
  for (let i = 0; i < 50; i++) {
    made.push(ids.next(), ids.next());
    now += i % 3;
  }
  for (const id of made) expect(id).toMatch(/^[0-9a-hjkmnp-tv-z]{12}$/);
  expect([...made].sort()).toEqual(made);
  expect(new Set(made).size).toBe(made.length);
});

test('go on in order when the clock goes back', () => {
  let now = 1_800_000_000_000;
  const ids = idsAt(() => now);
  const before = ids.next();
  now -= 86_400_000;
  expect(ids.next() > before).toBe(true);
  expect(ids.latest).toBe(1_800_000_000_000);
});

test('borrow from the next millisecond when one is full', () => {
  const ids = idsAt(() => 1_800_000_000_000);
  let last = ids.next();
  for (let i = 0; i < 2 ** 18; i++) {
    const next = ids.next();
    if (next <= last) throw new Error(`${next} after ${last}`);
    last = next;
  }
  expect(ids.latest).toBe(1_800_000_000_001);
});

test('begin after those of the process before', () => {
  const first = idsAt(
    () => 1_800_000_000_000,
    0,
    () => 0.99,
  );
  const old = first.next();
  const second = idsAt(
    () => 1_799_000_000_000,
    first.latest,
    () => 0,
  );
  expect(second.next() > old).toBe(true);
});
