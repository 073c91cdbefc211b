// Doubts about single rules: no mail can fit them, none comes to them, or they answer later than they could.
// review.ts puts them beside its own.
// Never says so without a proof: coverage.ts answers no where it cannot tell.
import type { ConditionsData } from './condition-schema.ts';
import { conditionsOf } from './conditions.ts';
import { covers, isNeverWith } from './coverage.ts';
import { CoverageIndex } from './coverage-index.ts';
import type { Policy, Rule } from './policy.ts';
import type { Doubt } from './review.ts';
import type { RuleData } from './rule-schema.ts';

/** A rule with what its conditions were made of. */
interface Reviewed {
  readonly index: number;
  readonly rule: Rule;
  readonly when: ConditionsData;
}

export function doubtsAboutRules(policy: Policy, data: readonly RuleData[]): Doubt[] {
  const above = new RulesAbove();
  const sites = new Set(policy.siteRules.map(({ site }) => site.name));
  return policy.rules.flatMap((rule, index) => {
    const one = { index, rule, when: conditionsOf(data[index]?.when) };
    const doubts = [
      ...unknownNames(one, above.tags, sites),
      ...neverReached(one, above),
      ...lateReject(one, above),
    ];
    above.add(one);
    return doubts;
  });
}

/** Rules that discard or redirect are passed over once the mail is queued: others may end for it then. */
export function staysTrue({ ending }: Pick<Rule, 'ending'>): boolean {
  return ending !== undefined && ending.kind !== 'discard' && ending.kind !== 'redirect';
}

/** Rules that end by the content and are compared with a reject: a reload waits for it, and few policies have many. */
const MOST_BY_CONTENT = 100;

/** What the rules above a rule do to it. */
class RulesAbove {
  readonly tags = new Set<string>();
  readonly #ending = new CoverageIndex<Reviewed>();
  readonly #byContent: Reviewed[] = [];
  #forAll: Reviewed | null = null;

  add(one: Reviewed): void {
    const { rule, when } = one;
    for (const tag of rule.tags ?? []) this.tags.add(tag);
    if (staysTrue(rule)) {
      if (rule.when.length === 0) this.#forAll ??= one;
      else this.#ending.add(when, one);
    }
    const isByContent = rule.ending !== undefined && contentOf(rule) !== null && whyNever(when) === null;
    if (isByContent && this.#byContent.length < MOST_BY_CONTENT) this.#byContent.push(one);
  }

  /** The first that ends for all mail that would fit. */
  endingForAll(when: ConditionsData): Rule | null {
    const found = this.#ending.candidates(when).find((one) => covers(one.when, when));
    const first = [found, this.#forAll].filter((one) => one != null).sort((a, b) => a.index - b.index)[0];
    return first?.rule ?? null;
  }

  /** The first that has to see the content of some mail that would fit. */
  endingByContent(when: ConditionsData): Rule | null {
    return this.#byContent.find((one) => !isNeverWith(one.when, when))?.rule ?? null;
  }
}

/** Tags that nobody gives and sites that do not exist: most likely misspelt. */
function unknownNames(
  { index, when }: Reviewed,
  tags: ReadonlySet<string>,
  sites: ReadonlySet<string>,
): Doubt[] {
  const unknownTags = namesUnder('tag', when).filter((name) => !tags.has(name));
  // Sites without a name of their own are called by their MX hosts, which have dots.
  const unknownSites = namesUnder('site', when).filter((name) => !sites.has(name) && !name.includes('.'));
  return [
    ...unknownTags.map((tag) => doubt(index, `no rule above gives the tag "${tag}"`, 'when')),
    ...unknownSites.map((site) => doubt(index, `there is no site "${site}"`, 'when')),
  ];
}

function namesUnder(key: 'tag' | 'site', when: ConditionsData): string[] {
  const inner = [...(when.any ?? []), ...(when.not ?? [])];
  return [...(when[key] ?? []), ...inner.flatMap((map) => namesUnder(key, map))];
}

function neverReached({ index, when }: Reviewed, above: RulesAbove): Doubt[] {
  const never = whyNever(when);
  if (never !== null) return [doubt(index, `no mail can fit this rule: ${never}`, 'when')];
  const rule = above.endingForAll(when);
  if (rule === null) return [];
  const all = rule.when.length === 0 ? 'every mail' : 'all that would fit this one';
  return [doubt(index, `no mail comes here: the rule "${rule.name}" above ends for ${all}`)];
}

/** Null: some mail may fit. */
function whyNever(when: ConditionsData): string | null {
  if (when.user !== undefined) return '`user` never holds, as no listener takes logins in this version';
  if (isNeverWith(when, when)) return '`not` excludes all that the other conditions ask for';
  const reasons = when.any?.map(whyNever) ?? [];
  return reasons.length > 0 && reasons.every((reason) => reason !== null) ? (reasons[0] ?? null) : null;
}

/** What the envelope decides is answered at RCPT, unless a rule above has to see the content first. */
function lateReject({ index, rule, when }: Reviewed, above: RulesAbove): Doubt[] {
  if (rule.ending?.kind !== 'reject' || contentOf(rule) !== null) return [];
  const first = above.endingByContent(when);
  if (first === null) return [];
  const why = `the rule "${first.name}" above ends by ${contentOf(first)}`;
  return [doubt(index, `answered after DATA only, not at RCPT: ${why}`)];
}

/** The first condition that needs the content. */
function contentOf({ when }: Rule): string | null {
  return when.find(({ needs }) => needs.has('content'))?.describe ?? null;
}

function doubt(index: number, message: string, ...keys: string[]): Doubt {
  return { about: { kind: 'rule', index, keys }, message };
}
