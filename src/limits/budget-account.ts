// The budget of one key: all its windows, lent by Redis, noted in the spool, used one after another.
// budgets.ts keeps the accounts and says when time passes; budget-lending.ts asks Redis and writes the notes.
// Never lets anything be used that Redis has not lent and the spool has not noted.
import type { Quota } from '../policy/quota.ts';
import { Counter, counterName, type Mark } from './budget-counter.ts';
import { type AccountNote, borrow, type Lenders } from './budget-lending.ts';
import { type BudgetAnswer, PLENTY, SHARE } from './budget-script.ts';

/**
 * Lent ahead of what is needed, doubled as long as it lasts for less than a second: some round trips and notes a
 * second, however fast mail goes, and nothing where it goes slowly.
 */
const LEAST_AHEAD = 16;
const MOST_AHEAD = 1_000;
const LASTS_MS = 1_000;

/** What is lent and not used goes back after this long: others may need it. */
const IDLE_MS = 1_000;

/** A budget that is used up is asked for again this often: others may have given something back. */
const FULL_AGAIN_MS = 5_000;

export interface Full {
  /** Of the budget. */
  readonly key: string;
  readonly quota: Quota;
  /** When something of it can be used again, ms since the epoch. */
  readonly until: number;
}

export type Taking =
  | { readonly marks: readonly Mark[]; readonly recipients: number }
  | { readonly full: Full }
  /** Redis or the disk does not answer, or daemons have yet to say what they have: milliseconds to wait. */
  | { readonly away: number };

export interface AccountOptions extends Lenders {
  /** Something of it can be used again before its window said so. */
  readonly opened: (key: string) => void;
}

/** Redis or the disk is asked again after this long. */
const AWAY_MS = 2_000;

/** What is void by a breath is asked for again after this long. */
const AGAIN_MS = 100;

export class Account {
  readonly key: string;
  /** One for each thing that is counted. */
  counters: readonly Counter[];
  #quotas: readonly Quota[];
  readonly #options: AccountOptions;
  /** One question at a time: each counts on the answer to the one before. */
  #line: Promise<unknown> = Promise.resolve();
  #asking = 0;
  /** Those of them who wait to take something. */
  #waiting = 0;
  #askedAt = 0;
  #usedAt = 0;
  #ahead = 0;
  #lentAt = 0;
  /** Used ahead of Redis and of the disk. */
  #isDirty = false;

  constructor(key: string, quotas: readonly Quota[], note: AccountNote | undefined, options: AccountOptions) {
    this.key = key;
    this.#options = options;
    const now = options.clock.now();
    this.#quotas = quotas;
    this.counters = strictest(quotas).map((one) => new Counter(one, now, note?.[counterName(one)] ?? []));
  }

  /** Other quotas hold from now on; what was counted goes on to count. */
  follow(quotas: readonly Quota[]): void {
    const isSame = quotas.length === this.#quotas.length && quotas.every((one, i) => one === this.#quotas[i]);
    if (isSame) return;
    this.#quotas = quotas;
    const now = this.#options.clock.now();
    this.counters = strictest(quotas).map((quota) => {
      const counter = this.counters.find(({ name }) => name === counterName(quota));
      if (!counter) return new Counter(quota, now, []);
      counter.quota = quota;
      return counter;
    });
  }

  /** Something for at most so many recipients of one message, or why there is nothing. Never rejects. */
  take(recipients: number): Taking | Promise<Taking> {
    const at = this.#now();
    // Who waits for Redis is not overtaken.
    if (this.#waiting > 0 || !this.#has(recipients)) return this.#inLine(recipients);
    this.#refill(recipients);
    return this.#use(recipients, at);
  }

  /** Counts what happens here and now, and tells Redis later, or says what is full as far as this daemon knows. */
  takeAtOnce(recipients: number): readonly Mark[] | Full {
    const at = this.#now();
    const tight = this.counters.find((counter) => counter.left < counter.costOf(recipients));
    if (tight) return this.#fullBy(tight);
    this.#isDirty = true;
    return this.#use(recipients, at).marks;
  }

  giveBack(marks: readonly Mark[]): void {
    const wasFull = this.full() !== null;
    for (const { counter, start, amount } of marks) counter.giveBack(start, amount);
    if (wasFull && this.full() === null) this.#options.opened(this.key);
  }

  /** Null: there is something left, as far as this daemon knows. */
  full(): Full | null {
    this.#now();
    const tight = this.counters.filter(({ atHand, left, isKnown }) => atHand <= 0 && left <= 0 && isKnown);
    if (tight.length === 0) return null;
    const last = tight.reduce((a, b) => (b.opens > a.opens ? b : a));
    return this.#fullBy(last);
  }

  /**
   * Once a second: lent and unused goes back, what was used ahead is said, a full budget is looked at again.
   * False when nothing of this is to come as long as nobody uses it.
   */
  tick(now: number): boolean {
    this.#now();
    for (const counter of this.counters) counter.watch(now);
    if (this.#asking > 0) return true;
    const isFull = this.full() !== null;
    if (this.#owes && (this.#isDirty || now - this.#usedAt >= IDLE_MS))
      void this.#queued(() => this.#giveAway());
    else if (isFull && now - this.#askedAt >= FULL_AGAIN_MS) this.#lookAgain();
    return isFull || this.#owes;
  }

  /** Redis has to hear of it. */
  get #owes(): boolean {
    return this.#isDirty || this.counters.some(({ used, lent }) => lent > used);
  }

  /** Says what this daemon has: Redis may have lost it. */
  assert(): void {
    void this.#queued(() => this.#borrow(0, 0));
  }

  /** Gives all of it away that is not used. Never rejects. */
  async close(): Promise<void> {
    if (this.#owes || this.#asking > 0) await this.#queued(() => this.#giveAway());
  }

  /** Asks for what others have. Never rejects. */
  async refresh(): Promise<void> {
    await this.#queued(() => this.#borrow(0, 0));
  }

  /** Whether anything of it still counts. */
  isOver(now: number): boolean {
    this.#now();
    if (this.#asking > 0 || now - this.#usedAt <= IDLE_MS || this.full() !== null) return false;
    return this.counters.every(({ mine }) => mine === 0);
  }

  /** Brings all windows to this moment. */
  roll(): void {
    this.#now();
  }

  #now(): number {
    const now = this.#options.clock.now();
    for (const counter of this.counters) counter.roll(now);
    return now;
  }

  #has(recipients: number): boolean {
    return this.counters.every((counter) => counter.isKnown && counter.atHand >= counter.costOf(recipients));
  }

  #use(recipients: number, at: number): { marks: readonly Mark[]; recipients: number } {
    this.#usedAt = at;
    return { marks: this.counters.map((counter) => counter.use(counter.costOf(recipients))), recipients };
  }

  /** Far from the end the next lease comes before the last one is used up. */
  #refill(recipients: number): void {
    if (this.#asking > 0) return;
    const isLow = this.counters.some(({ atHand, left }) => {
      const spare = left - atHand;
      const lease = Math.min(this.#ahead, spare / SHARE);
      // Near its end nothing is lent ahead: asking would be in vain.
      return spare > PLENTY && atHand < recipients + lease / 2;
    });
    if (isLow) void this.#queued(() => this.#borrow(0, this.#stepped()));
  }

  #queued<T>(work: () => Promise<T>): Promise<T> {
    this.#asking++;
    const done = this.#line.then(work).finally(() => this.#asking--);
    this.#line = done.catch(() => undefined);
    return done;
  }

  async #inLine(recipients: number): Promise<Taking> {
    this.#waiting++;
    try {
      return await this.#queued(() => this.#take(recipients));
    } finally {
      this.#waiting--;
    }
  }

  async #take(recipients: number): Promise<Taking> {
    const at = this.#now();
    if (this.#has(recipients)) return this.#use(recipients, at);
    const full = this.full();
    if (full && at - this.#askedAt < FULL_AGAIN_MS) return { full };
    const answer = await this.#borrow(recipients, this.#stepped());
    if (!answer) return { away: AWAY_MS };
    if (answer.settling > 0) return { away: answer.settling };
    const now = this.#now();
    const fits = Math.min(answer.recipients, recipients);
    if (fits > 0 && this.#has(fits)) return this.#use(fits, now);
    const closed = this.full();
    // The window went by while Redis was asked: the next try is in another one.
    return closed ? { full: closed } : { away: AGAIN_MS };
  }

  async #giveAway(): Promise<void> {
    for (const counter of this.counters) counter.lent = counter.used;
    this.#isDirty = false;
    // What Redis did not hear it is told again.
    if (!(await this.#borrow(0, 0))) this.#isDirty = true;
  }

  #lookAgain(): void {
    void this.#queued(async () => {
      await this.#borrow(0, 0);
      if (this.full() === null) this.#options.opened(this.key);
    });
  }

  /** How much is lent ahead this time. */
  #stepped(): number {
    const now = this.#options.clock.now();
    const isFast = now - this.#lentAt < LASTS_MS;
    if (isFast) this.#ahead = Math.min(MOST_AHEAD, Math.max(LEAST_AHEAD, this.#ahead * 2));
    else this.#ahead = this.#ahead > LEAST_AHEAD ? this.#ahead / 2 : 0;
    this.#lentAt = now;
    return this.#ahead;
  }

  #borrow(recipients: number, ahead: number): Promise<BudgetAnswer | null> {
    this.#askedAt = this.#now();
    return borrow(this.key, this.counters, { recipients, ahead }, this.#options);
  }

  #fullBy({ quota, opens }: Counter): Full {
    return { key: this.key, quota, until: opens };
  }
}

/** Of quotas that count the same, the smallest. */
function strictest(quotas: readonly Quota[]): Quota[] {
  const byName = new Map<string, Quota>();
  for (const quota of quotas) {
    const other = byName.get(counterName(quota));
    if (!other || quota.max < other.max) byName.set(counterName(quota), quota);
  }
  return [...byName.values()];
}
