// What two maps of conditions have to do with each other: one holds whenever the other does, or never with it.
// review.ts asks, to find rules that no mail reaches.
// Never says yes without a proof; where it cannot tell, the answer is no.
import { networkBits } from '../config/address-bits.ts';
import type { ConditionsData, SizeLimit } from './condition-schema.ts';
import type { Glob } from './glob.ts';
import { hoursText } from './hours.ts';
import { type AddressPattern, AddressSet, areApart } from './match.ts';

/** Of every mail that fits `narrow` it is certain that it fits `wide`. */
export function covers(wide: ConditionsData, narrow: ConditionsData): boolean {
  return (Object.keys(wide) as (keyof ConditionsData)[]).every((key) => coversIn(key, wide, narrow));
}

function coversIn(key: keyof ConditionsData, wide: ConditionsData, narrow: ConditionsData): boolean {
  switch (key) {
    case 'to':
    case 'from':
    case 'headerFrom':
      return all(narrow[key], (one) => addressSet(wide[key]).covers(one));
    case 'user':
      return all(narrow.user, (one) => lowerCase(wide.user).includes(one.toLowerCase()));
    case 'site':
      return all(narrow.site, (one) => wide.site?.includes(one) ?? false);
    case 'client':
      return all(narrow.client, (one) =>
        wide.client?.some((by) => begins(networkBits(by), networkBits(one))),
      );
    case 'size':
      return all(narrow.size, (one) => wide.size?.some((by) => isWithinLimit(one, by)));
    case 'time':
      return all(narrow.time, (one) => wide.time?.some((by) => hoursText(by) === hoursText(one)));
    case 'header':
      return Object.entries(wide.header ?? {}).every(([name, globs]) => coversField(name, globs, narrow));
    case 'any':
      return coversOne(wide.any, narrow) || all(narrow.any, (one) => coversOne(wide.any, one));
    case 'not':
      return all(wide.not, (one) => isNeverWith(one, narrow));
    case 'tag':
      // It may be given by a rule between the two.
      return wide.tag === undefined;
  }
}

function coversOne(wide: readonly ConditionsData[] = [], narrow: ConditionsData): boolean {
  return wide.some((by) => covers(by, narrow));
}

/** A mail that fits one of the two is certain not to fit the other. */
export function isNeverWith(one: ConditionsData, other: ConditionsData): boolean {
  return areApartBy(one, other) || isExcluded(one, other) || isExcluded(other, one);
}

/** Something that the first must not fit is wider than the second. */
function isExcluded({ not }: ConditionsData, other: ConditionsData): boolean {
  return not?.some((map) => covers(map, other)) ?? false;
}

function areApartBy(one: ConditionsData, other: ConditionsData): boolean {
  return (
    noPair(one.to, other.to, areApart) ||
    noPair(one.from, other.from, areApart) ||
    noPair(one.user, other.user, (a, b) => a.toLowerCase() !== b.toLowerCase()) ||
    noPair(one.site, other.site, (a, b) => a !== b) ||
    noPair(
      one.client?.map(networkBits),
      other.client?.map(networkBits),
      (a, b) => !begins(a, b) && !begins(b, a),
    )
  );
}

/** Both ask, and each pair of what they ask for is apart. */
function noPair<T>(
  ones: readonly T[] | undefined,
  others: readonly T[] | undefined,
  apart: (one: T, other: T) => boolean,
): boolean {
  if (ones === undefined || others === undefined) return false;
  return ones.every((one) => others.every((other) => apart(one, other)));
}

/** It is asked for, and all of what is asked for passes. */
function all<T>(items: readonly T[] | undefined, test: (item: T) => boolean | undefined): boolean {
  return items?.every((item) => test(item) ?? false) ?? false;
}

function begins(wide: string, narrow: string): boolean {
  return narrow.startsWith(wide);
}

function isWithinLimit(narrow: SizeLimit, wide: SizeLimit): boolean {
  if (narrow.sign[0] !== wide.sign[0]) return false;
  if (narrow.octets === wide.octets) return wide.sign === narrow.sign || wide.sign.endsWith('=');
  return narrow.octets > wide.octets === wide.sign.startsWith('>');
}

function coversField(name: string, wide: readonly Glob[], { header = {} }: ConditionsData): boolean {
  const same = Object.keys(header).filter((one) => one.toLowerCase() === name.toLowerCase());
  return same.some((one) =>
    all(header[one], (glob) =>
      wide.some((by) => by.parts.join('*') === glob.parts.join('*') || by.text === '*'),
    ),
  );
}

const sets = new WeakMap<readonly AddressPattern[], AddressSet>();

/** Made once for all rules that are compared with it. */
function addressSet(patterns: readonly AddressPattern[] = []): AddressSet {
  const made = sets.get(patterns) ?? new AddressSet(patterns);
  sets.set(patterns, made);
  return made;
}

function lowerCase(words: readonly string[] = []): string[] {
  return words.map((word) => word.toLowerCase());
}
