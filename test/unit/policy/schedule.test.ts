// Retry times, expiry and warnings: the promises hold for every schedule, attempt and random number.
// Runs schedule.ts on schedules written as YAML and on a few hundred made by a seeded generator.
// Never reads a clock.
import { expect, test } from 'vitest';
import { type FailureClass, failureClasses } from '../../../src/delivery/failure.ts';
import type { RetrySchedule } from '../../../src/policy/policy.ts';
import { expiryOf, nextAttempt, nextWarning } from '../../../src/policy/schedule.ts';
import { policyFrom } from '../../harness/policy.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const arrived = Date.UTC(2026, 10, 24);

const builtIn = policyFrom('').defaultRetry;

function schedule(changes: Partial<RetrySchedule>): RetrySchedule {
  return { ...builtIn, ...changes };
}

function ask(
  retry: RetrySchedule,
  attempts: number,
  changes: Partial<Parameters<typeof nextAttempt>[0]> = {},
) {
  const middle = { class: 'unknown' as FailureClass, now: arrived, random: () => 0.5 };
  return nextAttempt({ schedule: retry, attempts, arrived, ...middle, ...changes });
}

test('the built-in schedule', () => {
  const waits = Array.from({ length: 10 }, (_, index) => {
    const answer = ask(builtIn, index + 1);
    return 'due' in answer ? (answer.due - arrived) / MINUTE : answer;
  });
  expect(waits).toEqual([1, 5, 10, 20, 40, 60, 120, 240, 240, 240]);
});

test('an attempt that did not count waits as after the first', () => {
  expect(ask(builtIn, 0)).toEqual({ due: arrived + MINUTE });
});

test('no earlier and no later than a tenth', () => {
  const due = (random: number) => ask(schedule({ after: [HOUR] }), 1, { random: () => random });
  expect(due(0)).toEqual({ due: arrived + 0.9 * HOUR });
  expect(due(0.999_999_999)).toEqual({ due: arrived + 1.1 * HOUR });
});

test('a class has its own times', () => {
  const classes = new Map([['greylisted', { after: [5 * MINUTE, 15 * MINUTE], expire: HOUR }]] as const);
  const retry = schedule({ classes });
  expect(ask(retry, 2, { class: 'greylisted' })).toEqual({ due: arrived + 15 * MINUTE });
  expect(ask(retry, 2, { class: 'blocked' })).toEqual({ due: arrived + 5 * MINUTE });
  expect(expiryOf(retry, 'greylisted', arrived)).toBe(arrived + HOUR);
  expect(expiryOf(retry, 'blocked', arrived)).toBe(arrived + 5 * DAY);
  expect(expiryOf(retry, null, arrived)).toBe(arrived + 5 * DAY);
});

test('the last attempt is made when the time is up, and then it is over', () => {
  const retry = schedule({ after: [4 * HOUR], expire: DAY });
  expect(ask(retry, 9, { now: arrived + 23 * HOUR })).toEqual({ due: arrived + DAY });
  expect(ask(retry, 9, { now: arrived + DAY })).toEqual({ giveUp: 'expired' });
  expect(ask(retry, 1, { now: arrived + 9 * DAY })).toEqual({ giveUp: 'expired' });
});

test('a number of attempts is a limit', () => {
  const retry = schedule({ attempts: 3 });
  expect(ask(retry, 2)).toHaveProperty('due');
  expect(ask(retry, 3)).toEqual({ giveUp: 'attempts' });
});

test('warnings come in order, none after the expiry', () => {
  const retry = policyFrom('retry: { default: { warn: [1d, 4h, 9d], expire: 5d } }').defaultRetry;
  expect([0, 1, 2, 3].map((sent) => nextWarning(retry, arrived, sent))).toEqual([
    arrived + 4 * HOUR,
    arrived + DAY,
    null,
    null,
  ]);
  expect(nextWarning(schedule({ warn: [] }), arrived, 0)).toBeNull();
});

/** Numbers in [0, 1) from a seed (mulberry32), the same in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('any schedule: attempts go on in time, stay in their spread, and end exactly once at the expiry', () => {
  const random = seeded(20_261_124);
  for (let round = 0; round < 300; round++) {
    const after = Array.from(
      { length: 1 + Math.floor(random() * 6) },
      () => 1000 + Math.floor(random() * 6 * HOUR),
    );
    const retry = schedule({ after, expire: 1000 + Math.floor(random() * 2 * DAY), attempts: null });
    const expiry = expiryOf(retry, null, arrived);
    const name = failureClasses[Math.floor(random() * failureClasses.length)] as FailureClass;
    let now = arrived;
    for (let attempts = 1; ; attempts++) {
      const answer = ask(retry, attempts, { now, random, class: name });
      if ('giveUp' in answer) {
        expect([answer.giveUp, now]).toEqual(['expired', expiry]);
        break;
      }
      const planned = after[Math.min(attempts, after.length) - 1] as number;
      const wait = answer.due - now;
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(planned * 1.1 + 1);
      if (answer.due < expiry) expect(wait).toBeGreaterThanOrEqual(planned * 0.9 - 1);
      now = answer.due;
    }
  }
});

test('a hint stands in the place of the interval, a little later but never earlier, and not after the expiry', () => {
  const due = (hint: number, random: number, attempts = 1) =>
    ask(schedule({ after: [HOUR] }), attempts, { hint, random: () => random });
  expect(due(5 * MINUTE, 0)).toEqual({ due: arrived + 5 * MINUTE });
  expect(due(5 * MINUTE, 0.999_999_999)).toEqual({ due: arrived + 5.5 * MINUTE });
  expect(due(3 * HOUR, 0)).toEqual({ due: arrived + 3 * HOUR });
  const retry = schedule({ expire: DAY });
  expect(ask(retry, 1, { hint: 12 * HOUR, now: arrived + 20 * HOUR })).toEqual({ due: arrived + DAY });
});

test('a peer that asks for a short pause each time gets the schedule in the end', () => {
  const due = (hint: number, attempts: number) => ask(schedule({ after: [HOUR] }), attempts, { hint });
  expect(due(10_000, 5)).toEqual({ due: arrived + 10_500 });
  expect(due(10_000, 6)).toEqual({ due: arrived + HOUR });
  expect(due(2 * HOUR, 6)).toEqual({ due: arrived + 2.1 * HOUR });
});
