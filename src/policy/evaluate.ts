// Walks the rules for one recipient of one message and says what is to be done with it.
// queue/ asks at RCPT, when mail is queued and before each attempt; explanations ask with a trace.
// Never does I/O, never looks at the clock: the same mail and policy give the same decision.
import { subjectOf } from './match.ts';
import type {
  Decision,
  Explanation,
  Facts,
  Fallback,
  MailFacts,
  Policy,
  RetrySchedule,
  Rule,
  RuleTrace,
} from './policy.ts';

/** What holds for this mail. Cheap enough for each recipient and each attempt. */
export function decide(policy: Policy, mail: MailFacts): Decision {
  return walk(policy, mail, null);
}

/** The same decision, with every rule that was looked at on the way to it. */
export function explain(policy: Policy, mail: MailFacts): Explanation {
  const trace: RuleTrace[] = [];
  return { ...walk(policy, mail, trace), trace };
}

/** What the rules have said so far; a later rule's word replaces an earlier one's. */
interface Given {
  retry: RetrySchedule;
  fallback: Fallback;
}

function walk(policy: Policy, mail: MailFacts, trace: RuleTrace[] | null): Decision {
  const facts: Facts = { from: subjectOf(mail.from), to: subjectOf(mail.to) };
  const given: Given = { retry: policy.defaultRetry, fallback: policy.defaultFallback };
  for (const rule of policy.rules) {
    const failed = rule.when.find((condition) => !condition.test(facts));
    trace?.push(traceOf(rule, failed?.describe));
    if (failed !== undefined) continue;
    add(rule, given);
    if (rule.ending !== undefined) return { rule: rule.name, ending: rule.ending, ...given };
  }
  trace?.push(traceOf(policy.otherwise, undefined));
  return { rule: policy.otherwise.name, ending: policy.otherwise.ending, ...given };
}

/** Each setting of the language has its line here and its line in `settingsOf`. */
function add(rule: Rule, given: Given): void {
  if (rule.retry !== undefined) given.retry = rule.retry;
  if (rule.fallback !== undefined) given.fallback = rule.fallback;
}

function traceOf(rule: Rule, failed: string | undefined): RuleTrace {
  if (failed !== undefined) return { rule: rule.name, matched: false, failed, held: [], gave: [] };
  const held = rule.when.map(({ describe }) => describe);
  return { rule: rule.name, matched: true, held, gave: settingsOf(rule) };
}

function settingsOf({ ending, retry, fallback }: Rule): string[] {
  const gave: string[] = [];
  if (ending?.kind === 'route') gave.push(`route ${ending.routes.join(', ')}`);
  if (ending?.kind === 'reject') gave.push(`reject ${ending.reply.code} ${ending.reply.enhanced}`);
  if (retry !== undefined) gave.push(`retry ${retry.name}`);
  if (fallback !== undefined) gave.push(`fallback on ${[...fallback.on].join(', ')} after ${fallback.after}`);
  return gave;
}
