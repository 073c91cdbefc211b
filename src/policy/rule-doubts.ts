// Doubts about single rules: no mail can fit them, none comes to them, or they answer later than they could.
// review.ts puts them beside its own.
// Never says so without a proof: coverage.ts answers no where it cannot tell.
import type { ConditionsData } from './condition-schema.ts';
import { conditionsOf } from './conditions.ts';
import { covers, isNeverWith } from './coverage.ts';
import type { Policy, Rule } from './policy.ts';
import type { Doubt } from './review.ts';
import type { RuleData } from './rule-schema.ts';

/** A rule with what its conditions were made of. */
interface Reviewed {
  readonly index: number;
  readonly rule: Rule;
  readonly when: ConditionsData;
  /** Tags that rules above give. */
  readonly tags: ReadonlySet<string>;
}

export function doubtsAboutRules(policy: Policy, data: readonly RuleData[]): Doubt[] {
  const tags = new Set<string>();
  const reviewed: Reviewed[] = [];
  const sites = new Set(policy.siteRules.map(({ site }) => site.name));
  const doubts = policy.rules.map((rule, index) => {
    const one = { index, rule, when: conditionsOf(data[index]?.when), tags: new Set(tags) };
    for (const tag of rule.tags ?? []) tags.add(tag);
    reviewed.push(one);
    return [...unknownNames(one, sites), ...neverReached(one, reviewed), ...lateReject(one, reviewed)];
  });
  return doubts.flat();
}

/** Rules that discard or redirect are passed over once the mail is queued: others may end for it then. */
export function staysTrue({ ending }: Pick<Rule, 'ending'>): boolean {
  return ending !== undefined && ending.kind !== 'discard' && ending.kind !== 'redirect';
}

/** Tags that nobody gives and sites that do not exist: most likely misspelt. */
function unknownNames({ index, when, tags }: Reviewed, sites: ReadonlySet<string>): Doubt[] {
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

function neverReached({ index, when }: Reviewed, reviewed: readonly Reviewed[]): Doubt[] {
  const never = whyNever(when);
  if (never !== null) return [doubt(index, `no mail can fit this rule: ${never}`, 'when')];
  const above = reviewed.find((one) => one.index < index && staysTrue(one.rule) && covers(one.when, when));
  if (above === undefined) return [];
  const all = above.rule.when.length === 0 ? 'every mail' : 'all that would fit this one';
  return [doubt(index, `no mail comes here: the rule "${above.rule.name}" ends for ${all}`)];
}

/** Null: some mail may fit. */
function whyNever(when: ConditionsData): string | null {
  if (when.user !== undefined) return '`user` never holds, as no listener takes logins in this version';
  if (isNeverWith(when, when)) return '`not` excludes all that the other conditions ask for';
  const reasons = when.any?.map(whyNever) ?? [];
  return reasons.length > 0 && reasons.every((reason) => reason !== null) ? (reasons[0] ?? null) : null;
}

/** What the envelope decides is answered at RCPT, unless a rule above has to see the content first. */
function lateReject({ index, rule, when }: Reviewed, reviewed: readonly Reviewed[]): Doubt[] {
  if (rule.ending?.kind !== 'reject' || contentOf(rule) !== null) return [];
  const above = reviewed.find(
    (one) => one.index < index && one.rule.ending !== undefined && mayComeFirst(one, when),
  );
  if (above === undefined) return [];
  const message = `answered after DATA only, not at RCPT: the rule "${above.rule.name}" above ends by ${contentOf(above.rule)}`;
  return [doubt(index, message)];
}

function mayComeFirst(above: Reviewed, when: ConditionsData): boolean {
  return contentOf(above.rule) !== null && !isNeverWith(above.when, when) && whyNever(above.when) === null;
}

/** The first condition that needs the content. */
function contentOf({ when }: Rule): string | null {
  return when.find(({ needs }) => needs.has('content'))?.describe ?? null;
}

function doubt(index: number, message: string, ...keys: string[]): Doubt {
  return { about: { kind: 'rule', index, keys }, message };
}
