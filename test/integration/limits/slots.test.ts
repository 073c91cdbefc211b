// Slots of two daemons on one Redis: never more than allowed, taken in turn, and back when a daemon dies.
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { ConnectionLimit, LimitKey } from '../../../src/limits/limits.ts';
import { type Slot, Slots } from '../../../src/limits/slots.ts';
import { MovableClock } from '../../harness/clock.ts';
import { redisForFile, type TestRedis } from '../../harness/redis.ts';
import { scriptsOn } from '../../harness/scripts.ts';
import { until } from '../../harness/until.ts';

const redis = redisForFile();
beforeEach(() => redis().flush());

const site = (connections: number): ConnectionLimit => ({ key: 'site s', connections, site: null });
const route = (connections: number): ConnectionLimit => ({ key: 'route r', connections, site: null });

interface Daemon {
  readonly slots: Slots;
  readonly clock: MovableClock;
  readonly waiting: Set<LimitKey>;
  readonly freed: LimitKey[];
  readonly wanted: LimitKey[];
}

async function daemon(on: TestRedis = redis()): Promise<Daemon> {
  const made = { clock: new MovableClock(), waiting: new Set<LimitKey>(), freed: [], wanted: [] } as const;
  const { clock, waiting } = made;
  const [freed, wanted]: LimitKey[][] = [[], []] as const;
  const slots = new Slots({
    scripts: await scriptsOn(on),
    clock,
    allowed: ({ connections }) => connections,
    waiting: () => [...waiting],
    freed: (key) => freed?.push(key),
    wanted: (key) => wanted?.push(key),
  });
  slots.start();
  onTestFinished(() => slots.stop());
  return { slots, clock, waiting, freed: freed ?? [], wanted: wanted ?? [] };
}

async function taken({ slots }: Daemon, ...limits: ConnectionLimit[]): Promise<Slot> {
  const taking = await slots.take(limits);
  if (!('slot' in taking)) throw new Error(`no slot: ${JSON.stringify(taking)}`);
  return taking.slot;
}

test('a slot counts against every limit, or against none where one is full; given back twice is once', async () => {
  const one = await daemon();
  const both = [site(2), route(1)];
  const first = await taken(one, ...both);
  expect(await one.slots.take(both)).toEqual({ full: 'route r' });
  expect(['site s', 'route r'].map((key) => one.slots.open(key))).toEqual([1, 1]);
  await taken(one, site(2));
  expect(await one.slots.take([site(2)])).toEqual({ full: 'site s' });
  first.release();
  first.release();
  expect(one.freed).toEqual(['site s', 'route r']);
  expect(['site s', 'route r'].map((key) => one.slots.taken(key))).toEqual([1, 0]);
  await taken(one, ...both);
  expect(await one.slots.take([])).toHaveProperty('slot');
});

test('two daemons that ask at once never have more than the limit between them', async () => {
  const daemons = [await daemon(), await daemon()];
  const takings = await Promise.all(
    Array.from({ length: 40 }, (_, n) => (daemons[n % 2] as Daemon).slots.take([site(7)])),
  );
  expect(takings.filter((taking) => 'slot' in taking)).toHaveLength(7);
  expect(takings.filter((taking) => 'full' in taking)).toHaveLength(33);
});

test('what another daemon holds is seen by one that asks', async () => {
  const [one, two] = [await daemon(), await daemon()];
  await taken(one, site(5), route(5));
  await taken(one, site(5));
  expect(two.slots.open('site s')).toBe(0);
  await two.slots.refresh(['site s', 'route r']);
  expect(['site s', 'route r'].map((key) => two.slots.open(key))).toEqual([2, 1]);
  expect(two.slots.free(site(5))).toBe(3);
});

test('who waits hears of a slot that came free elsewhere, and goes before the one that had it', async () => {
  const [one, two] = [await daemon(), await daemon()];
  const slot = await taken(one, site(1));
  expect(await two.slots.take([site(1)])).toEqual({ full: 'site s' });
  two.waiting.add('site s');
  await until('the first to hear that another waits', () => {
    for (const { clock } of [one, two]) clock.advance(500);
    return one.wanted.length > 0;
  });
  expect(one.slots.isWanted('site s')).toBe(true);
  slot.release();
  expect(await one.slots.take([site(1)])).toEqual({ full: 'site s' });
  await until('the second to hear of it', () => {
    two.clock.advance(500);
    return two.freed.length > 0;
  });
  await taken(two, site(1));
  two.waiting.clear();
  // Now the other one waits, and its turn is next.
  expect(await one.slots.take([site(1)])).toEqual({ full: 'site s' });
  expect(one.slots.free(site(1))).toBe(0);
});

test('the slots of a daemon that died come back; those of one that lives do not', async () => {
  const [dead, living, other] = [await daemon(), await daemon(), await daemon()];
  await taken(dead, site(2));
  await taken(living, site(2));
  dead.slots.stop();
  // Its lease as it is 14 seconds later.
  for (const name of await members()) {
    await redis().call('ZINCRBY', '{sendoff}:slots:site s', '-14000', name);
  }
  await until('a lease that is renewed', async () => {
    living.clock.advance(1000);
    const scores = await Promise.all(
      (await members()).map((name) => redis().call('ZSCORE', '{sendoff}:slots:site s', name)),
    );
    return Math.max(...scores.map(Number)) > Date.now() + 10_000;
  });
  const slot = await until('the end of the other', async () => {
    const taking = await other.slots.take([site(2)]);
    return 'slot' in taking ? taking.slot : null;
  });
  expect(slot).toBeDefined();
  expect(await members()).toHaveLength(2);
});

async function members(): Promise<string[]> {
  return (await redis().call('ZRANGE', '{sendoff}:slots:site s', '0', '-1')) as string[];
}

test('while Redis is away nothing is taken; what was taken is known again when it is back', async () => {
  const [one, two] = [await daemon(), await daemon()];
  await taken(one, site(1));
  await redis().kill9();
  await until('the absence to be noticed', async () => 'away' in (await two.slots.take([site(9)])));
  await redis().restart();
  await redis().flush();
  await until('the slot to be known again', async () => {
    one.clock.advance(1000);
    return (await members()).length === 1;
  });
  const full = await until('an answer', async () => {
    two.clock.advance(1000);
    const taking = await two.slots.take([site(1)]);
    return 'full' in taking ? taking.full : null;
  });
  expect(full).toBe('site s');
});

test('a Redis that was emptied under our feet lends nothing before everybody has said what they hold', async () => {
  const one = await daemon();
  await taken(one, site(2), route(9));
  await taken(one, site(2));
  await redis().flush();
  expect(await one.slots.take([site(2)])).toEqual({ away: true });
  await until('the slots to be known again', async () => (await members()).length === 2);
  one.clock.advance(2000);
  expect(await one.slots.take([site(2)])).toEqual({ full: 'site s' });
});

/** The same numbers in each run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 0x7fffffff;
    return state % below;
  };
}

test.each([1, 2, 3])('three daemons at random: never more than a limit allows (seed %i)', async (seed) => {
  const next = random(seed);
  const limits = [site(4), route(6)];
  const daemons = [await daemon(), await daemon(), await daemon()];
  const open = daemons.map((): Slot[] => []);
  for (let step = 0; step < 200; step++) {
    const n = next(3);
    const { slots } = daemons[n] as Daemon;
    const mine = open[n] as Slot[];
    if (next(2) === 0) mine.splice(next(mine.length + 1), 1)[0]?.release();
    else {
      const wanted = next(3) === 0 ? limits : [limits[next(2)] as ConnectionLimit];
      const taking = await slots.take(wanted);
      if ('slot' in taking) mine.push(taking.slot);
      else
        expect('full' in taking && limits.map(({ key }) => key)).toContain('full' in taking && taking.full);
    }
    for (const { key, connections } of limits) {
      const held = daemons.reduce((sum, one) => sum + one.slots.taken(key), 0);
      expect(held).toBeLessThanOrEqual(connections);
    }
  }
  for (const slot of open.flat()) slot.release();
  await until('an empty table', async () => (await members()).length === 0);
});
