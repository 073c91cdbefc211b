// Queue ids: their form, their order, and that none comes twice.
// Runs createIdSource on clocks that stand, go back and jump.
// Never waits.
import { expect, test } from 'vitest';
import type { Clock } from '../../../src/clock/clock.ts';
import { createIdSource, isQueueId } from '../../../src/mail/id.ts';

/** A clock that shows what it is set to. */
class StoppedClock implements Clock {
  time: number;
  constructor(time: number) {
    this.time = time;
  }
  now(): number {
    return this.time;
  }
  after(): { cancel(): void } {
    return { cancel: () => {} };
  }
}

const START = Date.UTC(2026, 10, 24, 10);

function take(source: () => string, count: number): string[] {
  return Array.from({ length: count }, source);
}

function expectStrictlyIncreasing(ids: readonly string[]): void {
  for (let i = 1; i < ids.length; i++)
    if (!((ids[i - 1] as string) < (ids[i] as string))) throw new Error(`${ids[i - 1]} before ${ids[i]}`);
}

test('is 12 characters of lower-case Crockford base32, time first', () => {
  const id = createIdSource(new StoppedClock(START), () => 0)();
  const time = [...id.slice(0, 9)].reduce(
    (sum, digit) => sum * 32 + '0123456789abcdefghjkmnpqrstvwxyz'.indexOf(digit),
    0,
  );
  expect(time).toBe(START);
  expect(id.slice(9)).toBe('000');
  expect(isQueueId(id)).toBe(true);
  expect(isQueueId(id.toUpperCase())).toBe(false);
  expect(isQueueId(`${id}0`)).toBe(false);
  expect(isQueueId(`${id.slice(0, 11)}l`)).toBe(false);
});

test('sorts by time, and goes on within a millisecond', () => {
  const clock = new StoppedClock(START);
  const source = createIdSource(clock, Math.random);
  const ids: string[] = [];
  for (let ms = 0; ms < 100; ms++) {
    ids.push(...take(source, 20));
    clock.time++;
  }
  expectStrictlyIncreasing(ids);
});

test('a clock that stands still for more ids than a millisecond has borrows the next', () => {
  const ids = take(createIdSource(new StoppedClock(START), Math.random), 100_000);
  expectStrictlyIncreasing(ids);
});

test('a clock that goes back does not make a smaller id, nor one twice', () => {
  const clock = new StoppedClock(START);
  const source = createIdSource(clock, Math.random);
  const before = take(source, 1_000);
  clock.time -= 3_600_000;
  const during = take(source, 1_000);
  clock.time += 3_600_001;
  expectStrictlyIncreasing([...before, ...during, ...take(source, 1_000)]);
});

test('goes on above the last id of an earlier process, even when the clock was set back between', () => {
  const [last] = take(createIdSource(new StoppedClock(START), Math.random), 1);
  const after = take(createIdSource(new StoppedClock(START - 86_400_000), Math.random, last), 40_000);
  expectStrictlyIncreasing([last as string, ...after]);
});

test('two processes in the same milliseconds rarely meet', () => {
  const seen = new Set<string>();
  let met = 0;
  for (let process = 0; process < 2; process++) {
    const clock = new StoppedClock(START);
    const source = createIdSource(clock, Math.random);
    for (let ms = 0; ms < 1_000; ms++, clock.time++) {
      const id = source();
      if (seen.has(id)) met++;
      seen.add(id);
    }
  }
  // Expected: 1,000 / 16,384. More than 5 has a chance of 10⁻¹¹.
  expect(met).toBeLessThanOrEqual(5);
});
