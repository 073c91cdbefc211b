// One window of a budget as this daemon knows it: what it used, what it was lent, what others have.
// budget-account.ts asks Redis and the disk, and tells the counter what they said; quota.ts knows the windows.
// Never does I/O, and never hands out more than it was lent.
import { countedSince, leaves, type Quota, type Span, spanAt } from '../policy/quota.ts';
import { Trend } from './budget-trend.ts';

/** What was counted in one stretch of the window: when it began, when it stops to count, how much. */
export type Counted = readonly [start: number, until: number, count: number];

/** What all other daemons have in the window. */
export interface Elsewhere {
  readonly count: number;
  /** The earliest stretch of it; null: there is nothing. */
  readonly oldest: number | null;
}

/** Where something was counted, so that it can be given back there. */
export interface Mark {
  readonly counter: Counter;
  readonly start: number;
  readonly amount: number;
}

export class Counter {
  /** A reload may bring another. */
  quota: Quota;
  /** Tells apart the counters of one budget: the same for all quotas that count the same. */
  readonly name: string;
  /** The stretch that is counted now. */
  span: Span;
  used = 0;
  /** Lent by Redis in this stretch, what was used included. */
  lent = 0;
  /** The spool has a note of so much: only what is noted is used. */
  noted = 0;
  elsewhere: Elsewhere = { count: 0, oldest: null };
  /** Redis was asked about this stretch. */
  isKnown = false;
  readonly #trend = new Trend();
  /** Used in earlier stretches that are still in the window. */
  readonly #past = new Map<number, number>();

  constructor(quota: Quota, now: number, noted: readonly Counted[]) {
    this.quota = quota;
    this.name = counterName(quota);
    this.span = spanAt(quota.window, now);
    for (const [start, , count] of noted) this.#past.set(start, count);
    this.#enter(now);
  }

  /** Goes on to the stretch that is counted at this moment; what was lent for another one is void. */
  roll(now: number): void {
    const { start, end } = this.span;
    if (now >= start && now < end) return;
    this.#past.set(start, this.used);
    this.span = spanAt(this.quota.window, now);
    this.#enter(now);
  }

  #enter(now: number): void {
    const { window } = this.quota;
    const { start } = this.span;
    const since = countedSince(window, now);
    // A clock that was set back must not count what is yet to come.
    for (const [past] of this.#past) if (past < since || past > start) this.#past.delete(past);
    if (window.kind === 'calendar') this.elsewhere = { count: 0, oldest: null };
    this.used = this.lent = this.noted = this.#past.get(start) ?? 0;
    this.#past.delete(start);
    this.isKnown = false;
  }

  /** What so many recipients of one message cost here. */
  costOf(recipients: number): number {
    return this.quota.count === 'messages' ? Math.min(1, recipients) : recipients;
  }

  /** May be used without asking anybody. */
  get atHand(): number {
    return Math.max(0, Math.min(this.lent, this.noted) - this.used);
  }

  /** Used in the window by this daemon. */
  get mine(): number {
    let sum = this.used;
    for (const count of this.#past.values()) sum += count;
    return sum;
  }

  /** Used in the window by all daemons, what others were lent included. */
  get total(): number {
    return this.mine + this.elsewhere.count;
  }

  get left(): number {
    return Math.max(0, this.quota.max - this.total);
  }

  /** Once a while, so that there is a pace. */
  watch(now: number): void {
    this.#trend.note(now, this.total);
  }

  /** Per millisecond, lately. */
  pace(now: number): number {
    const { window } = this.quota;
    const began = window.kind === 'calendar' ? this.span.start : now - window.length;
    return this.#trend.pace(now, this.total, began);
  }

  /** When something of it can be used again, once it is used up. */
  get opens(): number {
    const { window } = this.quota;
    if (window.kind === 'calendar') return this.span.end;
    const starts = [...this.#past.entries()].filter(([, count]) => count > 0).map(([start]) => start);
    if (this.elsewhere.oldest !== null) starts.push(this.elsewhere.oldest);
    const first = Math.min(this.span.start, ...starts);
    return leaves(window, spanAt(window, first));
  }

  /** When the present stretch stops to count. */
  get ends(): number {
    return leaves(this.quota.window, this.span);
  }

  /** What Redis said: lent in the present stretch, and under this daemon's name before. */
  learn({ lent, had, elsewhere }: { lent: number; had: number; elsewhere: Elsewhere }): void {
    // An earlier process of this daemon had more than its notes say.
    if (!this.isKnown) this.used = Math.max(this.used, had);
    this.lent = Math.max(this.lent, this.used, lent);
    this.elsewhere = elsewhere;
    this.isKnown = true;
  }

  use(amount: number): Mark {
    this.used += amount;
    return { counter: this, start: this.span.start, amount };
  }

  giveBack(start: number, amount: number): void {
    if (start === this.span.start) this.used = Math.max(0, this.used - amount);
    else {
      const before = this.#past.get(start);
      if (before !== undefined) this.#past.set(start, Math.max(0, before - amount));
    }
  }

  /** What this daemon has in the window, the present stretch last, with what it was lent there. */
  own(): Counted[] {
    this.lent = Math.max(this.lent, this.used);
    const { window } = this.quota;
    const all = [...this.#past, [this.span.start, this.lent] as const];
    return all.map(([start, count]) => [start, leaves(window, spanAt(window, start)), count]);
  }
}

export function counterName({ window, count }: Quota): string {
  return `${count} ${window.kind === 'calendar' ? window.unit : `rolling ${window.length}`}`;
}
