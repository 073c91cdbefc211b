// What the house does when a quota is used up, and when something of it comes free before its time.
// budgets.ts tells it both; queued mail that has another route takes it, mail that waits is tried.
// Never counts, and never holds up who noticed.

import type { Full } from '../limits/budgets.ts';
import { quotaText } from '../policy/quota.ts';
import type { Destination } from './destinations.ts';
import type { House } from './house.ts';
import { routeBudget, routeOfBudget, sourceOfBudget } from './quotas.ts';
import { review } from './review.ts';
import { sourceBudgets } from './warmups.ts';

/** Nothing of it is left; `isNews`: for the first time in its window. */
export function quotaUsedUp(house: House, full: Full, isNews: boolean): void {
  const { key, quota, until } = full;
  const [of = '', ...name] = key.replace(/^accepted /, '').split(' ');
  const window = { quota: quotaText(quota), until: new Date(until).toISOString() };
  if (isNews) house.observer.event({ event: 'quota-full', of, name: name.join(' '), ...window });
  const isUnder = under(key);
  if (isUnder === null) return;
  void moveOn(house, isUnder).catch((error: unknown) => {
    house.observer.warn('a review broke off', { budget: key, error: String(error) });
  });
}

type IsUnder = (destination: Destination) => boolean;

/** The destinations whose mail comes under the budget; null: it is a sender's. */
function under(key: string): IsUnder | null {
  const route = routeOfBudget(key);
  if (route !== null) return (destination) => destination.route === route;
  const source = sourceOfBudget(key);
  return source === null ? null : (destination) => destination.source === source;
}

/** Mail that waits and may go another way. New mail finds out by itself. */
async function moveOn(house: House, isUnder: IsUnder): Promise<void> {
  for (const destination of [...house.destinations.all()]) {
    if (isUnder(destination) && destination.nextDue !== null) await review(house, destination.key);
  }
}

/** Somebody gave back what was not sent. */
export function budgetOpened(house: House, key: string): void {
  const isUnder = under(key);
  if (isUnder) tryNow(house, isUnder);
}

/** What waits for a window looks again, and waits on where it must. */
function tryNow({ clock, destinations, dispatcher }: House, isMeant: IsUnder): void {
  const now = clock.now();
  for (const destination of destinations.all()) {
    if (destination.notBefore <= now || !isMeant(destination)) continue;
    destination.notBefore = now;
    dispatcher.look(destination);
  }
}

/** At the start: what was counted is said before anybody needs it. */
export function openBudgets({ budgets, policy, clock }: House): void {
  const now = policy();
  for (const name of now.routes.keys()) {
    const budget = routeBudget(now, name);
    if (budget) budgets.account(budget);
  }
  for (const budget of sourceBudgets(now, clock.now())) budgets.account(budget);
}

/** After a reload: other quotas may have room for what waits. */
export function followQuotas(house: House): void {
  openBudgets(house);
  tryNow(house, () => true);
}
