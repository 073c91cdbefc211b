// Runs the tests that a policy brings along: does each mail meet the rule and take the way that it says?
// config/load-policy.ts runs them on what it loaded; a failing test keeps a policy from taking force.
// Never delivers and never looks anything up: a test asks the same `decide` that mail asks.
import { decide } from './evaluate.ts';
import type { Decision, Policy } from './policy.ts';
import { endingText } from './settings.ts';
import type { PolicyTest } from './test-schema.ts';

type Expectation = PolicyTest['expect'];

/** One thing that came out otherwise; both in the words of the policy. */
export interface Miss {
  readonly key: keyof Expectation;
  readonly wanted: string;
  readonly got: string;
}

/** What came out otherwise; empty: the test passes. */
export function missesOf(policy: Policy, { mail, expect }: PolicyTest): Miss[] {
  const { from, to } = mail;
  const decision = decide(policy, { from, to });
  const { rule, route, retry, reject } = expect;
  const misses: (Miss | null)[] = [
    rule === undefined ? null : compare('rule', rule, decision.rule),
    route === undefined ? null : compare('route', route.join(', '), wayOf(decision)),
    retry === undefined ? null : compare('retry', retry, decision.retry.name),
    reject === undefined ? null : compare('reject', `${reject}`, answerOf(decision)),
  ];
  return misses.filter((miss) => miss !== null);
}

function compare(key: Miss['key'], wanted: string, got: string): Miss | null {
  return wanted === got ? null : { key, wanted, got };
}

function wayOf({ ending }: Decision): string {
  return ending.kind === 'route' ? ending.routes.join(', ') : `none: ${endingText(ending)}`;
}

function answerOf({ ending }: Decision): string {
  return ending.kind === 'reject' ? `${ending.reply.code}` : `none: ${endingText(ending)}`;
}
