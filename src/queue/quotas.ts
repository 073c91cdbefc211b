// The quotas of the policy as budgets: which ones a mail and its route come under, and why a route is passed over.
// placement asks which routes are used up, metering.ts reserves for an attempt, quota-intake.ts at acceptance.
// Never counts: budgets.ts does.

import type { Budget, Full } from '../limits/budgets.ts';
import { type Client, domainOf, type Message } from '../mail/envelope.ts';
import { subjectOf } from '../policy/match.ts';
import type { Policy } from '../policy/policy.ts';
import { quotaText, type SenderQuota } from '../policy/quota.ts';
import type { Passed } from '../policy/routing.ts';
import type { House } from './house.ts';

/** Who sent a message, as far as quotas ask. */
export type Origin = Pick<Message, 'from'> & { readonly client?: Pick<Client, 'address' | 'user'> };

/** When a quota of senders counts: what is sent, or what is accepted. */
export type Moment = 'attempt' | 'acceptance';

const ROUTE = 'route ';
const SOURCE = 'source ';

export const routeBudgetKey = (route: string): string => ROUTE + route;
export const sourceBudgetKey = (source: string): string => SOURCE + source;

/** Null: the route has no quota, or there is no such route. */
export function routeBudget(policy: Policy, name: string): Budget | null {
  const route = policy.routes.get(name);
  if (!route || route.via === 'discard' || route.quotas.length === 0) return null;
  return { key: routeBudgetKey(name), quotas: route.quotas };
}

/** The route whose budget this is; null: it is another one's. */
export function routeOfBudget(key: string): string | null {
  return key.startsWith(ROUTE) ? key.slice(ROUTE.length) : null;
}

/** The address of ours that is warmed up by this budget; null: it is another one's. */
export function sourceOfBudget(key: string): string | null {
  return key.startsWith(SOURCE) ? key.slice(SOURCE.length) : null;
}

/** Neither a route's nor an address's. */
export function isOfSender(key: string): boolean {
  return routeOfBudget(key) === null && sourceOfBudget(key) === null;
}

/**
 * One budget for each sender, domain or client that has quotas. Mail from the null sender comes under none: a
 * report that waits for the budget of nobody would be lost.
 */
export function senderBudgets(policy: Policy, mail: Origin, moment: Moment): Budget[] {
  if (mail.from === '' || policy.senderQuotas.length === 0) return [];
  const subject = subjectOf(mail.from);
  const byKey = new Map<string, SenderQuota[]>();
  for (const quota of policy.senderQuotas) {
    if ((quota.over === 'reject') !== (moment === 'acceptance')) continue;
    if (quota.for !== null && !quota.for.has(subject)) continue;
    const who = subjectFor(quota, mail);
    if (who === null) continue;
    const key = `${moment === 'acceptance' ? 'accepted ' : ''}${quota.of} ${who}`;
    byKey.set(key, [...(byKey.get(key) ?? []), quota]);
  }
  return [...byKey].map(([key, quotas]) => ({ key, quotas }));
}

/** Null: the mail has no such thing; the daemon's own has no client. */
function subjectFor({ of }: SenderQuota, { from, client }: Origin): string | null {
  switch (of) {
    case 'sender':
      return from.toLowerCase();
    case 'senderDomain':
      return domainOf(from);
    case 'client':
      return client?.address ?? null;
    case 'user':
      return client?.user ?? null;
  }
}

/** `ann@example.net: 500/day is used up`. */
export function fullText({ key, quota }: Full): string {
  const source = sourceOfBudget(key);
  if (source !== null) return `warm-up of ${source}, ${quotaText(quota)}, is used up`;
  const name = routeOfBudget(key) ?? key.replace(/^accepted /, '');
  return `quota of ${name}, ${quotaText(quota)}, is used up`;
}

/** Mail beyond it is held for an operator: it does not wait for the window. */
export function holdsBeyond({ quota }: Full): boolean {
  return 'over' in quota && quota.over === 'hold';
}

/** Why mail passes a route over whose quota is used up. */
export function passedByQuota(
  { budgets, policy }: Pick<House, 'budgets' | 'policy'>,
  route: string,
): Passed | null {
  const budget = routeBudget(policy(), route);
  const full = budget && budgets.account(budget).full();
  return full && { reason: fullText(full), until: full.until };
}
