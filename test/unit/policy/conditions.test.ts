// Conditions: each kind by example, and all of them, nested at random, against a model that is slow and simple.
// Runs the schema, the compiler and the facts, as a policy file does.
// Never decides anything: test/unit/policy/evaluate.test.ts does.
import { BlockList } from 'node:net';
import { expect, test } from 'vitest';
import { conditions } from '../../../src/policy/condition-schema.ts';
import { compileConditions, headerFieldsOf } from '../../../src/policy/conditions.ts';
import { factsFrom } from '../../../src/policy/facts.ts';
import type { Truth } from '../../../src/policy/policy.ts';
import { addresses, someWhen, someWorld, type When, type World } from '../../harness/conditions.ts';
import { Chance } from '../../harness/random.ts';

const mail: World = { from: 'ann@example.net', to: 'bob@example.org' };

function truthOf(when: unknown, { openTags = [], ...facts }: World): Truth {
  const known = factsFrom(facts, new Set(facts.tags), new Set(openTags));
  return lowest(compileConditions(conditions.parse(when)).map((condition) => condition.test(known)));
}

test.each<[when: unknown, facts: Partial<World>, truth: Truth]>([
  [{ from: 'example.net', to: ['*.org', 'bob@*'] }, {}, true],
  [{ from: 'example.net', to: '*.example.org' }, {}, false],
  [{ user: ['Backup', 'reports'] }, { user: 'BACKUP' }, true],
  [{ user: 'backup' }, { user: null }, false],
  [{ user: 'backup' }, {}, null],
  [{ client: '10.1.0.0/16' }, { client: '10.1.2.3' }, true],
  [{ client: '10.1.0.0/16' }, { client: '::ffff:10.1.2.3' }, true],
  [{ client: ['10.1.0.0/16', '2001:db8::/33'] }, { client: '2001:db8:8000::1' }, false],
  [{ client: '2001:db8::/33' }, { client: '2001:db8:7fff::1' }, true],
  [{ client: '0.0.0.0/0' }, { client: '::1' }, false],
  [{ client: '10.0.0.0/8' }, { client: null }, false],
  [{ client: '10.0.0.0/8' }, {}, null],
  [{ site: ['google', 'microsoft'] }, { site: 'google' }, true],
  [{ site: 'google' }, { site: null }, false],
  [{ site: 'google' }, {}, null],
  [{ header: { precedence: 'Bulk' } }, { header: { precedence: ['list', ' BULK '] } }, true],
  [{ header: { Subject: '*invoice*2026' } }, { header: { subject: ['Your Invoice of May 2026'] } }, true],
  [{ header: { Subject: '*invoice*2026' } }, { header: { subject: ['Invoice 2026-05'] } }, false],
  [{ header: { 'List-Id': '*' } }, { header: { 'list-id': [''] } }, true],
  [{ header: { 'List-Id': '*', Precedence: 'bulk' } }, { header: { 'list-id': ['x'] } }, false],
  [{ header: { Constructor: '*' } }, { header: {} }, false],
  [{ header: { Subject: '*' } }, {}, null],
  [{ headerFrom: '*.example.net' }, { header: { from: ['"a, b" <x@y.example>, c@m.example.net'] } }, true],
  [{ headerFrom: 'bücher.example' }, { header: { from: ['Ann <ann@bücher.example>'] } }, true],
  [{ headerFrom: 'example.net' }, { header: {} }, false],
  [{ headerFrom: 'example.net' }, {}, null],
  [{ size: '>1KB' }, { size: 1024 }, false],
  [{ size: ['>=1KB', '<10B'] }, { size: 1024 }, true],
  [{ size: '<=1KB' }, { size: 1024 }, true],
  [{ size: '<1KB' }, { size: 1024 }, false],
  [{ size: '<1KB' }, {}, null],
  [{ time: { hours: '22:00-06:00', zone: 'UTC' } }, { at: Date.UTC(2026, 10, 23, 5, 59) }, true],
  [{ time: { days: ['sat', 'sun'], zone: 'UTC' } }, { at: Date.UTC(2026, 10, 23) }, false],
  [{ time: { days: 'mon-fri' } }, {}, null],
  [{ tag: ['outside', 'big'] }, { tags: ['big'] }, true],
  [{ tag: 'outside' }, { tags: ['big'] }, false],
  [{ tag: 'outside' }, { openTags: ['outside'] }, null],
  [{ not: { to: 'example.org' } }, {}, false],
  [{ not: { to: 'example.org', from: 'other.example' } }, {}, true],
  [{ not: [{ to: 'other.example' }, { from: 'example.net' }] }, {}, false],
  [{ not: { size: '>1KB' } }, {}, null],
  [{ not: { size: '>1KB', to: 'other.example' } }, {}, true],
  [{ any: [{ to: 'other.example' }, { size: '>1KB' }] }, {}, null],
  [{ any: [{ to: 'example.org' }, { size: '>1KB' }] }, {}, true],
  [{ any: [{ to: 'other.example' }, { not: { from: 'example.net' } }] }, {}, false],
])('%j with %j: %s', (when, facts, truth) => {
  expect(truthOf(when, { ...mail, ...facts })).toBe(truth);
});

test('a condition says what it looks at, and what it needs', () => {
  const when = {
    size: '>20MB',
    client: '10.1.2.3',
    time: { hours: '06:00-22:00', days: 'sat-sun', zone: 'UTC' },
    not: [{ to: 'a.example', tag: 'x' }, { site: 'google' }],
    headerFrom: 'b.example',
    header: { Subject: ['a*', 'b'] },
  };
  const told = compileConditions(conditions.parse(when)).map(({ describe, needs }) => [describe, [...needs]]);
  expect(told).toEqual([
    ['client is 10.1.2.3/32', []],
    ['time is 06:00-22:00 sat,sun UTC', []],
    ['size is >20MB', ['content']],
    ['headerFrom is b.example', ['content']],
    ['header Subject is a*, b', ['content']],
    ['not (to is a.example and tag is x; or site is google)', ['content', 'site']],
  ]);
});

test('header fields are found in conditions within conditions', () => {
  const when = {
    header: { 'X-A': '*' },
    any: [{ headerFrom: 'a.example' }, { not: { header: { 'x-b': 'c' } } }],
  };
  expect(new Set(headerFieldsOf(conditions.parse(when)))).toEqual(new Set(['x-a', 'from', 'x-b']));
});

test.each([
  {},
  { to: '<>' },
  { headerFrom: '<>' },
  { client: 'localhost' },
  { client: '10.0.0.0/33' },
  { size: '20MB' },
  { size: '>' },
  { header: {} },
  { header: { 'a b': '*' } },
  { header: { Subject: 'x'.repeat(257) } },
  { time: {} },
  { time: { zone: 'UTC' } },
  { time: { hours: '06:00-06:00' } },
  { time: { hours: '24:00-06:00' } },
  { time: { hours: '06:60-07:00' } },
  { time: { hours: '06:00' } },
  { time: { days: 'mon-today' } },
  { time: { days: 'mon', zone: 'Mars/Base' } },
  { not: {} },
  { any: [] },
  { not: { any: [{ too: 'a.example' }] } },
])('%j is refused', (when) => {
  expect(conditions.safeParse(when).success).toBe(false);
});

test('all conditions, nested at random, agree with the model', () => {
  const chance = new Chance(20_261_122);
  const seen = new Map<Truth, number>();
  for (let round = 0; round < 4_000; round++) {
    const [when, world] = [someWhen(chance, 2), someWorld(chance)];
    const truth = truthOf(when, world);
    seen.set(truth, (seen.get(truth) ?? 0) + 1);
    expect([round, when, world, truth]).toEqual([round, when, world, model(when, world)]);
  }
  expect(Math.min(...[true, false, null].map((truth) => seen.get(truth) ?? 0))).toBeGreaterThan(200);
});

/** Kleene's logic as numbers would have it: false below unknown below true. */
const ranks: readonly Truth[] = [false, null, true];
function lowest(truths: readonly Truth[]): Truth {
  return ranks[Math.min(2, ...truths.map((truth) => ranks.indexOf(truth)))] as Truth;
}
function highest(truths: readonly Truth[]): Truth {
  return ranks[Math.max(0, ...truths.map((truth) => ranks.indexOf(truth)))] as Truth;
}

function model(when: When, world: World): Truth {
  return lowest(Object.entries(when).map(([key, value]) => modelOf(key, [value].flat(), world)));
}

function modelOf(key: string, wanted: readonly unknown[], world: World): Truth {
  const words = wanted as readonly string[];
  const ifKnown = <T>(value: T | undefined, test: (value: T) => boolean): Truth =>
    value === undefined ? null : test(value);
  switch (key) {
    case 'to':
      return words.some((pattern) => fitsAddress(pattern, world.to));
    case 'from':
      return words.some((pattern) => fitsAddress(pattern, world.from));
    case 'user':
      return ifKnown(world.user, (user) => user !== null && words.includes(user.toLowerCase()));
    case 'client':
      return ifKnown(
        world.client,
        (client) => client !== null && words.some((one) => inNetwork(one, client)),
      );
    case 'site':
      return ifKnown(world.site, (site) => site !== null && words.includes(site));
    case 'tag':
      return highest(words.map((tag) => hasTag(tag, world)));
    case 'size':
      return ifKnown(world.size, (size) => words.some((limit) => compares(limit, size)));
    case 'time':
      return ifKnown(world.at, (at) => {
        const isDay = at >= 6 * 3_600_000 && at < 22 * 3_600_000;
        return isDay === ((wanted[0] as When).hours === '06:00-22:00');
      });
    case 'header':
      return ifKnown(world.header, ({ subject = [] }) =>
        [(wanted[0] as When).Subject]
          .flat()
          .some((glob) => subject.some((text) => fitsGlob(glob as string, text))),
      );
    case 'headerFrom':
      return ifKnown(world.header, ({ from = [] }) =>
        addresses.some(
          (address) =>
            from.some((field) => field.includes(`<${address}>`)) &&
            words.some((pattern) => fitsAddress(pattern, address)),
        ),
      );
    case 'any':
      return highest((wanted as readonly When[]).map((inner) => model(inner, world)));
    default: {
      const truth = highest((wanted as readonly When[]).map((inner) => model(inner, world)));
      return truth === null ? null : !truth;
    }
  }
}

function fitsAddress(pattern: string, address: string): boolean {
  if (address === '' || pattern === '<>') return address === '' && pattern === '<>';
  const [local, domain = ''] = address.split('@');
  if (pattern.endsWith('@*')) return pattern === `${local}@*`;
  if (pattern.startsWith('*.')) return domain.endsWith(pattern.slice(1));
  return pattern === address || pattern === domain;
}

function inNetwork(network: string, client: string): boolean {
  const family = (address: string) => (address.includes(':') ? 'ipv6' : 'ipv4');
  const [address = '', prefix] = network.split('/');
  const list = new BlockList();
  list.addSubnet(address, Number(prefix ?? 32), family(address));
  return family(address) === family(client) && list.check(client, family(client));
}

function hasTag(tag: string, { tags = [], openTags = [] }: World): Truth {
  if (tags.includes(tag)) return true;
  return openTags.includes(tag) ? null : false;
}

function compares(limit: string, size: number): boolean {
  const octets = Number(/\d+/.exec(limit)?.[0]);
  if (size === octets) return limit.includes('=');
  return limit.startsWith('>') ? size > octets : size < octets;
}

/** By trying everything. */
function fitsGlob(glob: string, text: string): boolean {
  if (glob === '') return text === '';
  if (glob[0] !== '*') return glob[0] === text[0]?.toLowerCase() && fitsGlob(glob.slice(1), text.slice(1));
  return fitsGlob(glob.slice(1), text) || (text !== '' && fitsGlob(glob, text.slice(1)));
}
