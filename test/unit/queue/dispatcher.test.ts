// Which destination gets a run, and when: over a real spool, with a clock that the test moves.
import { expect, onTestFinished, test } from 'vitest';
import type { LimitKey } from '../../../src/limits/limits.ts';
import { opened } from '../../../src/queue/backoff.ts';
import type { RunRequest } from '../../../src/queue/bull.ts';
import { Destinations } from '../../../src/queue/destinations.ts';
import { Dispatcher } from '../../../src/queue/dispatcher.ts';
import type { Spool } from '../../../src/spool/spool.ts';
import { MovableClock } from '../../harness/clock.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { mail, openSpool } from '../../harness/spool.ts';
import { until } from '../../harness/until.ts';

const A = 'direct a.example';
const B = 'direct b.example';

/** With 3 connections, one of them for destinations that have not answered. */
async function makeDispatcher(): Promise<{
  spool: Spool;
  clock: MovableClock;
  destinations: Destinations;
  dispatcher: Dispatcher;
  /** Destinations of the runs that were asked for. */
  asked: string[];
  /** What limits still allow, for any destination. */
  free: { places: number; limit: LimitKey | null; looks: number };
  put(destination: string): Promise<void>;
}> {
  const { spool } = await openSpool(temporaryFolder());
  const clock = new MovableClock();
  const destinations = new Destinations();
  const asked: string[] = [];
  const ask = async ({ destination }: RunRequest): Promise<boolean> => asked.push(destination) > 0;
  const free = { places: 3, limit: null as LimitKey | null, looks: 0 };
  const room = (): { places: number; limit: LimitKey | null } => {
    free.looks++;
    return free;
  };
  const reached = (): void => undefined;
  const dispatcher = new Dispatcher({ spool, destinations, clock, ask, connections: 3, room, reached });
  onTestFinished(() => dispatcher.stop());
  const put = async (destination: string): Promise<void> => {
    await spool.commit(mail(spool, { destinations: { [destination]: 1 } }));
    dispatcher.arrived([destination]);
  };
  return { spool, clock, destinations, dispatcher, asked, free, put };
}

test('a destination that answers does not go on waiting among those that do not', async () => {
  const { dispatcher, destinations, clock, asked, put } = await makeDispatcher();
  await put(A);
  await put(B);
  dispatcher.start();
  await until('the one slow place to be asked for', () => asked.length === 1);
  const waiting = destinations.of(asked[0] === A ? B : A);
  expect(waiting.parked).toBe(true);
  // A run that was asked for with a delay, a while ago, begins before the others.
  expect(dispatcher.admit(waiting, true)).not.toBeNull();
  opened(waiting, clock.now());
  for (let n = 0; n < 5; n++) await put(waiting.key);
  await until('a second run', () => asked.includes(waiting.key));
});

test('mail that waits behind a connection at something slow gets another one', async () => {
  const { spool, dispatcher, destinations, clock, asked, put } = await makeDispatcher();
  dispatcher.start();
  await put(A);
  await until('the probe', () => asked.length === 1);
  dispatcher.admit(destinations.of(A), false);
  opened(destinations.of(A), clock.now());
  const busy = spool.claim(A, clock.now());
  await put(A);
  await until('a look at it', () => destinations.of(A).nextDue !== null);
  expect(asked).toEqual([A]);
  clock.advance(2000);
  await until('another run', () => asked.length === 2);
  busy?.release();
});

test('who waits keeps the place in the line until there is one to take', async () => {
  const { dispatcher, destinations, clock, asked, free, put } = await makeDispatcher();
  free.places = 0;
  for (const key of [A, B]) {
    await put(key);
    dispatcher.park(destinations.of(key), 'site s');
  }
  dispatcher.start();
  clock.advance(1000);
  await until('a look for places', () => free.looks > 0);
  expect([destinations.of(A).parked, destinations.of(B).parked]).toEqual([true, true]);
  free.places = 1;
  clock.advance(1000);
  await until('the first in line', () => asked.length > 0);
  expect(asked).toEqual([A]);
});

test('who waits for one limit while another one is full waits there, and the next one gets its chance', async () => {
  const { dispatcher, destinations, clock, free, put } = await makeDispatcher();
  dispatcher.start();
  const first = destinations.of(A);
  opened(first, clock.now());
  Object.assign(free, { places: 0, limit: 'site s' });
  await put(A);
  await until('the line of the site', () => first.parked);
  dispatcher.park(destinations.of(B), 'site s');
  // Nobody leaves a line that is still full.
  dispatcher.freed('site s');
  expect([first.parked, dispatcher.waitingLimits()]).toEqual([true, ['site s']]);
  free.limit = 'route r';
  dispatcher.freed('site s');
  await until('the line of the route', () => dispatcher.waitingLimits().includes('route r'));
  expect([first.parked, dispatcher.waitingLimits()]).toEqual([true, ['site s', 'route r']]);
});
