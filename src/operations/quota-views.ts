// Quotas as operators see them: each window with what is used, what is left, when it opens and when it runs out.
// control.ts answers `sendoff quota` with them, explain.ts shows those of one mail.
// Never reserves anything, and shows no more senders than fit a screen or two.

import type { Account } from '../limits/budget-account.ts';
import type { Counter } from '../limits/budget-counter.ts';
import type { Budget } from '../limits/budgets.ts';
import { type Quota, quotaText, type SenderQuota } from '../policy/quota.ts';
import type { House } from '../queue/house.ts';
import { isOfSender, type Origin, routeBudget, senderBudgets } from '../queue/quotas.ts';
import { sourceBudget, sourceBudgets } from '../queue/warmups.ts';
import type { QuotaView } from './operations.ts';

/** Of senders, those nearest to their end; there may be thousands. */
const MOST_SENDERS = 100;

/** All routes with a quota and addresses that are warmed up, then the senders that used most of theirs. Never rejects. */
export async function quotaViews(house: House): Promise<QuotaView[]> {
  const policy = house.policy();
  const budgets = [
    ...[...policy.routes.keys()].flatMap((name) => routeBudget(policy, name) ?? []),
    ...sourceBudgets(policy, house.clock.now()),
  ];
  const routes = budgets.map((budget) => house.budgets.account(budget));
  await Promise.all(routes.map((account) => account.refresh()));
  const now = house.clock.now();
  // What an earlier policy had is not shown, though it is still counted.
  const known = new Set<Quota>(policy.senderQuotas);
  const others = [...house.budgets.accounts()].filter(({ key }) => isOfSender(key));
  const present = others.filter(({ counters }) => counters.some(({ quota }) => known.has(quota)));
  const senders = present.flatMap((account) => viewsOf(account, now));
  const fullestFirst = senders.sort((a, b) => b.used / b.max - a.used / a.max);
  return [...routes.flatMap((account) => viewsOf(account, now)), ...fullestFirst.slice(0, MOST_SENDERS)];
}

/** Those of routes, for the metrics. */
export function routeQuotaLevels({ budgets, policy, clock }: House) {
  const now = policy();
  const accounts = [...now.routes.keys()].flatMap((name) => routeBudget(now, name) ?? []);
  const views = accounts.flatMap((budget) => viewsOf(budgets.account(budget), clock.now()));
  return views.map(({ name: route, quota, used, max }) => ({ route, quota, used, max }));
}

/** The quotas that a mail by this route from this address comes under, as far as this daemon knows. */
export function quotaLevels(house: House, mail: Origin, route: string, source: string | null): QuotaView[] {
  const now = house.clock.now();
  const ofSource = sourceBudget(house.policy(), source, now) ?? [];
  return [...budgetsOf(house, mail, route), ofSource]
    .flat()
    .flatMap((budget) => viewsOf(house.budgets.account(budget), now));
}

function budgetsOf(house: House, mail: Origin, route: string): Budget[] {
  const policy = house.policy();
  const senders = (['acceptance', 'attempt'] as const).flatMap((moment) =>
    senderBudgets(policy, mail, moment),
  );
  const ofRoute = routeBudget(policy, route);
  return ofRoute ? [ofRoute, ...senders] : senders;
}

function viewsOf(account: Account, now: number): QuotaView[] {
  account.roll();
  const [of = '', ...name] = account.key.replace(/^accepted /, '').split(' ');
  return account.counters.map((counter) => ({ of, name: name.join(' '), ...levelOf(counter, now) }));
}

function levelOf(counter: Counter, now: number): Omit<QuotaView, 'of' | 'name'> {
  const { quota, total, left, opens } = counter;
  const { max, count, window } = quota;
  return {
    quota: quotaText(quota),
    count,
    max,
    used: total,
    left,
    over: 'over' in quota ? (quota as SenderQuota).over : null,
    ends: window.kind === 'calendar' ? iso(opens) : null,
    opens: left > 0 ? null : iso(opens),
    runsOut: runsOut(counter, now),
  };
}

function runsOut(counter: Counter, now: number): string | null {
  const { left, opens, quota } = counter;
  const pace = counter.pace(now);
  if (left === 0 || pace === 0) return null;
  const at = now + left / pace;
  // In a rolling window what was sent long ago makes room meanwhile.
  const { window, max } = quota;
  const lasts = window.kind === 'calendar' ? at >= opens : pace * window.length <= max;
  return lasts ? null : iso(at);
}

const iso = (ms: number): string => new Date(ms).toISOString();
