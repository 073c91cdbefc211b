// Warming up a source address: how many recipients a day may hear from it, day after day.
// warmup-schema.ts reads it; queue/warmups.ts makes budgets of it, which all daemons on one Redis share.
// Never counts and never reads a clock: the moment is handed in.
import { type Quota, startOfDate } from './quota.ts';

/** A receiver that never heard from an address takes little from it; trust grows with the days. */
export interface Warmup {
  readonly source: string;
  /** As the policy writes it: `2026-12-01`. */
  readonly start: string;
  /** Ms since the epoch; nothing leaves from the address before. */
  readonly begins: number;
  /** One after the other. */
  readonly days: readonly WarmupDay[];
}

interface WarmupDay {
  /** The first moment after it. */
  readonly ends: number;
  readonly quota: Quota;
}

export type WarmupStage =
  | { readonly kind: 'ahead' }
  /** From 1. */
  | { readonly kind: 'day'; readonly day: number; readonly quota: Quota }
  | { readonly kind: 'over' };

export function stageAt({ begins, days }: Warmup, at: number): WarmupStage {
  if (at < begins) return { kind: 'ahead' };
  const index = days.findIndex(({ ends }) => at < ends);
  const today = days[index];
  return today ? { kind: 'day', day: index + 1, quota: today.quota } : { kind: 'over' };
}

const DAY_MS = 86_400_000;

/**
 * `start`: a date; days are those of the zone. Recipients are counted, as receivers count: each of them hears
 * from the address once.
 */
export function warmupFrom(source: string, start: string, perDay: readonly number[], zone: string): Warmup {
  const first = Date.parse(start);
  const window = { kind: 'calendar', unit: 'day', zone } as const;
  return {
    source,
    start,
    begins: startOfDate(zone, first),
    days: perDay.map((max, n) => ({
      ends: startOfDate(zone, first + (n + 1) * DAY_MS),
      quota: { max, count: 'recipients', window },
    })),
  };
}
