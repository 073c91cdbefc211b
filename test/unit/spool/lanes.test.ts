// Priorities in a real spool: who is claimed next, and that lanes are one destination to all who ask.
// Random changes against a model, the spool closed and opened again in between.
// Never random twice: a seed that fails, fails again.
import { expect, test } from 'vitest';
import {
  type Priority,
  priorities,
  priorityOf,
  type QueueEntry,
  withPriority,
} from '../../../src/queue/entry.ts';
import type { Claim, Spool } from '../../../src/spool/spool.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { Chance } from '../../harness/random.ts';
import { DESTINATION as HERE, mail, openSpool } from '../../harness/spool.ts';

const THERE = 'mx example.com.example';

async function fill(spool: Spool, priority: Priority, dues: readonly number[]): Promise<void> {
  const one = (due: number) => mail(spool, { due, ...(priority !== 'normal' && { entry: { priority } }) });
  await Promise.all(dues.map((due) => spool.commit(one(due))));
}

const settle = (spool: Spool, { entry }: Claim): Promise<void> =>
  spool.change({ remove: [entry], ended: { delivered: entry.recipients.length } });

/** Delivers `count` and tells which, by priority, in their order. */
async function deliver(spool: Spool, count: number, now: number): Promise<Record<Priority, number[]>> {
  const given: Record<Priority, number[]> = { high: [], normal: [], low: [] };
  for (let i = 0; i < count; i++) {
    const claim = spool.claim(HERE, now);
    if (claim === null) break;
    given[priorityOf(claim.entry)].push(claim.entry.due);
    await settle(spool, claim);
  }
  return given;
}

const upTo = (count: number): number[] => [...Array(count).keys()];

test('the earliest of each lane, in shares of six, three and one', async () => {
  const { spool } = await openSpool(temporaryFolder());
  for (const priority of priorities) await fill(spool, priority, upTo(200).reverse());
  expect(await deliver(spool, 100, 1000)).toEqual({ high: upTo(60), normal: upTo(30), low: upTo(10) });
  expect(spool.dueCount(HERE, 1000, 10_000)).toBe(500);
  expect(spool.dueCount(HERE, 65, 10_000)).toBe(6 + 36 + 56);
  expect(spool.dueCount(HERE, 1000, 150)).toBe(150);
  expect(spool.nextDue(HERE)).toBe(10);
  expect([...spool.stock()]).toEqual([{ destination: HERE, entries: 500, nextDue: 10 }]);
});

test('low mail gets every tenth claim beside 10,000 urgent messages', async () => {
  const { spool } = await openSpool(temporaryFolder());
  await fill(spool, 'high', upTo(10_000));
  await fill(spool, 'low', upTo(200));
  const claimed = Array.from({ length: 2000 }, () => spool.claim(HERE, 20_000)?.entry.priority);
  for (let start = 0; start < 2000; start += 10) {
    expect(claimed.slice(start, start + 10).filter((priority) => priority === 'low')).toHaveLength(1);
  }
});

test('a claim that is given back is the next one, and takes no turn from the others', async () => {
  const { spool } = await openSpool(temporaryFolder());
  for (const priority of priorities) await fill(spool, priority, upTo(200));
  const delivered: Priority[] = [];
  for (let i = 0; i < 50; i++) {
    const given = spool.claim(HERE, 1000) as Claim;
    given.release();
    const claim = spool.claim(HERE, 1000) as Claim;
    expect(claim.entry).toEqual(given.entry);
    delivered.push(priorityOf(claim.entry));
    await settle(spool, claim);
  }
  const shares = priorities.map((priority) => delivered.filter((one) => one === priority).length);
  expect(shares).toEqual([30, 15, 5]);
});

test('what is due goes before what is urgent and not due', async () => {
  const { spool } = await openSpool(temporaryFolder());
  await fill(spool, 'high', [2000]);
  await fill(spool, 'low', [10, 20]);
  expect(spool.urgency(HERE, 5)).toBeNull();
  expect(spool.urgency(HERE, 10)).toBe('low');
  expect(spool.urgency(HERE, 2000)).toBe('high');
  expect(await deliver(spool, 5, 1000)).toEqual({ high: [], normal: [], low: [10, 20] });
});

test('an entry with another priority changes its lane', async () => {
  const { spool } = await openSpool(temporaryFolder());
  await fill(spool, 'high', upTo(5));
  await fill(spool, 'low', [100]);
  const last = [...spool.entriesOf(HERE, null)].at(-1) as QueueEntry;
  await spool.change({ put: [withPriority(last, 'normal')] });
  expect(spool.entry(last)).not.toHaveProperty('priority');
  const held = {
    ...withPriority(last, 'high'),
    hold: { reason: 'asked', since: 1, by: 'operator' } as const,
  };
  await spool.change({ put: [held] });
  expect([...spool.entriesOf(HERE, null)].at(-1)).toEqual(held);
  const { hold: _, ...free } = held;
  await spool.change({ put: [free] });
  expect(await deliver(spool, 10, 1000)).toEqual({ high: [...upTo(5), 100], normal: [], low: [] });
});

class Player {
  readonly #chance: Chance;
  /** By id; each message has one entry here. */
  readonly #entries = new Map<string, QueueEntry>();
  #claims: Claim[] = [];
  #now = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  async play(spool: Spool): Promise<void> {
    this.#now += this.#chance.next() * 3;
    const dice = this.#chance.next();
    if (dice < 0.3) await this.#add(spool);
    else if (dice < 0.65) this.#claim(spool);
    else if (dice < 0.8) await this.#settle(spool);
    else if (dice < 0.9) await this.#change(spool);
    else this.#giveBack();
    this.compare(spool);
  }

  async #add(spool: Spool): Promise<void> {
    const destinations = { [this.#chance.pick([HERE, THERE])]: 1 };
    const added = mail(spool, { destinations, due: this.#due() });
    const entry = withPriority(added.entries[0] as QueueEntry, this.#chance.pick(priorities));
    await spool.commit({ ...added, entries: [entry] });
    this.#entries.set(entry.id, entry);
  }

  #due(): number {
    return this.#now + this.#chance.int(60) - 40;
  }

  #claim(spool: Spool): void {
    const destination = this.#chance.pick([HERE, THERE]);
    const due = this.#free(destination).filter((entry) => entry.due <= this.#now);
    const claim = spool.claim(destination, this.#now);
    expect(claim === null).toBe(due.length === 0);
    if (claim === null) return;
    const { entry } = claim;
    expect(entry).toEqual(this.#entries.get(entry.id));
    const lane = due.filter(({ priority }) => priority === entry.priority);
    expect(entry.due).toBe(Math.min(...lane.map((one) => one.due)));
    this.#claims.push(claim);
  }

  async #settle(spool: Spool): Promise<void> {
    const claim = this.#takeClaim();
    if (!claim) return;
    if (this.#chance.next() < 0.5) {
      await settle(spool, claim);
      this.#entries.delete(claim.entry.id);
    } else await this.#put(spool, claim.entry);
  }

  async #change(spool: Spool): Promise<void> {
    const all = [...this.#entries.values()].filter((entry) => !spool.isClaimed(entry));
    if (all.length > 0) await this.#put(spool, this.#chance.pick(all));
  }

  async #put(spool: Spool, entry: QueueEntry): Promise<void> {
    const { hold: _, ...rest } = withPriority(entry, this.#chance.pick(priorities));
    const hold = { reason: 'asked', since: 1, by: 'operator' } as const;
    const destination = this.#chance.pick([HERE, HERE, THERE]);
    const put = { ...rest, destination, due: this.#due(), ...(this.#chance.next() < 0.2 && { hold }) };
    await spool.change({ put: [put] });
    this.#entries.set(put.id, put);
  }

  #giveBack(): void {
    this.#takeClaim()?.release();
  }

  #takeClaim(): Claim | undefined {
    const claim = this.#claims.length > 0 ? this.#chance.pick(this.#claims) : undefined;
    this.#claims = this.#claims.filter((other) => other !== claim);
    return claim;
  }

  #free(destination: string): QueueEntry[] {
    const claimed = new Set(this.#claims.map(({ entry }) => entry.id));
    const all = [...this.#entries.values()];
    return all.filter((entry) => entry.destination === destination && !entry.hold && !claimed.has(entry.id));
  }

  compare(spool: Spool): void {
    for (const destination of [HERE, THERE]) {
      const free = this.#free(destination);
      const due = free.filter((entry) => entry.due <= this.#now);
      const first = priorities.find((priority) => due.some((entry) => priorityOf(entry) === priority));
      expect(spool.urgency(destination, this.#now)).toBe(first ?? null);
      expect(spool.dueCount(destination, this.#now, 1000)).toBe(due.length);
      const next = Math.min(...free.map((entry) => entry.due));
      expect(spool.nextDue(destination)).toBe(free.length === 0 ? null : next);
    }
  }

  /** Claims end with the process. */
  restart(): void {
    this.#claims = [];
  }
}

test.each([1, 2, 3, 4, 5])('lanes agree with the model, seed %i', async (seed) => {
  const folder = temporaryFolder();
  const player = new Player(new Chance(seed));
  for (let restart = 0; restart < 3; restart++) {
    const { spool, fatal } = await openSpool(folder);
    player.compare(spool);
    for (let round = 0; round < 200; round++) await player.play(spool);
    expect(fatal).toEqual([]);
    await spool.close();
    player.restart();
  }
});
