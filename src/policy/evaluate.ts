// Walks the rules for one recipient of one message and says what is to be done with it.
// queue/ asks at RCPT, when mail is queued and before each attempt; explanations ask with a trace.
// Never does I/O, never looks at the clock: the same mail and policy give the same decision.
import { Candidates } from './candidates.ts';
import { factsFrom, isKnown } from './facts.ts';
import type {
  Condition,
  Copy,
  Decision,
  Explanation,
  Facts,
  MailFacts,
  Missing,
  Policy,
  Rule,
  RuleEnding,
  RuleTrace,
  Truth,
} from './policy.ts';
import { fixedOf, settingsOf } from './settings.ts';

/**
 * `acceptance`: a message comes, everything counts. `queued`: it was accepted; what acceptance does once and
 * for all is done, and rules that end in `discard` or `redirect` are passed over. `released`: a rule held it
 * and an operator let it go, so rules that end in `hold` are passed over too.
 */
export type Stage = 'acceptance' | 'queued' | 'released';

const PASSED_OVER: Readonly<Record<Stage, ReadonlySet<RuleEnding['kind']>>> = {
  acceptance: new Set(),
  queued: new Set(['discard', 'redirect']),
  released: new Set(['discard', 'redirect', 'hold']),
};

/** What holds for this mail. Cheap enough for each recipient and each attempt. */
export function decide(policy: Policy, mail: MailFacts, stage: Stage = 'acceptance'): Decision {
  return walk(policy, mail, stage, null);
}

/** The same decision, with every rule that was looked at on the way to it. */
export function explain(policy: Policy, mail: MailFacts, stage: Stage = 'acceptance'): Explanation {
  const trace: RuleTrace[] = [];
  return { ...walk(policy, mail, stage, trace), trace };
}

function walk(policy: Policy, mail: MailFacts, stage: Stage, trace: RuleTrace[] | null): Decision {
  const given = new Given(mail, stage);
  const passedOver = PASSED_OVER[stage];
  const rules = trace === null ? candidatesOf(policy).for(given.facts.from, given.facts.to) : policy.rules;
  for (const rule of rules) {
    if (rule.ending !== undefined && passedOver.has(rule.ending.kind)) continue;
    // One that does not hold decides, whatever is unknown besides.
    const failed = given.first(rule, false);
    const open = failed === null ? given.first(rule, null) : null;
    trace?.push(traceOf(rule, failed, open, stage));
    if (failed !== null) continue;
    if (open !== null) {
      given.passOver(rule, open);
      continue;
    }
    given.add(rule);
    if (rule.ending !== undefined) return given.decision(policy, rule.name, rule.ending);
  }
  trace?.push(traceOf(policy.otherwise, null, null, stage));
  return given.decision(policy, policy.otherwise.name, policy.otherwise.ending);
}

/** Made once for each list of rules. */
const candidates = new WeakMap<readonly Rule[], Candidates>();

function candidatesOf({ rules }: Policy): Candidates {
  const known = candidates.get(rules) ?? new Candidates(rules);
  candidates.set(rules, known);
  return known;
}

/** Of these a later rule's word replaces an earlier one's. */
type Setting = 'retry' | 'warn' | 'fallback' | 'priority' | 'window' | 'bounces';

/** What the rules have said so far. */
class Given {
  readonly facts: Facts;
  readonly #stage: Stage;
  readonly #tags: Set<string>;
  readonly #openTags = new Set<string>();
  readonly #missing = new Set<Missing>();
  readonly #rules: Rule[] = [];

  constructor(mail: MailFacts, stage: Stage) {
    this.#stage = stage;
    this.#tags = new Set(mail.tags);
    this.facts = factsFrom(mail, this.#tags, this.#openTags);
  }

  /** The first condition of the rule with this truth. */
  first({ when }: Rule, truth: Truth): Condition | null {
    for (const condition of when) if (condition.test(this.facts) === truth) return condition;
    return null;
  }

  /** A rule that hangs on the content matters at RCPT only if it could lead elsewhere. */
  passOver({ ending, tags }: Rule, { needs }: Condition): void {
    for (const missing of needs) {
      if (isKnown(missing, this.facts)) continue;
      if (missing === 'site' || ending !== undefined) this.#missing.add(missing);
    }
    // Nobody knows either what holds for rules that ask for its tags.
    for (const tag of tags ?? []) this.#openTags.add(tag);
  }

  add(rule: Rule): void {
    this.#rules.push(rule);
    if (this.#stage === 'acceptance') for (const tag of rule.tags ?? []) this.#tags.add(tag);
  }

  decision(policy: Policy, rule: string, ending: RuleEnding): Decision {
    const retry = this.#last('retry') ?? policy.defaultRetry;
    const warn = this.#last('warn');
    return {
      rule,
      ending,
      retry: warn === undefined ? retry : { ...retry, warn },
      fallback: this.#last('fallback') ?? policy.defaultFallback,
      priority: this.#last('priority') ?? 'normal',
      window: this.#last('window') ?? null,
      bounces: this.#last('bounces') ?? { to: 'sender' },
      fixed: { tags: [...this.#tags], header: this.#headerEdit(), copies: this.#copies() },
      missing: this.#missing,
    };
  }

  /** What the last rule that says anything of it says. */
  #last<K extends Setting>(key: K): Rule[K] | undefined {
    return this.#rules.findLast((rule) => rule[key] !== undefined)?.[key];
  }

  #headerEdit(): Decision['fixed']['header'] {
    const edits = this.#rules.flatMap(({ header }) => header ?? []);
    if (edits.length === 0) return null;
    return { add: edits.flatMap(({ add }) => add), remove: edits.flatMap(({ remove }) => remove) };
  }

  #copies(): Copy[] {
    return this.#rules.flatMap(({ copy }) => copy ?? []);
  }
}

function traceOf(rule: Rule, failed: Condition | null, open: Condition | null, stage: Stage): RuleTrace {
  const { name } = rule;
  const passed = { rule: name, matched: false, held: [], gave: [] };
  if (failed !== null) return { ...passed, failed: failed.describe };
  if (open !== null) return { ...passed, open: open.describe };
  return {
    rule: name,
    matched: true,
    held: rule.when.map(({ describe }) => describe),
    gave: stage === 'acceptance' ? [...settingsOf(rule), ...fixedOf(rule)] : settingsOf(rule),
  };
}
