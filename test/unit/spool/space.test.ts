// Free space: asked of the system once a second at most, and never a crash when it does not answer.
// The clock and the file door are the test's own.
// Never fills a disk.
import { expect, test } from 'vitest';
import { systemFiles } from '../../../src/spool/files.ts';
import { FreeSpace } from '../../../src/spool/space.ts';
import { MovableClock } from '../../harness/clock.ts';

test('is judged anew after a second, in either direction of the clock', () => {
  let now = 5_000_000;
  let free = 100;
  let asked = 0;
  const freeSpace = (): number => {
    asked++;
    return free;
  };
  const clock = { now: () => now, after: new MovableClock().after };
  const space = new FreeSpace({ ...systemFiles, freeSpace }, '/nowhere', 50, clock);
  expect(space.trouble()).toBeNull();
  free = 49;
  now += 999;
  expect(space.trouble()).toBeNull();
  expect(asked).toBe(1);
  now += 1;
  expect(space.trouble()).toContain('49 octets are free');
  free = 50;
  now -= 86_400_000;
  expect(space.trouble()).toBeNull();
});

test('that nobody knows is trouble', () => {
  const space = new FreeSpace(systemFiles, '/does/not/exist', 0, new MovableClock());
  expect(space.trouble()).toContain('not known');
});
