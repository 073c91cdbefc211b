import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../src/cli/program.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { testTerminal } from '../../harness/terminal.ts';

interface Files {
  readonly settings?: string;
  readonly policy?: string;
}

/** Runs `check` on files of its own. */
async function check({ settings = 'hostname: relay.example.net\n', policy }: Files, ...options: string[]) {
  const folder = temporaryFolder();
  const file = join(folder, 'sendoff.yaml');
  writeFileSync(file, settings);
  if (policy !== undefined) writeFileSync(join(folder, 'policy.yaml'), policy);
  const terminal = testTerminal();
  const code = await run(['check', ...options, '--config', file], terminal);
  return { code, folder, ...terminal.printed };
}

test('good files are named, with what is in them', async () => {
  const policy = 'rules:\n  - { name: all, route: drop }\nroutes:\n  drop: { via: discard }\n';
  const { code, out, err, folder } = await check({ policy });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain(`settings: ${folder}/sendoff.yaml\n`);
  expect(out).toMatch(/policy: \S+policy\.yaml \(1 rule, \d routes\)\nno mistakes\n$/);
});

test('a mistake in the policy is told with its place, a warning of the settings beside it', async () => {
  const policy = 'rules:\n  - name: all\n    route: nowhere\n';
  const { code, out, err } = await check({ settings: 'hostname: short\n', policy });
  expect({ code, out }).toEqual({ code: 78, out: '' });
  expect(err).toMatch(/sendoff\.yaml:1:11: warning: hostname/);
  expect(err).toMatch(/policy\.yaml:3:\d+: .*nowhere/);
  expect(err).toMatch(/\nsendoff: 1 mistake in the configuration\n$/);
});

test('a warning alone is exit 0', async () => {
  const { code, err } = await check({ settings: 'hostname: short\n' });
  expect(code).toBe(0);
  expect(err).toMatch(
    /^\S*sendoff\.yaml:1:11: warning: hostname.*\n {2}1 \| hostname: short\n {4}\| {11}\^\n$/,
  );
});

test('--json lists mistakes and warnings as data', async () => {
  const broken = await check({ settings: 'colour: red\nhostname: short\n' }, '--json');
  expect(broken.code).toBe(78);
  expect(JSON.parse(broken.out).problems).toEqual([
    expect.objectContaining({ severity: 'error', line: 1, column: 1, path: 'colour' }),
    expect.objectContaining({ severity: 'warning', line: 2, path: 'hostname' }),
  ]);
  const good = await check({}, '--json');
  expect(good.code).toBe(0);
  expect(JSON.parse(good.out)).toEqual({ problems: [] });
});

test('--print shows what is in effect, as YAML or JSON, without secrets', async () => {
  const settings = 'hostname: relay.example.net\nadmin: { token: open-sesame }\n';
  const policy =
    'routes:\n  smart: { via: smarthost, hosts: [smtp.example.net], auth: { user: u, password: hush } }\n' +
    'rules:\n  - { name: all, route: smart }\n';
  const yaml = await check({ settings, policy }, '--print');
  expect(yaml.code).toBe(0);
  expect(yaml.out).toContain('relay.example.net');
  const json = await check({ settings, policy }, '--print', '--json');
  expect(JSON.parse(json.out)).toMatchObject({ settings: { hostname: 'relay.example.net' } });
  expect(yaml.out + json.out).not.toMatch(/open-sesame|hush/);
});

test('each mistake shows its line with a caret under the place, but no line that may hold a secret', async () => {
  const policy = `routes:
  provider:
    via: smarthost
    hosts: [smtp.example]
    auth: { user: relay, pasword: open-sesame }
rules:
\t
  - { name: all, route: provider, when: { to: "${'a.'.repeat(60)}example" }, rety: hourly }
`.replace('\t', '');
  const { code, err } = await check({ policy });
  expect(code).toBe(78);
  expect(err).toMatch(/policy\.yaml:5:26: routes\.provider\.auth\.pasword: unknown key .*\n/);
  expect(err).not.toContain('open-sesame');
  const [, shown = '', caret = ''] = /policy\.yaml:8:\d+: rules.*\n(.*)\n(.*)\n/.exec(err) ?? [];
  expect(shown).toMatch(/^ {2}8 \| .*r$/);
  expect(caret.indexOf('^')).toBe(shown.length - 1);
});

test.each([
  ['a value below its key', 'admin:\n  token:\n    1234567\n', '3:5: admin.token: expected text\n'],
  ['a login in a URL', 'redis:\n  url: redi://:1234567@127.0.0.1\n', '2:8: redis.url: expected a URL'],
])('%s is not shown', async (_what, settings, told) => {
  const { code, err } = await check({ settings: `${settings}hostname: relay.example.net\n` });
  expect(code).toBe(78);
  expect(err).toContain(told);
  expect(err).not.toContain('1234567');
});

test('--schema prints the JSON Schema of the settings or of the policy', async () => {
  const settings = await check({}, '--schema');
  expect(JSON.parse(settings.out)).toMatchObject({ title: 'Sendoff settings' });
  const policy = await check({ policy: 'broken' }, '--schema', 'policy');
  expect(policy.code).toBe(0);
  expect(JSON.parse(policy.out)).toMatchObject({ properties: { rules: { type: 'array' } } });
  const wrong = await check({}, '--schema', 'mail');
  expect({ code: wrong.code, err: wrong.err }).toEqual({
    code: 64,
    err: 'sendoff: --schema: mail is none of settings, policy\n',
  });
});
