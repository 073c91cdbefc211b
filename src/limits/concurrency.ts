// How many connections a receiver takes, found out by trying: a state and one function that changes it.
// adaptive.ts keeps one for each site and tells it what happens; slots.ts allows as many as it says.
// Never goes above the operator's limit, and never asks a receiver again soon what it refused.

/** What Postfix begins with too: enough for nearly everybody, and few enough to be welcome anywhere. */
const BEGIN = 5;

/** Failures within this time are one trouble: what was under way when it began fails too. */
const ONE_TROUBLE_MS = 10_000;

/** One connection more than the receiver took is tried after this long, then after twice that, up to an hour. */
const FIRST_PROBE_MS = 5 * 60_000;
const LONGEST_PROBE_MS = 60 * 60_000;

/** A receiver that takes one more may take another: the way up is not as rare as the question. */
const STEP_MS = 10_000;

/** Above it the receiver refused; asked again at `probeAt`. */
export interface Ceiling {
  readonly connections: number;
  readonly since: number;
  readonly probeAt: number;
  /** How long the last wait for a probe was. */
  readonly patience: number;
}

export interface Concurrency {
  /** At least 1; grows by fractions, whole connections count. */
  readonly allowed: number;
  readonly ceiling: Ceiling | null;
  readonly halvedAt: number;
}

/** `open`: connections at work at that moment; of `opened` and `delivered`, the one that it is said of included. */
export type ConcurrencyEvent =
  | { readonly kind: 'opened'; readonly open: number }
  | { readonly kind: 'delivered'; readonly open: number }
  /** A connection was refused because there are others. */
  | { readonly kind: 'turned-away'; readonly open: number }
  /** The receiver said "slow down", or a connection said nothing more. */
  | { readonly kind: 'trouble'; readonly open: number };

export const BEGINNING: Concurrency = { allowed: BEGIN, ceiling: null, halvedAt: 0 };

/** Whole connections, at most `most`: the operator's number. */
export function allowedOf({ allowed }: Concurrency, most: number): number {
  return Math.max(1, Math.min(Math.floor(allowed), most));
}

/**
 * Beside other daemons that have so many: one more than theirs, which were let in. So a daemon that comes later
 * need not find out from the beginning, and none waits for ever behind one that knows more. What the receiver
 * has refused stays refused until it is asked again.
 */
export function allowedBeside(state: Concurrency, most: number, others: number, now: number): number {
  const own = allowedOf(state, most);
  const isRefused = state.ceiling !== null && now < state.ceiling.probeAt;
  return isRefused ? own : Math.max(own, Math.min(most, others + 1));
}

/** The state after the event. `most`: the operator's number; `now` in milliseconds. */
export function changed(state: Concurrency, event: ConcurrencyEvent, most: number, now: number): Concurrency {
  switch (event.kind) {
    case 'opened':
      return opened(state, event.open, now);
    case 'delivered':
      return delivered(state, event.open, most, now);
    case 'turned-away':
      return turnedAway(state, Math.max(1, event.open), now);
    case 'trouble':
      return halved(state, Math.max(1, event.open), now);
  }
}

/** More than were known to be welcome: the ceiling is higher, and the next step may come soon. */
function opened(state: Concurrency, open: number, now: number): Concurrency {
  const { ceiling } = state;
  if (ceiling === null || open <= ceiling.connections) return state;
  return { ...state, ceiling: { ...ceiling, connections: open, since: now, probeAt: now + STEP_MS } };
}

/** One more for as many deliveries as there are connections, when all of them are used. */
function delivered(state: Concurrency, open: number, most: number, now: number): Concurrency {
  const { allowed, ceiling } = state;
  if (open < allowedOf(state, most)) return state;
  const probing = ceiling !== null && now >= ceiling.probeAt;
  const roof = ceiling === null ? most : Math.min(most, ceiling.connections + (probing ? 1 : 0));
  return { ...state, allowed: Math.max(1, Math.min(allowed + 1 / allowed, roof)) };
}

/** The receiver has told us its number: those that it has. */
function turnedAway(state: Concurrency, open: number, now: number): Concurrency {
  const allowed = Math.min(state.allowed, open);
  return { ...state, allowed, ceiling: lowered(state.ceiling, open, now) };
}

/** Half of those that are at work, and one less than them at most for a while. */
function halved(state: Concurrency, open: number, now: number): Concurrency {
  if (now - state.halvedAt < ONE_TROUBLE_MS) return state;
  const working = Math.min(state.allowed, open);
  const ceiling = lowered(state.ceiling, Math.max(1, Math.floor(working) - 1), now);
  return { allowed: Math.max(1, working / 2), ceiling, halvedAt: now };
}

function lowered(before: Ceiling | null, connections: number, now: number): Ceiling {
  // Several that are refused in one moment are one refusal.
  if (before !== null && now - before.since < ONE_TROUBLE_MS && now < before.probeAt) {
    return { ...before, connections: Math.min(before.connections, connections) };
  }
  const patience = before === null ? FIRST_PROBE_MS : Math.min(before.patience * 2, LONGEST_PROBE_MS);
  return { connections, since: now, probeAt: now + patience, patience };
}
