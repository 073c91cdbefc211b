// Addresses that are warmed up, as budgets: today's for each of them, and why mail leaves by another one.
// placement.ts asks through house.ts, metering.ts reserves before an attempt, quota-views.ts shows them.
// Never counts: budgets.ts does, for all daemons on one Redis together.

import type { Budget } from '../limits/budgets.ts';
import type { Policy } from '../policy/policy.ts';
import type { Passed } from '../policy/routing.ts';
import { stageAt } from '../policy/warmup.ts';
import type { House } from './house.ts';
import { sourcesOf } from './pools.ts';
import { fullText, sourceBudgetKey } from './quotas.ts';

/** Null: as much as there is may leave from the address, or it is not its time yet. */
export function sourceBudget({ warmups }: Policy, source: string | null, now: number): Budget | null {
  const warmup = source === null ? undefined : warmups.get(source);
  if (!warmup) return null;
  const stage = stageAt(warmup, now);
  return stage.kind === 'day' ? { key: sourceBudgetKey(warmup.source), quotas: [stage.quota] } : null;
}

/** Of all addresses whose days have begun. */
export function sourceBudgets(policy: Policy, now: number): Budget[] {
  return [...policy.warmups.keys()].flatMap((source) => sourceBudget(policy, source, now) ?? []);
}

/** Why nothing leaves from the address for now. */
export function passedByWarmup(
  { budgets }: Pick<House, 'budgets'>,
  policy: Policy,
  source: string | null,
  now: number,
): Passed | null {
  const warmup = source === null ? undefined : policy.warmups.get(source);
  if (!warmup) return null;
  if (now < warmup.begins)
    return { reason: `${source} is used from ${warmup.start} on`, until: warmup.begins };
  const budget = sourceBudget(policy, source, now);
  // As of today: yesterday's number is not what counts.
  const full = budget && budgets.account(budget).full();
  return full && { reason: fullText(full), until: full.until };
}

/** Why mail passes a route over none of whose addresses can be used for now; null: one can, or it names none. */
export function passedByPool(
  house: Pick<House, 'budgets'>,
  policy: Policy,
  route: string,
  now: number,
): Passed | null {
  if (policy.warmups.size === 0) return null;
  let soonest: Passed | null = null;
  for (const { address } of sourcesOf(policy.routes.get(route))) {
    const passed = passedByWarmup(house, policy, address, now);
    if (passed === null) return null;
    if (soonest === null || passed.until < soonest.until) soonest = passed;
  }
  return soonest;
}
