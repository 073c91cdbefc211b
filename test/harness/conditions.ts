// Conditions and mail made at random: a few words, so that they meet often.
// Used by property tests of conditions and of what conditions have to do with each other.
// Never makes a condition that the schema refuses.
import type { MailFacts } from '../../src/policy/policy.ts';
import type { Chance } from './random.ts';

export interface World extends MailFacts {
  readonly openTags?: readonly string[];
}

/** A map of conditions, as the policy writes it. */
export type When = Readonly<Record<string, unknown>>;

export const addresses = ['ann@a.example', 'bob@x.a.example', 'root@b.example', 'ann@y.x.a.example'];
const patterns = ['a.example', '*.a.example', 'ann@*', 'root@b.example', '*.example'];
const networks = ['10.1.0.0/16', '10.1.2.0/31', '2001:db8::/32', '::/1', '10.1.2.3'];
const clients = ['10.1.2.3', '10.2.0.1', '2001:db8::5', 'fe80::1'];
const names = ['a', 'b', 'c'];
const globs = ['*', 'ab', 'a*', '*b', 'a*b*', '*ab*ab*', 'b*a'];

/** `depth`: how far conditions may stand within conditions. */
export function someWhen(chance: Chance, depth: number): When {
  const some = (items: readonly string[]): string[] => chance.list(1, 2, () => chance.pick(items));
  const nested = (): When[] => chance.list(1, 2, () => someWhen(chance, depth - 1));
  const kinds: readonly (() => When)[] = [
    () => ({ to: some(patterns) }),
    () => ({ from: some([...patterns, '<>']) }),
    () => ({ user: some(names) }),
    () => ({ client: some(networks) }),
    () => ({ site: some(names) }),
    () => ({ tag: some(names) }),
    () => ({ header: { Subject: some(globs) } }),
    () => ({ headerFrom: some(patterns) }),
    () => ({ size: some(['>10B', '>=20B', '<15B', '<=20B']) }),
    () => ({ time: { hours: chance.pick(['06:00-22:00', '22:00-06:00']), zone: 'UTC' } }),
    ...(depth > 0 ? [() => ({ not: nested() }), () => ({ any: nested() })] : []),
  ];
  return Object.assign({}, ...chance.list(1, 2, () => chance.pick(kinds)()));
}

/** Each fact that may be unknown is so for one in four. */
export function someWorld(chance: Chance): World {
  const maybe = <K extends string, T>(key: K, make: () => T) =>
    chance.int(4) === 0 ? {} : { [key]: make() };
  const text = (): string => chance.list(0, 7, () => chance.pick(['a', 'b', 'B'])).join('');
  const field = (make: () => string) => chance.list(0, 2, make);
  return {
    from: chance.pick([...addresses, '']),
    to: chance.pick(addresses),
    tags: chance.list(0, 2, () => chance.pick(names)),
    openTags: chance.list(0, 1, () => chance.pick(names)),
    ...maybe('user', () => chance.pick([...names, 'A', null])),
    ...maybe('client', () => chance.pick([...clients, null])),
    ...maybe('site', () => chance.pick([...names, null])),
    ...maybe('size', () => chance.pick([5, 10, 15, 20, 25])),
    ...maybe('at', () => chance.int(86_400_000)),
    ...maybe('header', () => ({
      subject: field(text),
      from: field(() => chance.list(0, 2, () => `N <${chance.pick(addresses)}>`).join(', ')),
    })),
  };
}
