// So many at once, the rest in order, and no slot is lost.
import { expect, test } from 'vitest';
import { Slots } from '../../../src/dns/slots.ts';

const never = new AbortController().signal;

/** Runs work in a slot; `started` lists who got in, `finish` lets one out. */
function workers(slots: Slots) {
  const started: string[] = [];
  const endings = new Map<string, () => void>();
  const run = (name: string, signal = never) =>
    slots.run(signal, () => {
      started.push(name);
      return new Promise<string>((resolve) => endings.set(name, () => resolve(name)));
    });
  return { started, run, finish: (name: string) => endings.get(name)?.() };
}

test('the third waits for the first to finish, the fourth for the second', async () => {
  const { started, run, finish } = workers(new Slots(2));
  const all = ['a', 'b', 'c', 'd'].map((name) => run(name));
  await Promise.resolve();
  expect(started).toEqual(['a', 'b']);
  finish('a');
  expect(await all[0]).toBe('a');
  expect(started).toEqual(['a', 'b', 'c']);
  for (const name of ['b', 'c']) finish(name);
  await Promise.all(all.slice(0, 3));
  finish('d');
  expect(await all[3]).toBe('d');
});

test('who leaves the line is passed over, and gets null', async () => {
  const { started, run, finish } = workers(new Slots(1));
  const leaving = new AbortController();
  const [first, second, third] = [run('a'), run('b', leaving.signal), run('c')];
  leaving.abort();
  expect(await second).toBeNull();
  finish('a');
  await first;
  finish('c');
  expect(await third).toBe('c');
  expect(started).toEqual(['a', 'c']);
});

test('work that fails gives its slot back', async () => {
  const slots = new Slots(1);
  await expect(slots.run(never, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await slots.run(never, () => Promise.resolve('next'))).toBe('next');
});

test('nothing starts under a signal that has aborted', async () => {
  const { started, run } = workers(new Slots(1));
  expect(await run('a', AbortSignal.abort())).toBeNull();
  expect(started).toEqual([]);
});
