// How a host of a smarthost route stands: in use, at rest after failures, or being probed.
// smarthosts.ts keeps one for each host and changes it by what attempts tell.
// Never reads the clock: the time is handed in.

const MINUTE = 60_000;

/** One failure may be chance, two a restart; three in a row are a state. */
const FAILURES_TO_REST = 3;

/** The first rest; each probe that fails doubles it. */
const FIRST_REST = MINUTE;

/** Longer would leave a host idle that is long since well. */
const LONGEST_REST = 30 * MINUTE;

/** Times in ms. */
export type Standing =
  | { readonly kind: 'up'; readonly failures: number }
  | { readonly kind: 'resting'; readonly until: number; readonly length: number }
  /** One attempt is finding out for all others. */
  | { readonly kind: 'probing'; readonly length: number };

export const fresh: Standing = { kind: 'up', failures: 0 };

/** Whether the next message may go there. */
export function mayBeTried(standing: Standing, now: number): boolean {
  return standing.kind === 'up' || (standing.kind === 'resting' && standing.until <= now);
}

/** When the rest is over; a host that is being probed comes last. */
export function restsUntil(standing: Standing): number {
  if (standing.kind === 'up') return 0;
  return standing.kind === 'resting' ? standing.until : Number.POSITIVE_INFINITY;
}

/** An attempt goes there. What is at rest is probed by it. */
export function taken(standing: Standing): Standing {
  return standing.kind === 'resting' ? { kind: 'probing', length: standing.length } : standing;
}

/** An attempt failed there. Attempts that began before the rest did say nothing new. */
export function failed(standing: Standing, isProbe: boolean, now: number): Standing {
  switch (standing.kind) {
    case 'up': {
      const failures = standing.failures + 1;
      return failures < FAILURES_TO_REST ? { kind: 'up', failures } : resting(FIRST_REST, now);
    }
    case 'resting':
      return standing;
    case 'probing':
      return isProbe ? resting(Math.min(2 * standing.length, LONGEST_REST), now) : standing;
  }
}

/** The probe ended without finding anything out: the next attempt is one. */
export function unprobed(standing: Standing, now: number): Standing {
  return standing.kind === 'probing' ? { kind: 'resting', until: now, length: standing.length } : standing;
}

function resting(length: number, now: number): Standing {
  return { kind: 'resting', until: now + length, length };
}
