// `sendoff policy test`, and what failing tests do to the other commands that read the files.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../src/cli/program.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { testTerminal } from '../../harness/terminal.ts';

async function sendoff(policy: string, ...argv: string[]) {
  const folder = temporaryFolder();
  const file = join(folder, 'sendoff.yaml');
  writeFileSync(file, 'hostname: relay.example.net\n');
  writeFileSync(join(folder, 'policy.yaml'), `rules: [{ name: all, route: direct }]\ntests:\n${policy}`);
  const terminal = testTerminal();
  const code = await run([...argv, '--config', file], terminal);
  return { code, ...terminal.printed };
}

const GOOD = '  - { mail: { from: a@b.example, to: c@d.example }, expect: { rule: all, route: direct } }\n';
const BAD = '  - { mail: { from: "<>", to: c@d.example }, expect: { rule: reports } }\n';

test('tests that pass are counted', async () => {
  expect(await sendoff(GOOD + GOOD, 'policy', 'test')).toEqual({ code: 0, out: '2 tests passed\n', err: '' });
  expect(await sendoff('  []\n', 'policy', 'test')).toMatchObject({
    code: 0,
    out: 'the policy has no tests\n',
  });
  expect((await sendoff(GOOD, 'check')).out).toMatch(/\(1 rule, 1 route, 1 test passed\)\nno mistakes\n$/);
});

test('one that fails is told with its place and its line, exit 78', async () => {
  const { code, out, err } = await sendoff(GOOD + BAD, 'policy', 'test');
  expect({ code, out }).toEqual({ code: 78, out: '' });
  expect(err).toMatch(
    /^\S*policy\.yaml:4:62: tests\[1\]\.expect\.rule: the test fails: .* the rule is "all", not "reports"\n {2}4 \| .*\n.*\^\nsendoff: 1 of 2 tests failed\n$/,
  );
  const { out: json } = await sendoff(GOOD + BAD, 'policy', 'test', '--json');
  expect(JSON.parse(json)).toMatchObject({
    failed: 1,
    tests: [
      { passed: true, line: 3, mail: { from: 'a@b.example' }, problems: [] },
      { passed: false, line: 4, expect: { rule: 'reports' }, problems: [expect.stringContaining('fails')] },
    ],
  });
});

test('check and serve refuse such a policy; explain and simulate help to find out why', async () => {
  for (const command of ['check', 'serve']) {
    const { code, err } = await sendoff(BAD, command);
    expect({ command, code }).toEqual({ command, code: 78 });
    expect(err).toContain('policy.yaml:3:62: tests[0].expect.rule: the test fails');
  }
  const mail = ['--from', '<>', '--to', 'c@d.example'];
  expect((await sendoff(BAD, 'explain', ...mail, '--offline')).out).toContain('rule "all"');
  expect((await sendoff(BAD, 'simulate', ...mail, '--replies', '250')).code).toBe(0);
});

test('a policy with mistakes is not tested', async () => {
  const { code, err } = await sendoff(`${BAD}routs: {}\n`, 'policy', 'test');
  expect(code).toBe(78);
  expect(err).toContain('routs: unknown key');
  expect(err).not.toContain('the test fails');
});
