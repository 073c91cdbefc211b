// Which route is taken: when a message moves down its list, and what never moves it.
// Runs chooseRoute on states written by hand and on all states of a small world.
// Never looks at a policy's text.
import { expect, test } from 'vitest';
import { type FailureClass, failureClasses } from '../../../src/delivery/failure.ts';
import { chooseRoute, neverFallsBack, type RouteState } from '../../../src/policy/routing.ts';

const list = {
  routes: ['direct', 'provider', 'last'],
  fallback: { on: new Set<FailureClass>(['unreachable', 'blocked']), after: 2 },
};

const anything: ReadonlySet<FailureClass> = new Set(failureClasses);

function state(changes: Partial<RouteState>): RouteState {
  const quiet = {
    routeAttempts: 0,
    destinationFailures: 0,
    failure: null,
    inDoubt: false,
    sourceLeft: false,
    passed: () => null,
  };
  return { present: 'direct', ...quiet, ...changes };
}

const failed = (name: FailureClass, permanent = false) => ({ failure: { class: name, permanent } });

test.each<[what: string, state: RouteState, route: string]>([
  ['new mail takes the first', state({ present: null }), 'direct'],
  ['nothing failed yet', state({}), 'direct'],
  ['one attempt is not enough', state({ routeAttempts: 1, ...failed('unreachable') }), 'direct'],
  ['two attempts are', state({ routeAttempts: 2, ...failed('unreachable') }), 'provider'],
  [
    'two failures of the destination are',
    state({ destinationFailures: 2, ...failed('blocked') }),
    'provider',
  ],
  ['a class that is not listed', state({ routeAttempts: 9, ...failed('mailbox-full') }), 'direct'],
  ['a refusal for good moves at once', state({ routeAttempts: 1, ...failed('blocked', true) }), 'provider'],
  [
    'a refusal for good of another class stays',
    state({ routeAttempts: 1, ...failed('content', true) }),
    'direct',
  ],
  [
    'the second route has a fallback too',
    state({ present: 'provider', routeAttempts: 2, ...failed('blocked') }),
    'last',
  ],
  ['the last one has none', state({ present: 'last', routeAttempts: 9, ...failed('blocked') }), 'last'],
  ['a route that left the list', state({ present: 'old', routeAttempts: 9, ...failed('blocked') }), 'direct'],
  ['doubt stays', state({ inDoubt: true, routeAttempts: 9, ...failed('unreachable') }), 'direct'],
  ['doubt stays even off the list', state({ present: 'old', inDoubt: true }), 'old'],
])('%s', (_, given, route) => {
  const choice = chooseRoute(list, given);
  expect(choice.route).toBe(route);
  expect(choice.index).toBe(list.routes.indexOf(route));
  expect(choice.reason).not.toBe('');
});

test('unknown users and greylisting never fall back, even when all classes do', () => {
  for (const name of neverFallsBack)
    for (const permanent of [true, false]) {
      const given = state({ routeAttempts: 9, destinationFailures: 9, ...failed(name, permanent) });
      expect(chooseRoute({ ...list, fallback: { on: anything, after: 1 } }, given).index).toBe(0);
    }
});

test('a message never goes back up, never skips a route, and moves only for a listed class', () => {
  for (const [index, present] of list.routes.entries())
    for (const name of failureClasses)
      for (const permanent of [true, false])
        for (const inDoubt of [true, false])
          for (const attempts of [0, 1, 2, 3]) {
            const given = state({ present, inDoubt, routeAttempts: attempts, ...failed(name, permanent) });
            const step = chooseRoute(list, given).index - index;
            const mayMove =
              !inDoubt && index < 2 && list.fallback.on.has(name) && (permanent || attempts >= 2);
            expect([given, step]).toEqual([given, mayMove ? 1 : 0]);
          }
});
