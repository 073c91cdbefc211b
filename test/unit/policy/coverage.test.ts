// What maps of conditions have to do with each other: by example, and never wrong for any mail at random.
// Runs coverage.ts on what the schema made.
// Never asks that every truth is found: only that what is said is true.
import { expect, test } from 'vitest';
import { type ConditionsData, conditions } from '../../../src/policy/condition-schema.ts';
import { compileConditions } from '../../../src/policy/conditions.ts';
import { covers, isNeverWith } from '../../../src/policy/coverage.ts';
import { CoverageIndex } from '../../../src/policy/coverage-index.ts';
import { factsFrom } from '../../../src/policy/facts.ts';
import { someWhen, someWorld, type World } from '../../harness/conditions.ts';
import { Chance } from '../../harness/random.ts';

test.each([
  [{ to: 'a.example' }, { to: 'ann@a.example', from: 'b.example' }, true],
  [{ to: ['*.a.example', 'b.example'] }, { to: ['x.a.example', '*.y.a.example', 'bob@b.example'] }, true],
  [{ to: '*.a.example' }, { to: ['x.a.example', 'a.example'] }, false],
  [{ to: 'ann@*' }, { to: 'ANN@a.example' }, true],
  [{ to: 'a.example' }, { from: 'a.example' }, false],
  [{ from: '<>' }, { from: '<>' }, true],
  [{ client: '10.0.0.0/8' }, { client: ['10.1.0.0/16', '10.2.3.4'] }, true],
  [{ client: '10.1.0.0/16' }, { client: '10.0.0.0/8' }, false],
  [{ size: '>1MB' }, { size: ['>=2MB', '>1MB'] }, true],
  [{ size: '>1MB' }, { size: '>=1MB' }, false],
  [{ size: '>=1MB' }, { size: '<2MB' }, false],
  [{ header: { Precedence: '*' } }, { header: { precedence: ['bulk', 'l*t'] } }, true],
  [{ header: { Precedence: 'bulk', 'List-Id': '*' } }, { header: { Precedence: 'bulk' } }, false],
  [{ user: 'Ann' }, { user: 'ann' }, true],
  [{ site: ['a', 'b'] }, { site: 'b' }, true],
  [{ tag: 'a' }, { tag: 'a' }, false],
  [{ time: { days: 'mon', zone: 'UTC' } }, { time: { days: 'mon', zone: 'UTC' }, to: 'a.example' }, true],
  [{ not: { to: 'a.example' } }, { to: 'b.example' }, true],
  [{ not: { to: 'a.example' } }, { not: { to: ['a.example', 'b.example'] } }, true],
  [{ not: { to: ['a.example', 'b.example'] } }, { not: { to: 'a.example' } }, false],
  [{ any: [{ to: 'a.example' }, { from: 'b.example' }] }, { from: 'b.example', size: '>1' }, true],
  [{ any: [{ to: '*.example' }, { from: '<>' }] }, { any: [{ to: 'a.example' }, { from: '<>' }] }, true],
])('%j covers %j: %s', (wide, narrow, expected) => {
  expect(covers(conditions.parse(wide), conditions.parse(narrow))).toBe(expected);
});

test.each([
  [{ to: 'a.example' }, { to: ['b.example', '*.a.example'] }, true],
  [{ to: '*.a.example' }, { to: '*.x.a.example' }, false],
  [{ to: 'ann@*' }, { to: 'bob@a.example' }, true],
  [{ to: 'ann@*' }, { to: 'a.example' }, false],
  [{ from: '<>' }, { from: 'example.net' }, true],
  [{ client: '10.1.0.0/16' }, { client: ['10.2.0.0/16', '::/0'] }, true],
  [{ not: { to: 'a.example' } }, { to: 'ann@a.example' }, true],
  [{ site: 'a' }, { site: 'b' }, true],
  [{ headerFrom: 'a.example' }, { headerFrom: 'b.example' }, false],
])('%j is never with %j: %s', (one, other, expected) => {
  expect(isNeverWith(conditions.parse(one), conditions.parse(other))).toBe(expected);
  expect(isNeverWith(conditions.parse(other), conditions.parse(one))).toBe(expected);
});

test('what is said of two maps of conditions at random holds for mail at random', () => {
  const chance = new Chance(77);
  const worlds = chance.list(150, 150, () => someWorld(chance));
  const said = { covers: 0, never: 0 };
  for (let round = 0; round < 3_000; round++) {
    const [wide, narrow] = [someWhen(chance, 1), someWhen(chance, 1)].map((when) => conditions.parse(when));
    if (!wide || !narrow) throw new Error('two were made');
    if (covers(wide, narrow)) {
      said.covers += 1;
      const stray = worlds.find((world) => holds(narrow, world) && !holds(wide, world));
      expect([round, wide, narrow, stray]).toEqual([round, wide, narrow, undefined]);
    }
    if (isNeverWith(wide, narrow)) {
      said.never += 1;
      const both = worlds.find((world) => holds(narrow, world) && holds(wide, world));
      expect([round, wide, narrow, both]).toEqual([round, wide, narrow, undefined]);
    }
  }
  expect(said.covers).toBeGreaterThan(50);
  expect(said.never).toBeGreaterThan(50);
});

test('the index finds all that covers, and none of it twice', () => {
  const chance = new Chance(78);
  let covering = 0;
  for (let round = 0; round < 60; round++) {
    const maps = chance.list(60, 60, () => conditions.parse(someWhen(chance, 1)));
    const index = new CoverageIndex<ConditionsData>();
    for (const map of maps) index.add(map, map);
    for (const narrow of chance.list(20, 20, () => conditions.parse(someWhen(chance, 1)))) {
      const wide = maps.filter((map) => covers(map, narrow));
      covering += wide.length;
      expect(index.candidates(narrow).filter((map) => covers(map, narrow))).toEqual(wide);
    }
  }
  expect(covering).toBeGreaterThan(500);
});

test('among thousands of maps it looks at a few', () => {
  const index = new CoverageIndex<number>();
  const maps = Array.from({ length: 3_000 }, (_, i) =>
    conditions.parse(
      [
        { to: [`d${i}.example`, `*.d${i}.example`], size: '>1MB' },
        { client: `10.${i % 256}.${i >> 8}.0/24` },
        { header: { Subject: `*${i}*` } },
        { not: { from: `d${i}.example` } },
      ][i % 4],
    ),
  );
  for (const [i, map] of maps.entries()) index.add(map, i);
  for (const [i, map] of maps.entries()) {
    const found = index.candidates(map);
    expect(found.length).toBeLessThanOrEqual(101);
    expect(found.includes(i) || i % 4 === 3).toBe(true);
  }
});

function holds(when: ConditionsData, { openTags = [], ...facts }: World): boolean {
  const known = factsFrom(facts, new Set(facts.tags), new Set(openTags));
  return compileConditions(when).every((condition) => condition.test(known) === true);
}
