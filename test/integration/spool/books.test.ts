// The books against a model: random mail, attempts, holds, withdrawals and restarts, seed after seed.
// After each round the spool must say exactly what the model says.
// Never random twice: a seed that fails, fails again.
import { expect, test } from 'vitest';
import type { Random } from '../../../src/clock/random.ts';
import { priorities, type QueueEntry, withPriority } from '../../../src/queue/entry.ts';
import type { Change, DestinationStock, Outcome, Spool } from '../../../src/spool/spool.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { contentOf, imbalance, mail, openSpool } from '../../harness/spool.ts';

const DESTINATIONS = ['mx a.example', 'mx b.example', 'smarthost'];
const ENDS: readonly Outcome[] = ['delivered', 'bounced', 'expired', 'removed', 'discarded'];

/** mulberry32: a small generator with a seed. */
function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Model {
  readonly entries = new Map<string, QueueEntry>();
  readonly content = new Map<string, string>();
  accepted = 0;
  readonly ended: Record<Outcome, number> = {
    delivered: 0,
    bounced: 0,
    expired: 0,
    discarded: 0,
    removed: 0,
  };

  apply({ remove = [], put = [], ended = {}, born = [] }: Change): void {
    for (const { id, seq } of remove) this.entries.delete(`${id}/${seq}`);
    for (const entry of put) this.entries.set(`${entry.id}/${entry.seq}`, entry);
    for (const outcome of ENDS) this.ended[outcome] += ended[outcome] ?? 0;
    for (const { entries } of born) this.add(entries, 0);
  }

  add(entries: readonly QueueEntry[], discarded: number): void {
    for (const entry of entries) this.entries.set(`${entry.id}/${entry.seq}`, entry);
    this.accepted += sum(entries) + discarded;
    this.ended.discarded += discarded;
  }
}

function sum(entries: Iterable<QueueEntry>): number {
  let recipients = 0;
  for (const entry of entries) recipients += entry.recipients.length;
  return recipients;
}

class Player {
  readonly model = new Model();
  readonly #random: Random;
  readonly #withdrawable = new Map<string, { entries: readonly QueueEntry[]; discarded: number }>();

  constructor(random: Random) {
    this.#random = random;
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }

  play(spool: Spool): Promise<void> {
    const dice = this.#random();
    if (dice < 0.4) return this.#commit(spool);
    if (dice < 0.75) return this.#attempt(spool);
    if (dice < 0.9) return this.#operate(spool);
    return this.#withdraw(spool);
  }

  /** With any priority: it may be another one than before. */
  #prioritised(entry: QueueEntry): QueueEntry {
    return withPriority(entry, this.#pick(priorities));
  }

  async #commit(spool: Spool): Promise<void> {
    const destinations = Object.fromEntries(
      DESTINATIONS.filter(() => this.#random() < 0.6).map((key) => [key, 1 + Math.floor(this.#random() * 3)]),
    );
    const discarded = this.#random() < 0.2 ? 1 : 0;
    const text = 'x'.repeat(Math.floor(this.#random() * 3000));
    const made = mail(spool, { destinations, discarded, content: Buffer.from(text) });
    const added = { ...made, entries: made.entries.map((entry) => this.#prioritised(entry)) };
    await spool.commit(added);
    this.model.add(added.entries, discarded);
    this.model.content.set(added.message.id, text);
    this.#withdrawable.set(added.message.id, { entries: added.entries, discarded });
  }

  async #attempt(spool: Spool): Promise<void> {
    const claim = spool.claim(this.#pick(DESTINATIONS), Date.now() + 1e6);
    if (claim === null) return;
    const { entry, message } = claim;
    expect(entry).toEqual(this.model.entries.get(`${entry.id}/${entry.seq}`));
    expect((await contentOf(await claim.body())).toString()).toBe(this.model.content.get(entry.id));
    if (this.#random() < 0.1) {
      claim.release();
      return;
    }
    claim.dotSent();
    this.#withdrawable.delete(message.id);
    const change = this.#outcome(spool, entry);
    await spool.change(change);
    this.model.apply(change);
    for (const { message: report } of change.born ?? []) this.model.content.set(report.id, 'report');
  }

  /** Some recipients are done, the others wait on, perhaps elsewhere. */
  #outcome(spool: Spool, entry: QueueEntry): Change {
    const done = entry.recipients.filter(() => this.#random() < 0.7);
    const rest = entry.recipients.filter((recipient) => !done.includes(recipient));
    const end = this.#pick(ENDS);
    const born =
      end === 'bounced' && done.length > 0
        ? [mail(spool, { content: Buffer.from('report'), message: { origin: 'dsn', from: '' } })]
        : [];
    const next = {
      ...entry,
      recipients: rest,
      due: entry.due + Math.floor(this.#random() * 1000),
      destination: this.#random() < 0.2 ? this.#pick(DESTINATIONS) : entry.destination,
      attempts: entry.attempts + 1,
    };
    const stay = rest.length > 0 ? { put: [this.#prioritised(next)] } : { remove: [entry] };
    return { ...stay, ended: { [end]: done.length }, born };
  }

  async #operate(spool: Spool): Promise<void> {
    const entries = [...this.model.entries.values()].filter((entry) => !spool.isClaimed(entry));
    if (entries.length === 0) return;
    const entry = this.#pick(entries);
    const { hold, ...free } = entry;
    const change: Change =
      this.#random() < 0.3
        ? { remove: [entry], ended: { removed: entry.recipients.length } }
        : { put: [hold ? free : { ...free, hold: { reason: 'asked', since: 1, by: 'operator' } }] };
    if (change.remove) this.#withdrawable.delete(entry.id);
    await spool.change(change);
    this.model.apply(change);
  }

  async #withdraw(spool: Spool): Promise<void> {
    const [[id, { entries, discarded }] = ['', { entries: [], discarded: 0 }]] = [...this.#withdrawable];
    const queued = [...this.model.entries.values()].filter((entry) => entry.id === id);
    const possible = queued.length > 0 && sum(queued) === sum(entries);
    expect(await spool.withdraw(id)).toBe(possible);
    this.#withdrawable.delete(id);
    if (!possible) return;
    for (const entry of queued) this.model.entries.delete(`${entry.id}/${entry.seq}`);
    this.model.accepted -= sum(queued) + discarded;
    this.model.ended.discarded -= discarded;
  }
}

/** The destination's entries as they are due, the held ones last. */
function inOrder(entries: readonly QueueEntry[], destination: string): QueueEntry[] {
  const due = ({ due, hold }: QueueEntry): number => (hold ? Number.MAX_SAFE_INTEGER : due);
  const name = ({ id, seq }: QueueEntry): string => `${id}/${seq}`;
  const byDue = (a: QueueEntry, b: QueueEntry): number => due(a) - due(b) || (name(a) < name(b) ? -1 : 1);
  return entries.filter((entry) => entry.destination === destination).sort(byDue);
}

function stockOf(entries: readonly QueueEntry[]): DestinationStock[] {
  const free = entries.filter(({ hold }) => !hold);
  const names = [...new Set(free.map(({ destination }) => destination))].sort();
  return names.map((destination) => {
    const due = free.filter((entry) => entry.destination === destination).map((entry) => entry.due);
    return { destination, entries: due.length, nextDue: Math.min(...due) };
  });
}

async function compare(spool: Spool, model: Model): Promise<void> {
  const entries = [...model.entries.values()];
  const key = ({ id, seq }: QueueEntry): string => `${id}/${seq}`;
  const sorted = entries.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  expect([...spool.scan(null)]).toEqual(sorted);
  const totals = spool.totals();
  expect(imbalance(totals)).toBe(0);
  expect(totals.ended).toEqual(model.ended);
  expect(totals.accepted.client + totals.accepted.dsn).toBe(model.accepted);
  expect(totals).toMatchObject({ queued: sum(entries), held: sum(entries.filter(({ hold }) => hold)) });
  for (const destination of DESTINATIONS) {
    const due = entries.filter((entry) => entry.destination === destination && !entry.hold);
    const first = due.length === 0 ? null : Math.min(...due.map((entry) => entry.due));
    expect(spool.nextDue(destination)).toBe(first);
    expect([...spool.entriesOf(destination, null)]).toEqual(inOrder(entries, destination));
    expect(spool.dueCount(destination, Number.MAX_SAFE_INTEGER - 1, 10_000)).toBe(due.length);
  }
  expect([...spool.stock()]).toEqual(stockOf(entries));
  for (const id of new Set(entries.map((entry) => entry.id))) {
    expect((await contentOf(await spool.body(id))).toString()).toBe(model.content.get(id));
  }
}

test.each([1, 2, 3, 4])('books, index and bodies agree with the model, seed %i', async (seed) => {
  const folder = temporaryFolder();
  const player = new Player(seeded(seed));
  for (let restart = 0; restart < 3; restart++) {
    const { spool, fatal } = await openSpool(folder, { segmentSize: 30_000 });
    await compare(spool, player.model);
    for (let round = 0; round < 80; round++) await player.play(spool);
    await compare(spool, player.model);
    expect(fatal).toEqual([]);
    await spool.close();
  }
});
