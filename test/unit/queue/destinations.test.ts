// What the daemon remembers of a destination, and for how long.
import { expect, test } from 'vitest';
import type { Failure } from '../../../src/delivery/failure.ts';
import { failureKinds } from '../../../src/delivery/failures.ts';
import { Destinations } from '../../../src/queue/destinations.ts';

const HOUR = 3_600_000;
const last: Failure = { ...failureKinds.noConnection, phase: 'connect', text: 'refused' };

test('a closed door is remembered while it is closed and for a day; then, without mail, forgotten', () => {
  const destinations = new Destinations();
  const until = 10 * HOUR;
  destinations.of('direct dead.example').backOff = { failures: 3, until, since: 0, lastAt: 9 * HOUR, last };
  destinations.forgetIdle(until + 23 * HOUR);
  expect(destinations.get('direct dead.example')?.backOff?.failures).toBe(3);
  destinations.forgetIdle(until + 25 * HOUR);
  expect(destinations.get('direct dead.example')).toBeUndefined();
});

test('a destination with mail is never forgotten', () => {
  const destinations = new Destinations();
  destinations.of('direct new.example').nextDue = 0;
  destinations.forgetIdle(1000 * HOUR);
  expect(destinations.get('direct new.example')).toBeDefined();
});
