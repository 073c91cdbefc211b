// Which route of a rule's list a message takes now: the present one, or the fallback behind it.
// queue/ asks when mail is queued and at each settlement, with what happened so far as data.
// Never goes back up the list and never moves a message whose last attempt is in doubt.
import { type Failure, type FailureClass, isOfSource } from '../delivery/failure.ts';
import type { Fallback, Policy } from './policy.ts';

/** The routes of a decision, in their order (never empty), and when to leave one for the next. */
export interface RouteList {
  readonly routes: readonly string[];
  readonly fallback: Fallback;
}

/** What happened to the recipient so far. */
export interface RouteState {
  /** Null for mail that is new. */
  readonly present: string | null;
  /** Counted attempts by the present route. */
  readonly routeAttempts: number;
  /** Failures in a row of the present destination, for any message. */
  readonly destinationFailures: number;
  /** The last failure, if there was one. */
  readonly failure: Pick<Failure, 'class' | 'permanent' | 'sourceTrouble'> | null;
  /** The present route has another address of ours that may get through where the last one did not. */
  readonly sourceLeft: boolean;
  /** The last attempt may have delivered the message: the next one must go the same way. */
  readonly inDoubt: boolean;
  /** Why mail like this passes a route over for now, whatever became of it there; null: it does not. */
  readonly passed: (route: string) => Passed | null;
}

/** A route that takes no such mail for now: its budget is used up, or its site was left. */
export interface Passed {
  readonly reason: string;
  /** When it may take mail again, ms since the epoch. */
  readonly until: number;
}

export interface RouteChoice {
  readonly route: string;
  /** In the list; -1 when the list has no such route and doubt keeps the message on it. */
  readonly index: number;
  /** Why, in words for the log and for explanations. */
  readonly reason: string;
}

/**
 * Failures that no other route would mend: the recipient does not exist anywhere (and a second answer
 * could only be a wrong one), and greylisting is over when the same address comes back.
 */
export const neverFallsBack: ReadonlySet<FailureClass> = new Set(['unknown-user', 'greylisted']);

/** A permanent failure whose choice is the present route again is a bounce, where the route does bounce. */
export function chooseRoute({ routes, fallback }: RouteList, state: RouteState): RouteChoice {
  const { present, passed } = state;
  if (present === null) return firstOpen(routes, choice(routes, 0, 'first in the list'), passed);
  const index = routes.indexOf(present);
  if (state.inDoubt) return { route: present, index, reason: 'the last attempt is in doubt' };
  if (index < 0)
    return firstOpen(routes, choice(routes, 0, `${present} is not in the list any more`), passed);
  const cause = causeToLeave(fallback, state);
  if (cause === null) return firstOpen(routes, choice(routes, index, 'no reason to leave it'), passed);
  if (index === routes.length - 1) return choice(routes, index, `last in the list, ${cause}`);
  return firstOpen(routes, choice(routes, index + 1, `fallback from ${present}: ${cause}`), passed);
}

/** From `wanted` on, the first route that is not passed over; where all are, the one that takes mail soonest. */
function firstOpen(
  routes: readonly string[],
  wanted: RouteChoice,
  passed: RouteState['passed'],
): RouteChoice {
  const why = passed(wanted.route);
  if (why === null) return wanted;
  let soonest = { index: wanted.index, ...why };
  for (let index = wanted.index + 1; index < routes.length; index++) {
    const other = passed(routes[index] as string);
    if (other === null) return choice(routes, index, `${wanted.route} is passed over: ${why.reason}`);
    if (other.until < soonest.until) soonest = { index, ...other };
  }
  return choice(routes, soonest.index, `waits: ${soonest.reason}`);
}

function causeToLeave(fallback: Fallback, state: RouteState): string | null {
  const { failure } = state;
  if (failure === null || neverFallsBack.has(failure.class) || !fallback.on.has(failure.class)) return null;
  if (state.sourceLeft && isOfSource(failure)) return null;
  if (failure.permanent) return `${failure.class}, for good`;
  const failures = Math.max(state.routeAttempts, state.destinationFailures);
  return failures >= fallback.after ? `${failure.class}, ${failures} times` : null;
}

function choice(routes: readonly string[], index: number, reason: string): RouteChoice {
  return { route: routes[index] as string, index, reason };
}

/** Whether a permanent failure by this route is a bounce; with `softBounce` it is waited for like any other. */
export function bounces({ routes }: Policy, name: string): boolean {
  const route = routes.get(name);
  return route === undefined || route.via === 'discard' || !route.softBounce;
}
