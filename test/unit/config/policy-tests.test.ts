// A policy's own tests: what they can say, how failing ones are told, and that they keep a policy from force.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadPolicy } from '../../../src/config/load-policy.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { temporaryFolder } from '../../harness/folder.ts';

const RULES = `routes: { provider: { via: smarthost, hosts: [smtp.example] } }
retry: { hourly: { after: 1h } }
rules:
  - { name: no test mail, when: { to: "*.invalid" }, reject: {} }
  - { name: reports, when: { from: "<>" }, retry: hourly }
  - { name: big mailboxes, when: { to: aol.com }, route: provider }
  - { name: rest, route: [direct, provider] }
tests:
`;

function load(tests: string, more: Readonly<Record<string, string>> = {}, failingTests?: 'tell') {
  const folder = temporaryFolder();
  const files = { '1.yaml': RULES + tests, ...more };
  for (const [name, yaml] of Object.entries(files)) writeFileSync(join(folder, name), yaml);
  return loadPolicy(folder, { environment: {}, ...(failingTests && { failingTests }) });
}

/** The file's name alone before each place. */
function problemsOf(loaded: ReturnType<typeof loadPolicy>): string[] {
  return 'problems' in loaded ? loaded.problems.map((one) => formatProblem(one).replace(/^\S*\//, '')) : [];
}

test.each([
  '{ mail: { from: a@example.net, to: b@aol.com }, expect: { rule: big mailboxes, route: provider } }',
  '{ mail: { from: a@example.net, to: B@AOL.com }, expect: { route: [provider], retry: default } }',
  '{ mail: { from: "<>", to: b@example.org }, expect: { rule: rest, route: [direct, provider], retry: hourly } }',
  '{ mail: { from: a@example.net, to: b@some.invalid }, expect: { rule: no test mail, reject: 550 } }',
])('%s passes', (yaml) => {
  const loaded = load(`  - ${yaml}\n`);
  expect(problemsOf(loaded)).toEqual([]);
  expect(loaded).toMatchObject({ tests: [{ place: { line: 9, column: 5 }, problems: [] }] });
});

test.each([
  [
    '{ rule: big mailbox }',
    '9:67: tests[0].expect.rule: the test fails: for mail from a@b.example to c@aol.com the rule is "big mailboxes", not "big mailbox" (did you mean big mailboxes?)',
  ],
  ['{ rule: rest }', 'the rule is "big mailboxes", not "rest"'],
  ['{ route: [direct, provider] }', 'the route is "provider", not "direct, provider"'],
  ['{ retry: hourly }', 'the retry is "default", not "hourly"'],
  ['{ reject: 550 }', 'the reject is "none: route provider", not "550"'],
])('expecting %s fails, at its place', (expected, told) => {
  const [problem, ...others] = problemsOf(
    load(`  - { mail: { from: a@b.example, to: c@aol.com }, expect: ${expected} }\n`),
  );
  expect(others).toEqual([]);
  expect(problem).toMatch(/^1\.yaml:9:\d+: tests\[0\]\.expect\.\w+: the test fails/);
  expect(problem).toContain(told);
});

test('a test is about the addresses that mail comes to have, and about all that its recipient becomes', () => {
  const rewrite =
    'rewrite: { senders: { "*@lan": "*@x.example" }, recipients: { team@x.example: [b@aol.com, b@example.org] } }\n' +
    'rules: [{ name: ours, when: { from: x.example, to: aol.com }, tag: seen }]\n';
  const asked = (to: string, expected: string): string[] =>
    problemsOf(
      load(`  - { mail: { from: a@lan, to: ${to} }, expect: ${expected} }\n`, { '0.yaml': rewrite }),
    ).map((line) => line.slice(line.indexOf('the test fails')));
  expect(asked('b@aol.com', '{ tag: seen }')).toEqual([]);
  expect(asked('team@x.example', '{ rule: big mailboxes }')).toEqual([
    'the test fails: for mail from a@lan to team@x.example the rule is "rest", not "big mailboxes"',
  ]);
});

test('mail that is rejected takes no route; every miss of every file is told', () => {
  const second = `tests:
  - mail: { from: "<>", to: b@some.invalid }
    expect:
      rule: rest
      route: provider
`;
  const first = '  - { mail: { from: "<>", to: a@b.example }, expect: { route: direct } }\n';
  expect(problemsOf(load(first, { '2.yaml': second }))).toEqual([
    expect.stringContaining(
      '1.yaml:9:63: tests[0].expect.route: the test fails: for mail from <> to a@b.example',
    ),
    expect.stringContaining('2.yaml:4:13: tests[0].expect.rule:'),
    expect.stringMatching(
      /2\.yaml:5:14: tests\[0\]\.expect\.route: .* is "none: reject 550 5.7.1", not "provider"/,
    ),
  ]);
});

test('a failing test can be told instead of refusing the policy', () => {
  const failing = '  - { mail: { from: "<>", to: a@b.example }, expect: { rule: reports } }\n';
  expect(load(failing)).not.toHaveProperty('policy');
  const loaded = load(failing, {}, 'tell');
  expect(loaded).toHaveProperty('policy');
  expect(loaded).toMatchObject({ tests: [{ problems: [{ line: 9, severity: 'error' }] }] });
});

test.each([
  ['{ mail: { from: a@b.example, to: c@d.example }, expect: {} }', 'a test that expects nothing'],
  [
    '{ mail: { from: a@b.example, to: c@d.example }, expect: { route: nowhere } }',
    'there is no route "nowhere"',
  ],
  ['{ mail: { from: a, to: c@d.example }, expect: { rule: rest } }', '"a" is not an address such as'],
  ['{ mail: { from: a@b.example, to: "<>" }, expect: { rule: rest } }', '"<>" is not an address such as'],
  ['{ mail: { from: a@b.example }, expect: { rule: rest } }', 'tests[0].mail.to: is missing'],
  [
    '{ mail: { from: a@b.example, to: c@d.example, time: "2026-11-23T09:30" }, expect: { rule: rest } }',
    'is not a moment such as 2026-11-23T09:30+01:00',
  ],
])('%s is a mistake', (yaml, told) => {
  const problems = problemsOf(load(`  - ${yaml}\n`));
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(told);
});
