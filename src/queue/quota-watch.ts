// What the house does when a quota is used up, and when something of it comes free before its time.
// budgets.ts tells it both; queued mail that has another route takes it, mail that waits is tried.
// Never counts, and never holds up who noticed.
import { quotaText } from '../policy/quota.ts';
import type { Full } from './budgets.ts';
import type { House } from './house.ts';
import { routeBudget, routeOfBudget } from './quotas.ts';
import { review } from './review.ts';

/** Once a window. */
export function quotaUsedUp(house: House, full: Full): void {
  const { key, quota, until } = full;
  const [of = '', ...name] = key.replace(/^accepted /, '').split(' ');
  const window = { quota: quotaText(quota), until: new Date(until).toISOString() };
  house.observer.event({ event: 'quota-full', of, name: name.join(' '), ...window });
  const route = routeOfBudget(key);
  if (route === null) return;
  void moveOn(house, route).catch((error: unknown) => {
    house.observer.warn('a review broke off', { route, error: String(error) });
  });
}

/** Mail that waits for the route and has another one. New mail finds out by itself. */
async function moveOn(house: House, route: string): Promise<void> {
  for (const destination of [...house.destinations.all()]) {
    if (destination.route === route && destination.nextDue !== null) await review(house, destination.key);
  }
}

/** Somebody gave back what was not sent. */
export function budgetOpened(house: House, key: string): void {
  const route = routeOfBudget(key);
  const now = house.clock.now();
  for (const destination of house.destinations.all()) {
    if (destination.route !== route || destination.notBefore <= now) continue;
    destination.notBefore = now;
    house.dispatcher.look(destination);
  }
}

/** At the start and after a reload: what was counted for the routes is said before anybody needs it. */
export function openRouteBudgets({ budgets, policy }: House): void {
  const now = policy();
  for (const name of now.routes.keys()) {
    const budget = routeBudget(now, name);
    if (budget) budgets.account(budget);
  }
}
