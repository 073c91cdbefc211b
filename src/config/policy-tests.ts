// The tests of a policy's files, run and placed: which passed, and where the others stand.
// load-policy.ts calls it with what it compiled; `policy test` tells all of them, `check` and a reload the failing ones.
// Never decides whether a failing test matters: its caller does.
import type { Policy } from '../policy/policy.ts';
import { type Miss, missesOf } from '../policy/policy-tests.ts';
import type { PolicyTest } from '../policy/test-schema.ts';
import { problemAt } from './document.ts';
import type { PolicyFile } from './policy-files.ts';
import { closest, type Place, type Problem } from './problem.ts';

/** One test as it came out. */
export interface TestResult {
  readonly test: PolicyTest;
  /** Where it begins. */
  readonly place: Place;
  /** Empty when it passes. */
  readonly problems: readonly Problem[];
}

/** `tests`: those of `file`, in its order. */
export function runTests(policy: Policy, file: PolicyFile, tests: readonly PolicyTest[]): TestResult[] {
  return tests.map((test, index) => {
    const place = file.document.place(['tests', index], 'value');
    const misses = missesOf(policy, test);
    return { test, place, problems: misses.map((miss) => problemOf(miss, policy, test, file, index)) };
  });
}

function problemOf(
  { key, wanted, got, open }: Miss,
  policy: Policy,
  { mail }: PolicyTest,
  { document }: PolicyFile,
  index: number,
): Problem {
  const path = ['tests', index, 'expect', key];
  const who = `${mail.from === '' ? '<>' : mail.from} to ${mail.to}`;
  const message = `the test fails: for mail from ${who} the ${key} is "${got}", not "${wanted}"`;
  const names = policy.rules.map(({ name }) => name);
  const meant = key === 'rule' && !names.includes(wanted) ? closest(wanted, names) : undefined;
  const unjudged =
    open === null ? undefined : `the test does not say enough for the rule "${open.rule}": ${open.open}`;
  const hint = meant === undefined ? unjudged : `did you mean ${meant}?`;
  return problemAt(document.place(path, 'value'), path, message, { hint });
}
