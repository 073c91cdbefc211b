// The windows of due entries against the index below them: same order, nothing twice, nothing missed.
// A real store in a temporary folder; claims are a set of the test's own.
// Never looks at which keys a window has in memory, only at what it gives.
import { expect, onTestFinished, test as plain } from 'vitest';
import type { EntryKey, QueueEntry } from '../../../src/queue/entry.ts';
import { DueWindows } from '../../../src/spool/due.ts';
import { Store } from '../../../src/spool/store.ts';
import { temporaryFolder } from '../../harness/folder.ts';

const HERE = 'mx here.example';

function entry(number: number, due: number, destination = HERE): QueueEntry {
  const key = { id: `id${String(number).padStart(6, '0')}`, seq: 0 };
  const state = { attempts: 0, routeAttempts: 0, expires: 9e12, warnings: 0, crashes: 0 };
  return { ...key, destination, recipients: [0], due, ...state };
}

class World {
  readonly store: Store;
  readonly busy = new Set<string>();
  readonly windows: DueWindows;

  constructor() {
    this.store = new Store(temporaryFolder());
    onTestFinished(() => this.store.close());
    const free = ({ id }: EntryKey): boolean => !this.busy.has(id);
    this.windows = new DueWindows(this.store.due, free, () => 0);
  }

  async add(...entries: readonly QueueEntry[]): Promise<void> {
    await this.store.apply(entries.flatMap((added) => [...this.store.replaceEntry(null, added)]));
    for (const added of entries) this.windows.insert(added);
  }

  /** Claims the first, as claiming.ts does. */
  take(): number | undefined {
    const first = this.windows.take(HERE, Infinity);
    if (first === undefined) return undefined;
    this.busy.add(first.id);
    this.windows.claimed(HERE);
    return first.due;
  }

  giveBack(given: QueueEntry): void {
    this.busy.delete(given.id);
    this.windows.givenBack(given);
  }
}

const test = plain.extend<{ world: World }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the parameters of a fixture
  world: async ({}, use) => use(new World()),
});

test('give everything in order, each once, longer than any window', async ({ world }) => {
  const many = Array.from({ length: 3000 }, (_, i) => entry(i, (i * 7919) % 3000));
  await world.add(...many, entry(9999, 5, 'mx here.example.org'), entry(9998, 5, 'mx here'));
  expect(world.windows.count(HERE, 1e6, 1e6)).toBe(3000);
  const taken = Array.from({ length: 3000 }, () => world.take());
  expect(taken).toEqual([...Array(3000).keys()]);
  expect(world.take()).toBeUndefined();
  expect(world.windows.count(HERE, 1e6, 1e6)).toBe(0);
});

test('take in what comes meanwhile, before and behind', async ({ world }) => {
  await world.add(...Array.from({ length: 100 }, (_, i) => entry(i, 1000 + i)));
  expect(world.take()).toBe(1000);
  await world.add(entry(500, 1), entry(501, 1050.5), entry(502, 5000));
  expect(world.take()).toBe(1);
  const rest = Array.from({ length: 101 }, () => world.take());
  expect(rest).toEqual([...rest].sort((a, b) => (a ?? 0) - (b ?? 0)));
  expect(rest).toContain(1050.5);
  expect(rest.at(-1)).toBe(5000);
});

test('give back what was given back, in its place', async ({ world }) => {
  const many = Array.from({ length: 50 }, (_, i) => entry(i, i));
  await world.add(...many);
  for (let i = 0; i < 20; i++) world.take();
  world.giveBack(many[3] as QueueEntry);
  world.giveBack(many[3] as QueueEntry);
  expect(world.take()).toBe(3);
  expect(world.take()).toBe(20);
});

test('shorten themselves and lose nothing', async ({ world }) => {
  await world.add(entry(0, 0));
  expect(world.windows.nextDue(HERE)).toBe(0);
  for (let i = 1; i < 5000; i += 100) {
    await world.add(...Array.from({ length: 100 }, (_, k) => entry(i + k, 5000 - i - k)));
  }
  const taken = Array.from({ length: 5001 }, () => world.take());
  expect(new Set(taken).size).toBe(5000);
  expect(taken).not.toContain(undefined);
  expect(world.take()).toBeUndefined();
  expect(taken).toEqual([...taken].sort((a, b) => (a ?? 0) - (b ?? 0)));
});

test('count only what is due, free, and asked for', async ({ world }) => {
  await world.add(...Array.from({ length: 500 }, (_, i) => entry(i, i)));
  expect(world.windows.count(HERE, 99, 1000)).toBe(100);
  for (let i = 0; i < 10; i++) world.take();
  expect(world.windows.count(HERE, 99, 1000)).toBe(90);
  expect(world.windows.count(HERE, 499, 1000)).toBe(490);
  expect(world.windows.count(HERE, 499, 300)).toBe(300);
  expect(world.windows.count(HERE, -1, 300)).toBe(0);
});

test('of more destinations than are kept forget the idle ones', async ({ world }) => {
  await world.add(entry(1, 1), entry(2, 2));
  world.take();
  for (let i = 0; i < 3000; i++) expect(world.windows.nextDue(`mx ${i}.example`)).toBeNull();
  expect(world.windows.count(HERE, 10, 10)).toBe(1);
  expect(world.take()).toBe(2);
});
