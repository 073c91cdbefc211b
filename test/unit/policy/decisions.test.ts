// Decisions of whole policies at random: the rule that ends is the one that a plain walk finds, and what is said
// not to matter does not matter.
// Runs schema, compiler and walk on generated rules and mail.
// Never tests a single condition: conditions.test.ts does.
import { expect, test } from 'vitest';
import { compilePolicy } from '../../../src/policy/compile.ts';
import { conditions } from '../../../src/policy/condition-schema.ts';
import { compileConditions } from '../../../src/policy/conditions.ts';
import { decide, explain } from '../../../src/policy/evaluate.ts';
import { factsFrom } from '../../../src/policy/facts.ts';
import type { MailFacts, Missing, Policy } from '../../../src/policy/policy.ts';
import { policySchema } from '../../../src/policy/schema.ts';
import { someWhen, someWorld, type When } from '../../harness/conditions.ts';
import { Chance } from '../../harness/random.ts';

const schema = policySchema({ routes: ['direct'], schedules: [] });

type RuleText = Readonly<Record<string, unknown>> & { readonly when: When };

const endings: readonly object[] = [
  { route: 'direct' },
  { hold: 'why' },
  { reject: {} },
  { discard: true },
  { redirect: 'x@y.example' },
];
const additions: readonly object[] = [{ tag: 'a' }, { tag: ['b', 'c'] }, { priority: 'low' }];

function someRules(chance: Chance): RuleText[] {
  return chance.list(1, 8, () => ({
    // Tags are what ties rules together: one in three looks at them alone.
    when: chance.int(3) === 0 ? { tag: chance.pick(['a', 'b', 'c']) } : someWhen(chance, 1),
    ...chance.pick(chance.int(2) === 0 ? endings : additions),
  }));
}

function policyOf(rules: readonly RuleText[]): Policy {
  return compilePolicy(schema.parse({ rules }), false);
}

/** Mail of which everything is known. */
function someMail(chance: Chance): Required<MailFacts> {
  const { openTags: _, ...some } = someWorld(chance);
  return { user: null, client: null, site: null, size: 5, at: 0, header: {}, ...some, tags: [] };
}

/** Rules that hold one after the other, until one ends. */
function ruleByHand(rules: readonly RuleText[], mail: MailFacts): string {
  const tags = new Set<string>();
  for (const [index, { when, tag, priority }] of rules.entries()) {
    const facts = factsFrom(mail, tags, new Set());
    if (!compileConditions(conditions.parse(when)).every((one) => one.test(facts) === true)) continue;
    if (tag === undefined && priority === undefined) return `rule ${index + 1}`;
    for (const one of [tag ?? []].flat()) tags.add(one as string);
  }
  return 'everything else';
}

/** Policies at random, each asked about some mail. */
function* rounds(
  seed: number,
): Generator<{ readonly rules: RuleText[]; readonly policy: Policy; readonly chance: Chance }> {
  const chance = new Chance(seed);
  for (let round = 0; round < 150; round++) {
    const rules = someRules(chance);
    const policy = policyOf(rules);
    for (let mail = 0; mail < 8; mail++) yield { rules, policy, chance };
  }
}

test('with everything known, the first rule that holds and ends decides, and nothing is missing', () => {
  for (const { rules, policy, chance } of rounds(4)) {
    const mail = someMail(chance);
    const { rule, missing } = decide(policy, mail);
    expect([rules, mail, rule, [...missing]]).toEqual([rules, mail, ruleByHand(rules, mail), []]);
  }
});

test.each<[what: string, unknown: (keyof MailFacts)[], missing: Missing[]]>([
  ['content', ['header', 'size'], ['content']],
  ['site', ['site'], ['site']],
  ['content and site', ['header', 'size', 'site'], ['content', 'site']],
])('while the %s is unknown and not missed, it changes nothing when it comes', (_, unknown, missing) => {
  const told = { early: 0, open: 0 };
  for (const { rules, policy, chance } of rounds(5)) {
    const mail = someMail(chance);
    const known = Object.fromEntries(
      Object.entries(mail).filter(([key]) => !unknown.includes(key as 'size')),
    );
    const before = decide(policy, known as unknown as MailFacts);
    const isEarly = before.missing.size === 0;
    told[isEarly ? 'early' : 'open'] += 1;
    expect([...before.missing].filter((one) => !missing.includes(one))).toEqual([]);
    const after = decide(policy, mail).rule;
    if (isEarly) expect([rules, mail, before.rule]).toEqual([rules, mail, after]);
  }
  expect(Math.min(told.early, told.open)).toBeGreaterThan(100);
});

test('an explanation is the decision, and its trace ends with its rule', () => {
  for (const { policy, chance } of rounds(6)) {
    const { openTags: _, ...mail } = someWorld(chance);
    const stage = chance.pick(['acceptance', 'queued'] as const);
    const { trace, ...decision } = explain(policy, mail, stage);
    expect(decision).toEqual(decide(policy, mail, stage));
    expect(trace.at(-1)).toMatchObject({ rule: decision.rule, matched: true });
  }
});
