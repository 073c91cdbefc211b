// Suspensions: what they are over, that nothing asks for runs meanwhile, and that they last as long as they should.
import { expect, onTestFinished, test } from 'vitest';
import type { RunRequest } from '../../../src/queue/bull.ts';
import { Destinations, suspensionOf } from '../../../src/queue/destinations.ts';
import { Dispatcher } from '../../../src/queue/dispatcher.ts';
import { recall } from '../../../src/queue/recall.ts';
import { endSuspensions, resume, suspend } from '../../../src/queue/suspend.ts';
import { type Suspension, Suspensions } from '../../../src/queue/suspensions.ts';
import { MailTimers } from '../../../src/queue/timers.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { mail, openSpool } from '../../harness/spool.ts';
import { until } from '../../harness/until.ts';
import { HOUR } from './setting.ts';

const order = (scope: Partial<Suspension>, now: number, ms = HOUR): Suspension => ({
  reason: 'a test',
  since: now,
  until: now + ms,
  ...scope,
});

test.each([
  [{ route: 'direct' }, true],
  [{ route: 'other' }, false],
  [{ domain: 'a.example' }, true],
  [{ domain: 'b.example' }, false],
  [{ site: 'google' }, true],
  [{ site: 'google', route: 'direct', domain: 'a.example' }, true],
  [{ site: 'google', route: 'other' }, false],
])('%j is over direct mail to a.example at google: %s', (scope, is) => {
  const suspensions = new Suspensions();
  suspensions.add(order(scope, 0));
  const over = suspensions.over({ route: 'direct', domain: 'a.example', site: 'google' });
  expect(over !== null).toBe(is);
});

test('of several the one that ends last counts, and one of the same scope takes the place of the other', () => {
  const suspensions = new Suspensions();
  suspensions.add(order({ route: 'direct' }, 0, 3 * HOUR));
  suspensions.add(order({ domain: 'a.example' }, 0, 2 * HOUR));
  const where = { route: 'direct', domain: 'a.example', site: null };
  expect(suspensions.over(where)?.until).toBe(3 * HOUR);
  suspensions.add(order({ route: 'direct' }, 0, HOUR));
  expect(suspensions.over(where)?.until).toBe(2 * HOUR);
  expect([...suspensions.all()]).toHaveLength(2);
});

test('a restart finds what is suspended, and not what was resumed', async () => {
  const folder = temporaryFolder();
  const first = await openSpool(folder);
  const house = openHouse(first.spool);
  const now = house.clock.now();
  await suspend(house, order({ route: 'direct' }, now));
  await suspend(house, order({ site: 'google' }, now));
  await suspend(house, order({ domain: 'a.example' }, now, 1000));
  expect(await resume(house, { site: 'google' })).toBe(1);
  await first.spool.close();

  const later = openHouse((await openSpool(folder)).spool);
  later.clock.advance(2000);
  recall(later);
  const { suspensions } = later.destinations;
  endSuspensions(later, later.clock.now());
  expect([...suspensions.all()]).toEqual([order({ route: 'direct' }, now)]);
  expect(later.events).toEqual([
    { event: 'resumed', site: null, route: null, domain: 'a.example', by: 'time' },
  ]);
  expect(suspensionOf(later.destinations.of('direct b.example'), now + 2000)?.reason).toBe('a test');
  expect(suspensionOf(later.destinations.of('other b.example'), now + 2000)).toBeNull();
  expect(suspensionOf(later.destinations.of('direct b.example'), now + HOUR)).toBeNull();
});

test('nobody asks for runs of suspended destinations until the suspension is over', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const house = openHouse(spool);
  const { clock } = house;
  const destinations = new Destinations();
  const asked: RunRequest[] = [];
  const dispatcher = new Dispatcher({
    spool,
    destinations,
    clock,
    ask: async (request) => asked.push(request) > 0,
    connections: 9,
    room: () => ({ places: 9, limit: null }),
    reached: () => undefined,
  });
  onTestFinished(() => dispatcher.stop());
  const parts = { ...house, destinations, dispatcher };
  const put = (n: number) => spool.commit(mail(spool, { destinations: { [`direct d${n}.example`]: 1 } }));
  await Promise.all(Array.from({ length: 50 }, (_, n) => put(n)));
  await suspend(parts, order({ route: 'direct' }, clock.now()));
  dispatcher.start();
  for (let n = 0; n < 5; n++) clock.advance(1000);
  await put(50);
  dispatcher.arrived(['direct d50.example', 'other living.example']);
  await spool.commit(mail(spool, { destinations: { 'other living.example': 1 } }));
  dispatcher.arrived(['other living.example']);
  await until('a run for those that are not', () => asked.length > 0);
  expect(asked.map(({ destination }) => destination)).toEqual(['other living.example']);
  expect(dispatcher.admit(destinations.of('direct d1.example'), true)).toBeNull();
  clock.advance(HOUR);
  endSuspensions(parts, clock.now());
  await until('runs for the others', () => asked.length > 1);
});

test('a suspension that cannot be written is not in force', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const house = openHouse(spool);
  const failing = { ...house, spool: { change: () => Promise.reject(new Error('full')) } } as never;
  await expect(suspend(failing, order({ route: 'direct' }, 0))).rejects.toThrow('full');
  expect([...house.destinations.suspensions.all()]).toEqual([]);
});

test('mail that a long suspension outlives is given up at its time, under a short one it is owed an attempt', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const house = openHouse(spool);
  const now = house.clock.now();
  const entry = { expires: now + HOUR };
  await spool.commit(mail(spool, { destinations: { 'direct long.example': 1 }, entry }));
  await spool.commit(mail(spool, { destinations: { 'direct short.example': 1 }, entry }));
  await suspend(house, order({ domain: 'long.example' }, now, 24 * HOUR));
  await suspend(house, order({ domain: 'short.example' }, now, 2 * HOUR));
  const timers = new MailTimers(house);
  timers.start();
  onTestFinished(() => timers.stop());
  house.clock.advance(HOUR + 1000);
  await until('the expiry', () => house.events.some(({ event }) => event === 'expired'));
  expect([...spool.scan(null)].map(({ destination }) => destination)).toContain('direct short.example');
  expect(spool.totals().ended.expired).toBe(1);
});
