// Runs the tests that a policy brings along: does each mail meet the rule and take the way that it says?
// config/load-policy.ts runs them on what it loaded; a failing test keeps a policy from taking force.
// Never delivers and never looks anything up: a test asks the same `decide` that mail asks.
import { explain } from './evaluate.ts';
import type { Decision, MailFacts, Policy, RuleTrace } from './policy.ts';
import { expanded, rewrittenSender } from './rewrite.ts';
import { endingText } from './settings.ts';
import type { PolicyTest } from './test-schema.ts';

type Expectation = PolicyTest['expect'];

/** One thing that came out otherwise; both in the words of the policy. */
export interface Miss {
  readonly key: keyof Expectation;
  readonly wanted: string;
  readonly got: string;
  /** A rule that could not be judged by what the test says of the mail; null: there is none. */
  readonly open: RuleTrace | null;
}

/** What came out otherwise; empty: the test passes. Of a recipient that becomes several, for one of them. */
export function missesOf(policy: Policy, { mail, expect }: PolicyTest): Miss[] {
  const from = rewrittenSender(policy.rewrite, mail.from);
  const expansion = expanded(policy.rewrite, mail.to);
  const recipients = 'chain' in expansion ? [mail.to] : expansion.recipients;
  const misses = recipients.map((to) => missesFor(policy, { ...factsOf(mail), from, to }, expect));
  return misses.find((one) => one.length > 0) ?? [];
}

function missesFor(policy: Policy, mail: MailFacts, expect: Expectation): Miss[] {
  const { trace, ...decision } = explain(policy, mail);
  const open = trace.find((one) => one.open !== undefined) ?? null;
  const keys = Object.keys(expect) as (keyof Expectation)[];
  return keys.flatMap((key) => {
    const wanted = wordsOf(expect[key]);
    const got = saidOf(key, decision);
    return wanted === null || wanted === got ? [] : [{ key, wanted, got, open }];
  });
}

/** Header and user are known: a mail without these fields, from somebody who did not log in. */
function factsOf({ from, to, header = {}, user, client, size, site, time }: PolicyTest['mail']): MailFacts {
  const fields = Object.entries(header).map(([name, values]) => [name.toLowerCase(), values] as const);
  return {
    from,
    to,
    user: user ?? null,
    header: Object.fromEntries(fields),
    ...(client !== undefined && { client }),
    ...(size !== undefined && { size }),
    ...(site !== undefined && { site }),
    ...(time !== undefined && { at: time }),
  };
}

function wordsOf(value: Expectation[keyof Expectation]): string | null {
  if (value === undefined) return null;
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** What the decision says of a key, in the words that a test would expect it with. */
function saidOf(key: keyof Expectation, { rule, ending, retry, priority, fixed }: Decision): string {
  switch (key) {
    case 'rule':
      return rule;
    case 'retry':
      return retry.name;
    case 'priority':
      return priority;
    case 'tag':
      return fixed.tags.join(', ');
    case 'copy':
      return fixed.copies.map(({ to }) => to).join(', ');
    default:
      return ending.kind === key ? endingWords(ending) : `none: ${endingText(ending)}`;
  }
}

function endingWords(ending: Decision['ending']): string {
  switch (ending.kind) {
    case 'route':
      return ending.routes.join(', ');
    case 'reject':
      return `${ending.reply.code}`;
    case 'hold':
      return ending.reason;
    case 'discard':
      return 'true';
    case 'redirect':
      return ending.to;
  }
}
