// Rates of two daemons on one Redis: the mean is held, no second has much more, and nothing is saved up.
import { beforeEach, expect, test } from 'vitest';
import { type Clock, pause } from '../../../src/clock/clock.ts';
import { type RateLimit, Rates } from '../../../src/limits/rates.ts';
import type { Scripts } from '../../../src/redis/scripts.ts';
import { MovableClock } from '../../harness/clock.ts';
import { redisForFile } from '../../harness/redis.ts';
import { scriptsOn } from '../../harness/scripts.ts';
import { until } from '../../harness/until.ts';

const redis = redisForFile();
beforeEach(() => redis().flush());

const limit = (count: number, per: number, key = 'site s'): RateLimit => ({
  key,
  rate: { count, per },
  site: null,
});

/** So many senders, each with one message after the other, until the time is over; when each message went. */
async function send(rates: Rates, limits: readonly RateLimit[], senders: number, ms: number) {
  const clock = new MovableClock();
  const end = clock.now() + ms;
  const sent: number[] = [];
  const one = async (): Promise<void> => {
    while (clock.now() < end) {
      const turn = await rates.turn(limits, 5_000);
      if (!('wait' in turn)) throw new Error(`later: ${turn.later}`);
      await pause(clock, turn.wait);
      if (clock.now() < end) sent.push(clock.now());
    }
  };
  await Promise.all(Array.from({ length: senders }, one));
  return sent;
}

/** Counts the round trips. */
function counting(scripts: Scripts): Scripts & { trips: number } {
  return {
    trips: 0,
    run(lua, keys, args) {
      this.trips++;
      return scripts.run(lua, keys, args);
    },
  };
}

/** The most within one window of so many milliseconds. */
function most(sent: readonly number[], window: number): number {
  const sorted = sent.toSorted((a, b) => a - b);
  return Math.max(...sorted.map((from, i) => sorted.slice(i).filter((at) => at < from + window).length));
}

test('two daemons together hold 200 a second within 5 %, in few round trips, and no burst above twice that', async () => {
  const shared = [counting(await scriptsOn(redis())), counting(await scriptsOn(redis()))];
  const sent = await Promise.all(
    shared.map((scripts) => send(new Rates(scripts, new MovableClock()), [limit(200, 1000)], 10, 1500)),
  );
  const all = sent.flat();
  expect(all.length / 300).toBeGreaterThan(0.95);
  expect(all.length / 300).toBeLessThan(1.05);
  expect(most(all, 250)).toBeLessThan(150);
  expect(Math.min(...sent.map(({ length }) => length))).toBeGreaterThan(50);
  expect(shared.reduce((sum, { trips }) => sum + trips, 0)).toBeLessThan(150);
});

test('the slower of two rates is the one that counts', async () => {
  const rates = new Rates(await scriptsOn(redis()), new MovableClock());
  const sent = await send(rates, [limit(400, 1000), limit(50, 1000, 'route r')], 10, 1000);
  expect(sent.length).toBeGreaterThanOrEqual(48);
  expect(sent.length).toBeLessThanOrEqual(51);
});

test('a slow rate is leased one by one; whoever would wait too long reserves nothing', async () => {
  const [one, two] = [await scriptsOn(redis()), await scriptsOn(redis())].map(
    (scripts) => new Rates(scripts, new MovableClock()),
  ) as [Rates, Rates];
  const slow = [limit(10, 60_000)];
  const waitOf = async (rates: Rates): Promise<number> => {
    const turn = await rates.turn(slow, 5_000);
    return 'wait' in turn ? turn.wait : -turn.later;
  };
  expect(await waitOf(one)).toBe(0);
  for (const rates of [two, one, two]) {
    const wait = await waitOf(rates);
    expect(wait).toBeLessThan(-5_500);
    expect(wait).toBeGreaterThanOrEqual(-6_000);
  }
  expect(two.wait('site s')).toBeGreaterThan(5_500);
  const third = new Rates(await scriptsOn(redis()), new MovableClock());
  expect(third.wait('site s')).toBe(0);
  await third.refresh(slow);
  expect(third.wait('site s')).toBeGreaterThan(5_500);
});

test('what nobody used is not saved up, and a batch that was not used costs a fiftieth of a second at most', async () => {
  const clock = new MovableClock();
  const rates = new Rates(await scriptsOn(redis()), clock);
  const fast = [limit(200, 1000)];
  await Promise.all(Array.from({ length: 20 }, () => rates.turn(fast, 1000)));
  clock.advance(10_000);
  const turns = await Promise.all(Array.from({ length: 10 }, () => rates.turn(fast, 1000)));
  const waits = turns.map((turn) => ('wait' in turn ? turn.wait : Number.NaN));
  // On Redis's clock the twenty that were used are not over yet.
  expect(waits[0]).toBeLessThanOrEqual(20 * 5 + 20);
  expect((waits[9] ?? 0) - (waits[0] ?? 0)).toBeGreaterThanOrEqual(44);
});

test('a turn that is far ahead because the rate was slower is not believed', async () => {
  const rates = new Rates(await scriptsOn(redis()), new MovableClock());
  await rates.turn([limit(1, 3_600_000)], 0);
  const turn = await rates.turn([limit(100, 1000)], 1000);
  expect('later' in turn && turn.later).toBeLessThan(5_200);
});

test('while Redis is away each daemon paces alone', async () => {
  const own = await redis();
  const clock: Clock = new MovableClock();
  const rates = new Rates(await scriptsOn(own), clock);
  const tens = [limit(10, 1000)];
  await rates.turn(tens, 1000);
  await own.kill9();
  const waits = await until('turns without Redis', async () => {
    const turns = [await rates.turn(tens, 1000), await rates.turn(tens, 1000)];
    const found = turns.map((turn) => ('wait' in turn ? turn.wait : null));
    return found.includes(null) ? null : (found as number[]);
  });
  expect((waits[1] ?? 0) - (waits[0] ?? 0)).toBeGreaterThan(90);
  await own.restart();
});
