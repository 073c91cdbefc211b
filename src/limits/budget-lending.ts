// How an account comes to what it may use: Redis lends it, the spool notes it, both before it is used.
// budget-account.ts calls it, one question at a time; budget-script.ts is what Redis does.
// Never believes Redis over what this daemon knows of itself: that is said with every question.
import type { Clock } from '../clock/clock.ts';
import { countedSince } from '../policy/quota.ts';
import type { Scripts } from '../redis/scripts.ts';
import type { Spool } from '../spool/spool.ts';
import type { Counted, Counter } from './budget-counter.ts';
import { type BudgetAnswer, reserveIn, type WindowRequest } from './budget-script.ts';

export interface Lenders {
  readonly scripts: Scripts;
  readonly spool: Pick<Spool, 'id' | 'change'>;
  readonly clock: Clock;
  /** As in a BudgetRequest; 0 where no other daemon is on this Redis. */
  readonly settle: number;
}

export interface Wish {
  /** Of one message; 0: only says what this daemon has. */
  readonly recipients: number;
  /** Beyond them, where there is plenty. */
  readonly ahead: number;
}

/** What the spool keeps of an account: what it was lent, by the counter's name. Never less than what was used. */
export type AccountNote = Readonly<Record<string, readonly Counted[]>>;

export const BUDGET_NOTES = 'budget ';

/** Redis keeps a window longer than it counts by so much: a daemon's clock may be behind. */
const KEPT_MS = 24 * 3_600_000;

/** Null: no answer from Redis, or no note on the disk. Never rejects. */
export async function borrow(
  key: string,
  counters: readonly Counter[],
  { recipients, ahead }: Wish,
  { scripts, spool, clock, settle }: Lenders,
): Promise<BudgetAnswer | null> {
  const spans = counters.map(({ span }) => span);
  const now = clock.now();
  const answer = await reserveIn(scripts, {
    daemon: spool.id,
    recipients,
    ahead,
    settle,
    windows: counters.map((counter) => windowOf(key, counter, now)),
  });
  if (!answer) return null;
  for (const [i, counter] of counters.entries()) {
    const said = answer.windows[i];
    // What was lent for a stretch that is over is void.
    if (said && counter.span === spans[i]) counter.learn(said);
  }
  return (await isNoted(key, counters, spool)) ? answer : null;
}

function windowOf(key: string, counter: Counter, now: number): WindowRequest {
  const { quota, name, span, used } = counter;
  // Keys of calendar windows end with them; the stretches of a rolling one share a key.
  const suffix = quota.window.kind === 'calendar' ? `:${span.start}` : '';
  return {
    key: `budget:${key}:${name}${suffix}`,
    max: quota.max,
    isPerMessage: quota.count === 'messages',
    isNew: !counter.isKnown,
    own: counter.own(),
    used,
    since: countedSince(quota.window, now),
    keep: counter.ends - now + KEPT_MS,
  };
}

/** False when the disk does not take the note. */
async function isNoted(
  key: string,
  counters: readonly Counter[],
  spool: Pick<Spool, 'change'>,
): Promise<boolean> {
  const lent = counters.map((counter) => ({ counter, span: counter.span, lent: counter.lent }));
  if (lent.every((one) => one.counter.noted === one.lent)) return true;
  const note: AccountNote = Object.fromEntries(
    counters.map((counter) => [counter.name, counter.own().filter(([, , count]) => count > 0)]),
  );
  try {
    await spool.change({ notes: { [BUDGET_NOTES + key]: note } });
  } catch {
    return false;
  }
  for (const one of lent) if (one.counter.span === one.span) one.counter.noted = one.lent;
  return true;
}
