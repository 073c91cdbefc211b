// Warnings of `check` about rules: what no mail reaches or fits, and rejects that come late; each at its line.
// Runs the loader on policies of a few lines.
// Never tests the logic behind it: test/unit/policy/coverage.test.ts does.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadPolicy } from '../../../src/config/load-policy.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { temporaryFolder } from '../../harness/folder.ts';

function warningsOf(rules: readonly string[], more = ''): string[] {
  const file = join(temporaryFolder(), 'policy.yaml');
  const lines = [...rules, '{ name: rest, route: direct }'].map((rule) => `  - ${rule}`);
  writeFileSync(file, `${more}rules:\n${lines.join('\n')}\n`);
  const loaded = loadPolicy(file, { environment: {} });
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.warnings.map((one) => formatProblem(one).replace(/^.*\//, '').replace('warning: ', ''));
}

test.each<[title: string, rules: string[], warnings: string[]]>([
  [
    'all that would fit has ended above',
    [
      '{ name: big, when: { to: ["*.a.example", a.example] }, route: direct }',
      '{ name: one, when: { to: x@m.a.example, from: b.example }, reject: {} }',
      '{ name: other, when: { from: b.example }, hold: why }',
    ],
    [
      'policy.yaml:3:5: rules[1]: no mail comes here: the rule "big" above ends for all that would fit this one',
    ],
  ],
  [
    'rules that add settings, discard or redirect end nothing for queued mail',
    [
      '{ when: { to: a.example }, priority: low }',
      '{ when: { to: b.example }, discard: true }',
      '{ when: { to: c.example }, redirect: qa@c.example }',
      '{ when: { to: [a.example, b.example, c.example] }, bounces: none }',
      '{ when: { to: qa@c.example }, route: direct }',
    ],
    [],
  ],
  [
    'conditions that exclude each other',
    ['{ when: { to: ann@a.example, not: [{ from: "<>" }, { to: a.example }] }, route: direct }'],
    [
      'policy.yaml:2:7: rules[0].when: no mail can fit this rule: `not` excludes all that the other conditions ask for',
    ],
  ],
  [
    'users',
    [
      '{ when: { user: ann }, priority: low }',
      '{ when: { any: [{ user: ann }, { user: bob, to: a.example }] }, priority: low }',
      '{ when: { any: [{ user: ann }, { to: a.example }] }, priority: low }',
      '{ when: { not: { user: ann } }, priority: low }',
    ],
    ['policy.yaml:2:7: rules[0].when', 'policy.yaml:3:7: rules[1].when'].map(
      (place) =>
        `${place}: no mail can fit this rule: \`user\` never holds, as no listener takes logins in this version`,
    ),
  ],
  [
    'tags and sites that there are not',
    [
      '{ when: { tag: outside }, priority: low }',
      '{ when: { from: a.example }, tag: outside }',
      '{ when: { any: [{ tag: [outside, outsied] }, { site: [big, bigg, mx.example.net] }] }, priority: low }',
    ],
    [
      'policy.yaml:3:7: rules[0].when: no rule above gives the tag "outside"',
      'policy.yaml:5:7: rules[2].when: no rule above gives the tag "outsied"',
      'policy.yaml:5:7: rules[2].when: there is no site "bigg"',
    ],
  ],
  [
    'a reject by the envelope behind a rule by the header',
    [
      '{ name: bulk, when: { from: news@a.example, header: { Precedence: bulk } }, route: direct }',
      '{ name: early, when: { from: ann@a.example, to: "*.invalid" }, reject: {} }',
      '{ name: late, when: { to: "*.invalid" }, reject: {} }',
      '{ name: content, when: { to: "*.test", size: ">1MB" }, reject: {} }',
    ],
    [
      'policy.yaml:4:5: rules[2]: answered after DATA only, not at RCPT: the rule "bulk" above ends by header Precedence is bulk',
    ],
  ],
])('%s', (_, rules, warnings) => {
  const sites = warnings.some((one) => one.includes('site'))
    ? 'sites: { big: { domains: big.example } }\n'
    : '';
  expect(warningsOf(rules, sites)).toEqual(warnings);
});

test('schedules that no rule takes', () => {
  const retry = 'retry: { default: { expire: 2d }, slow: { after: 1h }, slower: { after: 2h } }\n';
  expect(warningsOf(['{ retry: slow }'], retry)).toEqual([
    'policy.yaml:1:56: retry.slower: no rule takes this schedule',
  ]);
});

test('a thousand rules are looked over in no time', () => {
  const rules = Array.from(
    { length: 1_000 },
    (_, i) => `{ when: { to: ["*.d${i}.example", d${i}.example], not: { from: x.example } }, route: direct }`,
  );
  const before = performance.now();
  expect(warningsOf(rules)).toEqual([]);
  expect(performance.now() - before).toBeLessThan(5_000);
});
