// What a rule looks at, as tests that hold, do not hold, or cannot be judged yet.
// compile.ts makes rules of them; evaluate.ts tests them one by one.
// Never a regular expression over what a client sent: look-ups, beginnings and one pass over a text.
import { networkBits } from '../config/address-bits.ts';
import { formatNetwork, type Network } from '../config/network.ts';
import type { ConditionsData, SizeLimit } from './condition-schema.ts';
import { fits, type Glob } from './glob.ts';
import { hoursText, isWithin } from './hours.ts';
import { type AddressPattern, AddressSet, domainsOf, patternText } from './match.ts';
import type { Condition, Facts, Hours, Missing, Truth } from './policy.ts';

const NOTHING: ReadonlySet<Missing> = new Set();
const CONTENT: ReadonlySet<Missing> = new Set(['content']);
const SITE: ReadonlySet<Missing> = new Set(['site']);

/** Each condition of the language has its line here. Those that cost nothing stand first. */
export function compileConditions(when: ConditionsData): Condition[] {
  const conditions = [
    when.from && envelopeCondition('from', when.from),
    when.to && envelopeCondition('to', when.to),
    when.user && userCondition(when.user),
    when.client && clientCondition(when.client),
    when.time && timeCondition(when.time),
    when.site && siteCondition(when.site),
    when.tag && tagCondition(when.tag),
    when.size && sizeCondition(when.size),
    when.headerFrom && authorCondition(when.headerFrom),
    ...Object.entries(when.header ?? {}).map(([name, globs]) => headerCondition(name, globs)),
    when.any && anyCondition(when.any),
    when.not && notCondition(when.not),
  ];
  return conditions.filter((condition) => condition !== undefined);
}

/** `when: any`, or no `when`, is no condition at all. */
export function conditionsOf(when: ConditionsData | 'any' | undefined): ConditionsData {
  return when === undefined || when === 'any' ? {} : when;
}

/** The header fields that must be kept for these conditions, in lower case. */
export function headerFieldsOf({ headerFrom, header, any, not }: ConditionsData): string[] {
  const named = Object.keys(header ?? {}).map((name) => name.toLowerCase());
  const inner = [...(any ?? []), ...(not ?? [])].flatMap(headerFieldsOf);
  return [...(headerFrom ? ['from'] : []), ...named, ...inner];
}

/** The hours that these conditions look at. */
export function timesOf({ time, any, not }: ConditionsData): Hours[] {
  return [...(time ?? []), ...[...(any ?? []), ...(not ?? [])].flatMap(timesOf)];
}

function envelopeCondition(side: 'from' | 'to', patterns: readonly AddressPattern[]): Condition {
  const addresses = new AddressSet(patterns);
  const names = domainsOf(patterns);
  return {
    describe: `${side} is ${listed(patterns.map(patternText))}`,
    needs: NOTHING,
    ...(names && { domains: { side, names } }),
    test: ({ from, to }) => addresses.has(side === 'from' ? from : to),
  };
}

/** Without regard to case, as mail servers take logins. */
function userCondition(users: readonly string[]): Condition {
  const names = new Set(users.map((user) => user.toLowerCase()));
  return {
    describe: `user is ${listed(users)}`,
    needs: NOTHING,
    test: ({ user }) => (user === undefined ? null : user !== null && names.has(user)),
  };
}

function clientCondition(networks: readonly Network[]): Condition {
  const beginnings = networks.map(networkBits);
  return {
    describe: `client is ${listed(networks.map(formatNetwork))}`,
    needs: NOTHING,
    test({ client }) {
      if (client === undefined) return null;
      return client !== null && beginnings.some((bits) => client.startsWith(bits));
    },
  };
}

function timeCondition(times: readonly Hours[]): Condition {
  return {
    describe: `time is ${times.map(hoursText).join(', or ')}`,
    needs: NOTHING,
    test: ({ at }) => (at === undefined ? null : times.some((hours) => isWithin(hours, at))),
  };
}

function siteCondition(sites: readonly string[]): Condition {
  const names = new Set(sites);
  return {
    describe: `site is ${listed(sites)}`,
    needs: SITE,
    test: ({ site }) => (site === undefined ? null : site !== null && names.has(site)),
  };
}

/** A tag that a rule would give whose conditions are open may come or not. */
function tagCondition(tags: readonly string[]): Condition {
  return {
    describe: `tag is ${listed(tags)}`,
    needs: CONTENT,
    test(facts) {
      if (tags.some((tag) => facts.tags.has(tag))) return true;
      return tags.some((tag) => facts.openTags.has(tag)) ? null : false;
    },
  };
}

function sizeCondition(limits: readonly SizeLimit[]): Condition {
  return {
    describe: `size is ${listed(limits.map(({ text }) => text))}`,
    needs: CONTENT,
    test: ({ size }) => (size === undefined ? null : limits.some((limit) => isSize(limit, size))),
  };
}

function isSize({ sign, octets }: SizeLimit, size: number): boolean {
  if (size === octets) return sign.endsWith('=');
  return size > octets === sign.startsWith('>');
}

/** By the addresses in the From field; one of them is enough. */
function authorCondition(patterns: readonly AddressPattern[]): Condition {
  const addresses = new AddressSet(patterns);
  return {
    describe: `headerFrom is ${listed(patterns.map(patternText))}`,
    needs: CONTENT,
    test: ({ header }) => header?.authors.some((author) => addresses.has(author)) ?? null,
  };
}

/** By any field of that name. */
function headerCondition(name: string, globs: readonly Glob[]): Condition {
  const field = name.toLowerCase();
  return {
    describe: `header ${name} is ${listed(globs.map(({ text }) => text))}`,
    needs: CONTENT,
    test: ({ header }) =>
      header?.values(field).some((value) => globs.some((glob) => fits(glob, value))) ?? null,
  };
}

function anyCondition(maps: readonly ConditionsData[]): Condition {
  const groups = maps.map(compileConditions);
  return {
    describe: groupsText(groups),
    needs: needsOf(groups),
    test: (facts) => oneHolds(groups, facts),
  };
}

function notCondition(maps: readonly ConditionsData[]): Condition {
  const groups = maps.map(compileConditions);
  return {
    describe: `not (${groupsText(groups)})`,
    needs: needsOf(groups),
    test(facts) {
      const truth = oneHolds(groups, facts);
      return truth === null ? null : !truth;
    },
  };
}

function oneHolds(groups: readonly (readonly Condition[])[], facts: Facts): Truth {
  let truth: Truth = false;
  for (const conditions of groups) {
    const held = allHold(conditions, facts);
    if (held === true) return true;
    if (held === null) truth = null;
  }
  return truth;
}

function allHold(conditions: readonly Condition[], facts: Facts): Truth {
  let truth: Truth = true;
  for (const condition of conditions) {
    const held = condition.test(facts);
    if (held === false) return false;
    if (held === null) truth = null;
  }
  return truth;
}

function needsOf(groups: readonly (readonly Condition[])[]): ReadonlySet<Missing> {
  return new Set(groups.flat().flatMap(({ needs }) => [...needs]));
}

/** `to is a.example and from is <>; or site is google` */
function groupsText(groups: readonly (readonly Condition[])[]): string {
  return groups.map((conditions) => conditions.map(({ describe }) => describe).join(' and ')).join('; or ');
}

function listed(words: readonly string[]): string {
  return words.join(', ');
}
