// Budgets that all daemons on one Redis share: so much in a window, counted exactly, kept across losses of Redis.
// quotas.ts reserves before an attempt and gives back what was surely not sent; anything that has a budget may.
// Never knows what a budget is for: keys and quotas are its caller's.
import type { Clock, Timer } from '../clock/clock.ts';
import type { Quota } from '../policy/quota.ts';
import type { Scripts } from '../redis/scripts.ts';
import type { Spool } from '../spool/spool.ts';
import { Account, type Full } from './budget-account.ts';
import { counterName, type Mark } from './budget-counter.ts';
import { type AccountNote, BUDGET_NOTES } from './budget-lending.ts';
import { lifeOf } from './budget-script.ts';

export type { Full } from './budget-account.ts';

export interface Budget {
  /** `route provider`: the same for all that count together. */
  readonly key: string;
  /** All hold at a time. */
  readonly quotas: readonly Quota[];
}

/** What a reservation is good for: to be settled once, whatever happened. */
export interface Reservation {
  /** Of those that were asked for, from the first on; one at least. */
  readonly recipients: number;
  /** The attempt is over and `kept` of the recipients may have got the mail: the others are given back. */
  settle(kept: number): void;
}

export type Reserving =
  | Reservation
  /** Nothing is left. */
  | { readonly full: Full }
  /** Nobody can say: milliseconds to wait. */
  | { readonly away: number };

export interface BudgetsOptions {
  readonly scripts: Scripts;
  readonly spool: Pick<Spool, 'id' | 'change' | 'notes'>;
  readonly clock: Clock;
  /** Whether other daemons may be on this Redis. */
  readonly isShared: boolean;
  /** Something can be used again before the window said so. */
  readonly opened: (key: string) => void;
  /** Nothing of it is left; `isNews`: for the first time in its window. */
  readonly usedUp: (full: Full, isNews: boolean) => void;
}

/** How often time is looked at. */
const TICK_MS = 1_000;

/** Three ticks: every daemon has seen by then that Redis lost something, and said what it has. */
const SETTLE_MS = 3 * TICK_MS;

/** One that opens by a little and is used up again is not told of more often. */
const SHUT_MS = 10_000;

/** A window that is over is forgotten, with its note, within this time. */
const SWEEP_MS = 60_000;

/** Where no budget says anything. */
const ENDLESS: Reservation = { recipients: Number.POSITIVE_INFINITY, settle: () => undefined };

export class Budgets {
  readonly #options: BudgetsOptions;
  readonly #settle: number;
  readonly #accounts = new Map<string, Account>();
  /** Those that were asked for lately, or have something to say. */
  readonly #awake = new Set<Account>();
  /** Of an earlier process, until the account is opened. */
  readonly #notes = new Map<string, AccountNote>();
  /** Windows whose end was told: until when, by budget and counter. */
  readonly #told = new Map<string, number>();
  /** Budgets of which nothing was left, and how long that was to last. */
  readonly #shut = new Map<string, { readonly since: number; readonly until: number }>();
  #life: string | null = null;
  #timer: Timer | null = null;
  #sweptAt = 0;
  #stopped = false;

  constructor(options: BudgetsOptions) {
    this.#options = options;
    this.#settle = options.isShared ? SETTLE_MS : 0;
    // Mail is accepted before the start, and may come under a budget.
    for (const [name, note] of options.spool.notes(BUDGET_NOTES)) {
      this.#notes.set(name.slice(BUDGET_NOTES.length), note as AccountNote);
    }
  }

  start(): void {
    this.#tick();
  }

  /** Gives away what is lent and not used. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await Promise.all([...this.#accounts.values()].map((account) => account.close()));
  }

  /** Something under all budgets for at most so many recipients of one message. Never rejects. */
  reserve(budgets: readonly Budget[], recipients: number): Reserving | Promise<Reserving> {
    return budgets.length === 0 ? ENDLESS : this.#reserve(budgets, recipients);
  }

  async #reserve(budgets: readonly Budget[], recipients: number): Promise<Reserving> {
    const taken: Taken[] = [];
    let fits = recipients;
    for (const budget of budgets) {
      const account = this.#account(budget);
      const taking = await account.take(fits);
      if ('marks' in taking) {
        taken.push({ account, marks: taking.marks });
        fits = taking.recipients;
        continue;
      }
      for (const one of taken) one.account.giveBack(one.marks);
      if ('away' in taking) return taking;
      this.#closed(taking.full);
      return taking;
    }
    return reservation(
      taken.map((one) => trimmed(one, fits)),
      fits,
    );
  }

  /** Counts what happens here and now; daemons hear of each other's within a second. Nothing is counted when it is too much. */
  reserveAtOnce(budgets: readonly Budget[], recipients: number): Reservation | { readonly full: Full } {
    if (budgets.length === 0) return ENDLESS;
    const taken: Taken[] = [];
    for (const budget of budgets) {
      const account = this.#account(budget);
      const marks = account.takeAtOnce(recipients);
      if ('until' in marks) {
        for (const one of taken) one.account.giveBack(one.marks);
        this.#closed(marks);
        return { full: marks };
      }
      taken.push({ account, marks });
    }
    return reservation(taken, recipients);
  }

  #closed(full: Full): void {
    const now = this.#options.clock.now();
    if (now < (this.#shut.get(full.key)?.until ?? 0)) return;
    this.#shut.set(full.key, { since: now, until: full.until });
    this.#options.usedUp(full, this.#isNews(full));
  }

  #isNews(full: Full): boolean {
    const { key, quota, until } = full;
    const name = `${key} ${counterName(quota)}`;
    const now = this.#options.clock.now();
    if ((this.#told.get(name) ?? 0) > now) return false;
    // A rolling window opens bit by bit; it is news once a length of it.
    this.#told.set(name, quota.window.kind === 'calendar' ? until : now + quota.window.length);
    return true;
  }

  /** Why nothing of the budget can be used now, as far as this daemon knows; null: something can. */
  full(key: string): Full | null {
    return this.#accounts.get(key)?.full() ?? null;
  }

  /** How things stand, as far as this daemon knows. */
  account(budget: Budget): Account {
    return this.#account(budget);
  }

  /** Those that were used here lately, with their keys. */
  accounts(): Iterable<Account> {
    return this.#accounts.values();
  }

  #account({ key, quotas }: Budget): Account {
    const known = this.#accounts.get(key);
    if (known) {
      known.follow(quotas);
      this.#awake.add(known);
      return known;
    }
    const account = new Account(key, quotas, this.#notes.get(key), {
      ...this.#options,
      settle: this.#settle,
    });
    this.#notes.delete(key);
    this.#accounts.set(key, account);
    this.#awake.add(account);
    return account;
  }

  #tick(): void {
    if (this.#stopped) return;
    const now = this.#options.clock.now();
    for (const account of this.#awake) {
      if (!account.tick(now)) this.#awake.delete(account);
      // Mail that passes it over asks for nothing.
      const full = account.full();
      if (full) this.#closed(full);
      else if (now - (this.#shut.get(account.key)?.since ?? now) >= SHUT_MS) this.#shut.delete(account.key);
    }
    if (this.#settle > 0) void this.#listen();
    if (now - this.#sweptAt >= SWEEP_MS) this.#sweep(now);
    this.#timer = this.#options.clock.after(TICK_MS, () => this.#tick());
  }

  /** After a loss of Redis every daemon says what it has before anybody is lent more. */
  async #listen(): Promise<void> {
    const life = await lifeOf(this.#options.scripts, this.#settle);
    if (life === null || life === this.#life) return;
    this.#life = life;
    for (const account of this.#accounts.values()) account.assert();
  }

  #sweep(now: number): void {
    this.#sweptAt = now;
    for (const [name, until] of this.#told) if (until <= now) this.#told.delete(name);
    const forgotten: Record<string, null> = {};
    for (const [key, account] of this.#accounts) {
      if (!account.isOver(now)) continue;
      this.#accounts.delete(key);
      this.#awake.delete(account);
      this.#shut.delete(key);
      forgotten[BUDGET_NOTES + key] = null;
    }
    for (const [key, note] of this.#notes) {
      if (Object.values(note).some((all) => all.some(([, until]) => until > now))) continue;
      this.#notes.delete(key);
      forgotten[BUDGET_NOTES + key] = null;
    }
    // A note that stays is looked at again after the next start.
    if (Object.keys(forgotten).length > 0)
      this.#options.spool.change({ notes: forgotten }).catch(() => undefined);
  }
}

interface Taken {
  readonly account: Account;
  readonly marks: readonly Mark[];
}

/** What a later budget had less room for is not used under an earlier one. */
function trimmed({ account, marks }: Taken, recipients: number): Taken {
  account.giveBack(beyond(marks, recipients));
  const cost = ({ counter, amount }: Mark): number => Math.min(amount, counter.costOf(recipients));
  return { account, marks: marks.map((mark) => ({ ...mark, amount: cost(mark) })) };
}

function reservation(taken: readonly Taken[], recipients: number): Reservation {
  let isSettled = false;
  return {
    recipients,
    settle(kept) {
      if (isSettled) return;
      isSettled = true;
      for (const { account, marks } of taken) account.giveBack(beyond(marks, kept));
    },
  };
}

/** What the marks have for more recipients than these. */
function beyond(marks: readonly Mark[], recipients: number): Mark[] {
  return marks.flatMap((mark) => {
    const amount = mark.amount - mark.counter.costOf(recipients);
    return amount > 0 ? [{ ...mark, amount }] : [];
  });
}
