// What differs between two policies: by name, in the words of the file, without secrets.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadPolicy } from '../../../src/config/load-policy.ts';
import { diffPolicies } from '../../../src/policy/diff.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { policyFrom } from '../../harness/policy.ts';

const OLD = `
routes:
  provider: { via: smarthost, hosts: [smtp.example], auth: { user: relay, password: one } }
  gone: { via: mx }
retry: { default: { after: [1m, 5m] } }
sites: { big: { mx: "*.big.example", connections: 10 } }
rewrite: { recipients: { team@example.net: [ann@example.org] } }
quotas: [{ of: sender, max: 500/day, over: hold }]
rules:
  - { name: news, when: { from: news@example.net }, retry: { expire: 2d }, route: provider }
  - { name: gone, when: { to: "*.gone" }, route: gone }
  - { name: rest, route: [direct, provider] }
`;

/** One line for each difference. */
function told(before: string, after: string): string[] {
  const found = diffPolicies(policyFrom(before), policyFrom(after));
  return found.map(({ section, name, what, words }) => `${section} ${name} ${what}: ${words.join('; ')}`);
}

test('the same policy, written otherwise', () => {
  expect(told(OLD, OLD)).toEqual([]);
  const otherwise = OLD.replace('[ann@example.org]', 'ann@example.org').replace(
    '"*.big.example"',
    '["*.big.example"]',
  );
  expect(told(OLD, otherwise)).toEqual([]);
  expect(told('', 'routes: { direct: { via: mx } }')).toEqual([]);
});

test('what is new, what is gone, and which setting is another', () => {
  const changed = OLD.replace('  gone: { via: mx }\n', '')
    .replace('  - { name: gone, when: { to: "*.gone" }, route: gone }\n', '')
    .replace('expire: 2d', 'expire: 3d')
    .replace(
      '[direct, provider] }',
      'provider }\n  - { name: late, when: { to: late.example }, reject: { text: No } }',
    )
    .replace('connections: 10', 'connections: 5, rate: 300/minute')
    .replace('[1m, 5m]', '[2m]')
    .replace('500/day', '600/day')
    .replace('[ann@example.org]', '[bob@example.org]');
  expect(told(OLD, changed)).toEqual([
    'rules news changed: retry.after: 1m, 5m → 2m; retry.expire: 2d → 3d',
    'rules gone removed: when: to is *.gone; route: gone',
    'rules rest changed: route: direct, provider → provider',
    'rules late added: when: to is late.example; reject.code: 550; reject.enhanced: 5.7.1; reject.text: No',
    expect.stringMatching(/^routes gone removed: .*via: mx/) as unknown as string,
    'retry default changed: after: 1m, 5m → 2m',
    'sites big changed: connections: 10 → 5; rate: none → 300/minute',
    'rewrite recipients changed: team@example.net: ann@example.org → bob@example.org',
    expect.stringMatching(/^quotas quotas changed: .*500.*600/) as unknown as string,
  ]);
});

test('another order of rules is told, for the first that fits decides', () => {
  const rules = ['{ name: a, when: { to: a.example }, route: direct }', '{ name: b, route: direct }'];
  const [before, after] = [rules, rules.toReversed()].map((list) => `rules: [${list.join(', ')}]`) as [
    string,
    string,
  ];
  expect(told(before, after)).toEqual(['rules  moved: b; a']);
});

test('another password is another secret, and is not shown', () => {
  const changed = told(OLD, OLD.replace('password: one', 'password: two'));
  expect(changed).toEqual(['routes provider changed: auth: another secret']);
  expect(told(OLD, OLD.replace('user: relay, password: one', 'user: other, password: two'))).toEqual([
    'routes provider changed: auth.user: relay → other',
  ]);
  const routes =
    'routes: { new: { via: smarthost, hosts: [x.example], auth: { user: u, password: hidden } } }';
  expect(told('', `${routes}\nrules: [{ route: new }]`).join()).not.toContain('hidden');
});

test('no section of the language is left out', () => {
  const reference = readFileSync(new URL('../../../config/policy-reference.yaml', import.meta.url), 'utf8');
  const names = [...reference.matchAll(/\$\{env:(\w+)\}/g)].map(([, name]) => [name, 'secret']);
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'policy.yaml'), reference);
  const loaded = loadPolicy(join(folder, 'policy.yaml'), { environment: Object.fromEntries(names) });
  if ('problems' in loaded) throw new Error(loaded.problems.map(({ message }) => message).join());
  const sections = diffPolicies(policyFrom(''), loaded.policy).map(({ section }) => section);
  const { tests: _, ...written } = parse(reference) as Record<string, unknown>;
  expect([...new Set(sections)].sort()).toEqual(Object.keys(written).sort());
});
