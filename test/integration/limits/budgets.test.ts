// Budgets that daemons share: never more than the most, whatever happens to Redis and to the daemons.
// Several Budgets on one real Redis, each with a spool's notes of its own, on a clock that the test moves.
// Never asks what a budget is for.
import { expect, onTestFinished, test } from 'vitest';
import { type Budget, Budgets, type Full, type Reserving } from '../../../src/limits/budgets.ts';
import type { Quota } from '../../../src/policy/quota.ts';
import type { Change } from '../../../src/spool/spool.ts';
import { MovableClock } from '../../harness/clock.ts';
import { Chance } from '../../harness/random.ts';
import { redisForFile } from '../../harness/redis.ts';
import { scriptsOn } from '../../harness/scripts.ts';

import { until } from '../../harness/until.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const redis = redisForFile();

/** What a daemon keeps on its disk; the same notes are another start of the same daemon. */
class Notes {
  readonly id = crypto.randomUUID();
  readonly table = new Map<string, unknown>();
  isFull = false;

  async change({ notes = {} }: Change): Promise<void> {
    if (this.isFull) throw new Error('no room');
    for (const [name, value] of Object.entries(notes)) {
      if (value === null) this.table.delete(name);
      else this.table.set(name, structuredClone(value));
    }
  }

  *notes(prefix: string): Iterable<readonly [string, unknown]> {
    for (const one of this.table) if (one[0].startsWith(prefix)) yield one;
  }
}

interface Daemon {
  readonly budgets: Budgets;
  readonly notes: Notes;
  readonly full: Full[];
  readonly opened: string[];
  /** Without a goodbye: nothing of it is heard any more. */
  die(): void;
}

async function daemon(clock: MovableClock, notes = new Notes(), isShared = false): Promise<Daemon> {
  const { run } = await scriptsOn(redis());
  let isDead = false;
  const alive = <T>(does: () => Promise<T>): Promise<T> =>
    isDead ? Promise.reject(new Error('dead')) : does();
  const full: Full[] = [];
  const opened: string[] = [];
  const budgets = new Budgets({
    scripts: { run: (...script) => alive(() => run(...script)) },
    spool: {
      id: notes.id,
      change: (change) => alive(() => notes.change(change)),
      notes: (prefix) => notes.notes(prefix),
    },
    clock,
    isShared,
    opened: (key) => void opened.push(key),
    usedUp: (one, isNews) => void (isNews && full.push(one)),
  });
  budgets.start();
  onTestFinished(() => budgets.stop());
  const die = (): void => {
    isDead = true;
  };
  return { budgets, notes, full, opened, die };
}

const hourly = (max: number, count: Quota['count'] = 'recipients'): Quota => ({
  max,
  count,
  window: { kind: 'calendar', unit: 'hour', zone: 'UTC' },
});

let names = 0;
const budget = (...quotas: Quota[]): Budget => ({ key: `route r${++names}`, quotas });

/** At the begin of an hour, so that none ends in a test. */
function freshHour(): MovableClock {
  const clock = new MovableClock();
  clock.advance(HOUR - (clock.now() % HOUR) + 1000);
  return clock;
}

const granted = (reserving: Reserving): number => ('settle' in reserving ? reserving.recipients : 0);

async function take({ budgets }: Daemon, from: Budget, recipients = 1): Promise<number> {
  return granted(await budgets.reserve([from], recipients));
}

test('twenty reservations at a time by each of two daemons: exactly the most, then full until the window ends', async () => {
  const clock = freshHour();
  const [a, b] = [await daemon(clock), await daemon(clock)];
  const own = budget(hourly(25));
  const all = await Promise.all([a, b].flatMap((one) => Array.from({ length: 20 }, () => take(one, own))));
  expect(all.reduce((sum, one) => sum + one)).toBe(25);
  const refused = await a.budgets.reserve([own], 1);
  const end = Math.ceil(clock.now() / HOUR) * HOUR;
  expect(refused).toMatchObject({ full: { key: own.key, until: end } });
  expect(a.budgets.full(own.key)).toMatchObject({ until: end });
  expect([a.full.length, b.full.length]).toEqual([1, 1]);
  clock.advance(HOUR);
  expect(a.budgets.full(own.key)).toBeNull();
  expect(await take(b, own, 40)).toBe(25);
});

test('what is lent ahead is used to the last one, whoever has the mail', async () => {
  const clock = freshHour();
  const [a, b] = [await daemon(clock), await daemon(clock)];
  const own = budget(hourly(2000));
  let sent = 0;
  const worker = async (one: Daemon): Promise<void> => {
    while ((await take(one, own)) === 1) sent++;
  };
  await Promise.all([a, b].flatMap((one) => Array.from({ length: 20 }, () => worker(one))));
  expect(sent).toBe(2000);
});

test('several windows at a time, recipients and messages; what the tighter one refuses is not used of the other', async () => {
  const clock = freshHour();
  const one = await daemon(clock);
  const day: Quota = { ...hourly(12), window: { kind: 'calendar', unit: 'day', zone: 'UTC' } };
  const own = budget(hourly(10), day, hourly(3, 'messages'));
  expect(await take(one, own, 4)).toBe(4);
  expect(await take(one, own, 9)).toBe(6);
  expect(await take(one, own, 1)).toBe(0);
  clock.advance(HOUR);
  expect(await take(one, own, 9)).toBe(2);
  const messages = budget(hourly(2, 'messages'));
  expect(await take(one, messages, 50)).toBe(50);
  expect(await take(one, messages, 50)).toBe(50);
  expect(await take(one, messages, 50)).toBe(0);
  // Of two budgets the smaller decides, and the larger keeps the rest.
  const [small, large] = [budget(hourly(3)), budget(hourly(9))];
  const part = await one.budgets.reserve([large, small], 5);
  expect(granted(part)).toBe(3);
  expect(await take(one, large, 9)).toBe(6);
  if ('settle' in part) part.settle(1);
  expect(await take(one, large, 9)).toBe(2);
  expect(await take(one, small, 9)).toBe(2);
});

test('what is given back can be used again, and who waits is told', async () => {
  const clock = freshHour();
  const one = await daemon(clock);
  const own = budget(hourly(5));
  const reserving = await one.budgets.reserve([own], 5);
  expect(await take(one, own)).toBe(0);
  if ('settle' in reserving) {
    reserving.settle(3);
    reserving.settle(0);
  }
  expect(one.opened).toEqual([own.key]);
  expect(await take(one, own, 5)).toBe(2);
});

test('what one daemon holds and does not use goes to the other', async () => {
  const clock = freshHour();
  const [a, b] = [await daemon(clock), await daemon(clock)];
  const own = budget(hourly(2000));
  expect(await take(a, own)).toBe(1);
  await until('all that the first one left', async () => {
    clock.advance(1000);
    return (await take(b, own, 1999)) === 1999 || b.budgets.full(own.key) !== null;
  });
  expect(b.budgets.account(own).counters[0]?.total).toBe(2000);
});

test('a Redis that was emptied refills nothing: not here, not elsewhere, not after kill -9', async () => {
  const clock = freshHour();
  const [a, b] = [await daemon(clock, new Notes(), true), await daemon(clock, new Notes(), true)];
  const own = budget(hourly(30));
  await until('the daemons to have spoken', async () => (await take(a, own, 10)) === 10);
  expect(await take(b, own, 10)).toBe(10);
  a.die();
  await redis().flush();
  const again = await daemon(clock, a.notes, true);
  // The first to ask does not know yet what the other one has.
  expect(await again.budgets.reserve([own], 30)).toHaveProperty('away');
  await until('the rest', async () => (await take(again, own, 30)) === 10);
  expect(await take(b, own, 30)).toBe(0);
});

test('a rolling window is full as long as anything that was sent is in it, and a part of it more', async () => {
  const clock = freshHour();
  const one = await daemon(clock);
  const own = budget({ max: 40, count: 'recipients', window: { kind: 'rolling', length: 10 * MINUTE } });
  // Parts of ten seconds: near the end of one.
  clock.advance(9_500 - (clock.now() % 10_000));
  expect(await take(one, own, 50)).toBe(40);
  const { full } = (await one.budgets.reserve([own], 1)) as { full: Full };
  clock.advance(10 * MINUTE - 1_000);
  expect(await take(one, own)).toBe(0);
  clock.advance(full.until - clock.now());
  expect(await take(one, own, 50)).toBe(40);
});

test('without Redis, and without a disk for the note, nothing is granted', async () => {
  const clock = freshHour();
  const one = await daemon(clock);
  const own = budget(hourly(30));
  one.notes.isFull = true;
  expect(await one.budgets.reserve([own], 1)).toHaveProperty('away');
  one.notes.isFull = false;
  expect(await take(one, own)).toBe(1);
  redis().freeze();
  onTestFinished(() => redis().thaw());
  expect(await one.budgets.reserve([own], 1)).toHaveProperty('away');
  redis().thaw();
  await until('Redis', async () => (await take(one, own, 29)) === 29);
});

test('what is over is forgotten, with its note', async () => {
  const clock = freshHour();
  const one = await daemon(clock);
  const own = budget(hourly(30));
  await take(one, own);
  expect([...one.notes.table.keys()]).toEqual([`budget ${own.key}`]);
  await until('the end of the note', () => {
    clock.advance(HOUR);
    return one.notes.table.size === 0;
  });
});

interface Use {
  readonly at: number;
  readonly count: number;
}

/** The most that was used in any window of this length. */
function worst(uses: readonly Use[], length: number): number {
  return Math.max(
    0,
    ...uses.map(({ at }) =>
      uses.reduce((sum, use) => (use.at > at - length && use.at <= at ? sum + use.count : sum), 0),
    ),
  );
}

test.each([1, 2, 3])(
  'two daemons, restarts, losses of Redis, refusals: no window of the model is overrun (seed %i)',
  async (seed) => {
    const chance = new Chance(seed);
    const clock = freshHour();
    const rolling: Quota = { max: 40, count: 'recipients', window: { kind: 'rolling', length: 10 * MINUTE } };
    const own = budget(hourly(90), rolling);
    const daemons = [await daemon(clock), await daemon(clock)];
    const uses: Use[] = [];
    for (let step = 0; step < 150; step++) {
      const n = chance.int(2);
      const one = daemons[n] as Daemon;
      const dice = chance.next();
      if (dice < 0.04) {
        one.die();
        daemons[n] = await daemon(clock, one.notes);
      } else if (dice < 0.08) {
        // Both speak before anybody asks, as they do within the pause after a loss.
        await redis().flush();
        await Promise.all(daemons.map(({ budgets }) => budgets.account(own).refresh()));
      } else if (dice < 0.4) clock.advance(chance.next() * 3 * MINUTE);
      else {
        const at = clock.now();
        const reserving = await one.budgets.reserve([own], 1 + chance.int(12));
        if (!('settle' in reserving)) continue;
        const kept = Math.round(reserving.recipients * (chance.next() < 0.3 ? chance.next() : 1));
        reserving.settle(kept);
        uses.push({ at, count: kept });
      }
    }
    expect(uses.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(60);
    expect(worst(uses, 10 * MINUTE)).toBeLessThanOrEqual(40);
    const hours = Map.groupBy(uses, ({ at }) => Math.floor(at / HOUR));
    for (const inHour of hours.values()) {
      expect(inHour.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(90);
    }
  },
);
