// Policy files become a policy, or a list of every mistake with its place, also across files.
// Runs loadPolicy on files of a folder of the test's own.
// Never tests what a policy decides: test/unit/policy does.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Environment } from '../../../src/config/environment.ts';
import { loadPolicy } from '../../../src/config/load-policy.ts';
import type { Problem } from '../../../src/config/problem.ts';
import { temporaryFolder } from '../../harness/folder.ts';

/** Writes the files into a folder and loads the folder, or the file when there is one. */
function load(files: Readonly<Record<string, string>> | string, environment: Environment = {}) {
  const folder = temporaryFolder();
  const all = typeof files === 'string' ? { 'policy.yaml': files } : files;
  for (const [name, yaml] of Object.entries(all)) writeFileSync(join(folder, name), yaml);
  return loadPolicy(typeof files === 'string' ? join(folder, 'policy.yaml') : folder, { environment });
}

/** `file:line:column path: message`, the file's name alone. */
function told(problems: readonly Problem[]): string[] {
  return problems.map(({ file, line, column, path, message }) => {
    return `${file.split('/').at(-1)}:${line}:${column} ${path}: ${message}`;
  });
}

function errorsOf(files: Readonly<Record<string, string>> | string, environment: Environment = {}): string[] {
  const loaded = load(files, environment);
  return 'problems' in loaded ? told(loaded.problems.filter(({ severity }) => severity === 'error')) : [];
}

function warningsOf(
  files: Readonly<Record<string, string>> | string,
  environment: Environment = {},
): string[] {
  const loaded = load(files, environment);
  if ('problems' in loaded) throw new Error(told(loaded.problems).join('\n'));
  return told(loaded.warnings);
}

test('no policy and an empty one are the built-in policy', () => {
  for (const loaded of [loadPolicy(null, { environment: {} }), load('# nothing yet\n')]) {
    if ('problems' in loaded) throw new Error(told(loaded.problems).join('\n'));
    expect([...loaded.policy.routes.keys()]).toEqual(['direct']);
    expect(loaded.policy.otherwise.ending).toEqual({ kind: 'route', routes: ['direct'] });
    expect(loaded.warnings).toEqual([]);
  }
});

test('a file whose lines do not hang together is told as such: nothing is said of what was guessed', () => {
  expect(errorsOf('rules:\n  - name: x\n   route: direct\n')).toEqual([
    'policy.yaml:3:1 : Sequence item without - indicator',
  ]);
  const files = { '1.yaml': 'routes:\n\tp: { via: mx }\n', '2.yaml': 'rules: [{ route: p }]\n' };
  expect(errorsOf(files)).toEqual(['1.yaml:2:1 : Tabs are not allowed as indentation']);
});

test('a mistake in a condition with one value that is a map stands at its own key', () => {
  expect(errorsOf('rules:\n  - when: { time: { days: [mon, fry] } }\n    hold: x\n')).toEqual([
    'policy.yaml:2:33 rules[0].when.time[0].days[1]: "fry" is not a day (mon, tue, wed, thu, fri, sat, sun) or several: mon-fri',
  ]);
});

test('every mistake is told at once, at its line and column', () => {
  const yaml = [
    'routes:',
    '  provider: { via: smarthost, hosts: ["smtp.example:99999"], conections: 3 }',
    '  other: { via: mxx }',
    '  third: { via: mx, hosts: [mx.example.net] }',
    '  "a b": { via: discard }',
    'retry:',
    '  default: { after: 5 min, classes: { greylist: { after: 5m } } }',
    'sites:',
    '  nobody: { connections: 3 }',
    '  default: { mx: google.com }',
    'rules:',
    '  - { when: { to: "foo@@" }, route: provder }',
    '  - { name: one, when: anny, reject: { code: 250 } }',
    '  - { name: one, when: {}, route: [direct, direct], retry: hourly }',
    '  - { to: a.example, route: direct, fallback: { on: [unknown-user, blockd] } }',
    '  - { name: idle, when: any }',
    '  - { reject: { code: 450, enhanced: 5.1.1 }, route: direct }',
    'routs: {}',
  ].join('\n');
  expect(errorsOf(yaml)).toEqual([
    'policy.yaml:2:39 routes.provider.hosts[0]: "smtp.example:99999" is not a host such as mail.example.net:587 or smtps://mail.example.net:465',
    'policy.yaml:2:62 routes.provider.conections: unknown key',
    'policy.yaml:3:17 routes.other.via: expected mx, smarthost or discard',
    'policy.yaml:4:21 routes.third.hosts: unknown key',
    'policy.yaml:5:3 routes."a b": a name is letters, digits, `-`, `_` and `.`',
    'policy.yaml:7:21 retry.default.after[0]: "5 min" is not a duration such as 30s, 5m, 4h or 2d',
    'policy.yaml:7:39 retry.default.classes.greylist: unknown key',
    'policy.yaml:9:11 sites.nobody: needs `mx` or `domains`',
    'policy.yaml:10:12 sites.default: every other domain is in it: `mx` and `domains` have no place here',
    'policy.yaml:12:19 rules[0].when.to[0]: "foo@@" is not an address pattern: user@example.net, example.net, *.example.net, user@* or "<>"',
    'policy.yaml:12:37 rules[0].route[0]: there is no route "provder"',
    'policy.yaml:13:24 rules[1].when: expected `any` or a map of conditions',
    'policy.yaml:13:46 rules[1].reject.code: a reply code is 400 to 559',
    'policy.yaml:14:13 rules[2].name: the name one is taken',
    'policy.yaml:14:24 rules[2].when: no condition: for every mail, write `when: any`',
    'policy.yaml:14:35 rules[2].route: the same route twice',
    'policy.yaml:14:60 rules[2].retry: there is no retry schedule "hourly"',
    'policy.yaml:15:7 rules[3].to: unknown key',
    'policy.yaml:15:54 rules[3].fallback.on[0]: this class never falls back',
    expect.stringMatching(/^policy.yaml:15:68 rules\[3\].fallback.on\[1\]: expected unreachable, dns, /),
    'policy.yaml:16:5 rules[4]: this rule does nothing',
    'policy.yaml:17:5 rules[5]: a rule ends in one way: `route` or `reject`',
    'policy.yaml:17:38 rules[5].reject.enhanced: `code` and `enhanced` must begin with the same digit (RFC 3463 §2)',
    'policy.yaml:18:1 routs: unknown key',
  ]);
});

test('aliases are followed over all files; a loop and a pattern that comes twice are told at their keys', () => {
  const files = {
    '1.yaml': 'rewrite:\n  recipients:\n    a@x.example: b@x.example\n    c@x.example: d@x.example\n',
    '2.yaml':
      'rewrite:\n  senders: { "*@x.example": "*@y.example" }\n  recipients: { b@x.example: ["*@z.example", a@x.example], C@x.example: e@x.example }\n',
  };
  expect(errorsOf(files)).toEqual([
    '1.yaml:3:5 rewrite.recipients."a@x.example": a loop: a@x.example → b@x.example → a@x.example',
    '2.yaml:3:60 rewrite.recipients."C@x.example": the pattern c@x.example is there already',
  ]);
});

function oauth2(more: string): string {
  return `oauth2: { clientId: c, clientSecret: s, refreshToken: r, ${more} }`;
}

function pop(more: string): string {
  return `popBeforeSmtp: { host: pop.example, user: u, password: "secret", ${more} }`;
}

test.each([
  [
    'hosts: [{ host: a.example, weight: 3 }, b.example]',
    'hosts[0].weight: has a meaning with `choose: weighted` alone',
  ],
  ['hosts: [{ host: a.example, weight: 0 }], choose: weighted', 'hosts[0].weight: must be 1 or more'],
  ['hosts: [{ host: a.example, wieght: 2 }], choose: weighted', 'hosts[0].wieght: unknown key'],
  ['hosts: [a.example, "smtp://A.example:587"]', 'hosts[1]: this host is in the list already'],
  ['hosts: ["a.example:99999"]', 'hosts[0]: "a.example:99999" is not a host such as '],
  ['hosts: a.example, service: gmail', 'service: the hosts are named in `hosts` already: one of the two'],
  ['service: gmial', 'service: there is no service "gmial"'],
  ['connections: 3', 'hosts: is missing: a list of hosts, or `service` with the name of a provider'],
  ['service: gmail, tls: none', 'tls: `tls: none` contradicts TLS from the start'],
  ['service: gmail, auth: { user: u }', 'auth.password: is missing'],
  [
    `service: gmail, auth: { user: u, password: p, ${oauth2('')} }`,
    'auth.oauth2: the login has a `password`',
  ],
  [`hosts: a.example, auth: { user: u, ${oauth2('')} }`, 'auth.oauth2.tokenUrl: is missing: this provider'],
  [
    `service: gmail, auth: { user: u, ${oauth2('tokenUrl: "http://tokens.example/"')} }`,
    'auth.oauth2.tokenUrl: "http://tokens.example/" is not an https:// address',
  ],
  ['service: gmail, auth: { user: u, oauth2: { clientId: c } }', 'auth.oauth2.clientSecret: is missing'],
  [`hosts: a.example, auth: { ${pop('')}, user: u }`, 'auth.user: the login is the one in `popBeforeSmtp`'],
  [
    `hosts: a.example, auth: { ${pop('tls: none')} }`,
    'auth.popBeforeSmtp.tls: port 995 is TLS from the start',
  ],
  [
    `hosts: a.example, auth: { ${pop('port: 110, tls: none')} }`,
    'auth.popBeforeSmtp.tls: a login without TLS needs `cleartext: true`',
  ],
  [
    `hosts: a.example, auth: { ${pop('port: 110').replace('secret', 'two\\nlines')} }`,
    'auth.popBeforeSmtp.password: must have no control characters',
  ],
  [
    'hosts: a.example, auth: { popBeforeSmtp: { host: "pop:110" } }',
    'auth.popBeforeSmtp.host: "pop:110" is not a host such as pop.example.net',
  ],
  ['hosts: a.example, auth: { password: p }', 'auth.user: is missing'],
  ['hosts: a.example, choose: random', 'choose: expected in-order, weighted or least-used'],
])('a smarthost with %s is told what is wrong', (yaml, message) => {
  const errors = errorsOf(`routes: { r: { via: smarthost, ${yaml} } }`);
  expect(errors).toContainEqual(expect.stringContaining(`routes.r.${message}`));
});

test('a service that nobody knows is answered with the name that was meant', () => {
  const loaded = load('routes: { r: { via: smarthost, service: gmial } }');
  expect(loaded).toMatchObject({ problems: [{ line: 1, column: 41, hint: 'did you mean gmail?' }] });
});

test('a condition or an action without a value is an error, a section without one is not', () => {
  expect(errorsOf('rules:\n  - when:\n    route: direct\n')).toEqual([
    'policy.yaml:2:10 rules[0].when: has no value',
  ]);
  expect(errorsOf('routes:\nretry:\nrules:\n')).toEqual([]);
});

test('a folder is read in name order, as one policy', () => {
  const loaded = load({
    '20-rules.yaml': 'rules: [{ name: second, route: provider, retry: slow }]',
    '10-first.yaml':
      'rules: [{ name: first, when: { to: a.example }, reject: {} }]\nretry: { slow: { after: 1h } }',
    '30-routes.yaml': 'routes: { provider: { via: smarthost, hosts: smtp.example } }',
    'notes.txt': 'not: [yaml',
  });
  if ('problems' in loaded) throw new Error(told(loaded.problems).join('\n'));
  expect(loaded.policy.rules.map((rule) => rule.name)).toEqual(['first', 'second']);
  expect(loaded.files.map((file) => file.split('/').at(-1)).slice(1)).toEqual([
    '10-first.yaml',
    '20-rules.yaml',
    '30-routes.yaml',
  ]);
});

test('a name that stands in two files is an error in the second', () => {
  expect(
    errorsOf({
      'a.yaml': 'routes: { out: { via: mx } }\nrules: [{ name: all, route: out }]',
      'b.yaml': 'routes: { out: { via: discard } }\nrules: [{ name: all, route: out }]',
    }),
  ).toEqual([
    'b.yaml:1:11 routes.out: the name out is taken',
    'b.yaml:2:17 rules[0].name: the name all is taken',
  ]);
});

test('a policy that is missing, and a folder without one, are errors', () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'empty'));
  for (const [name, message] of [
    ['none.yaml', 'cannot be read: no such file'],
    ['empty', 'there is no *.yaml in this folder'],
  ] as const) {
    expect(loadPolicy(join(folder, name), { environment: {} })).toMatchObject({ problems: [{ message }] });
  }
});

const withSecret = `routes:
  provider: { via: smarthost, hosts: smtp.example, auth: { user: u, password: "\${env:PASSWORD}" } }
`;

test('a secret that is not set is an error only when a rule takes its route', () => {
  const needed = `${withSecret}rules: [{ route: [direct, provider] }]`;
  expect(errorsOf(needed)).toEqual([
    'policy.yaml:2:79 routes.provider.auth.password: the environment variable PASSWORD is not set',
  ]);
  expect(errorsOf(needed, { PASSWORD: 'x' })).toEqual([]);
  const loaded = load(`${withSecret}rules: [{ route: direct }]`);
  if ('problems' in loaded) throw new Error(told(loaded.problems).join('\n'));
  expect([...loaded.policy.routes.keys()]).toEqual(['direct']);
  expect(told(loaded.warnings)).toEqual([
    'policy.yaml:2:79 routes.provider.auth.password: the environment variable PASSWORD is not set: the route provider is left out',
  ]);
});

test('a secret behind an alias is missed wherever the alias stands', () => {
  const yaml = [
    'routes:',
    `  spare: { via: smarthost, hosts: a.example, auth: &login { user: u, password: "\${env:PASSWORD}" } }`,
    '  taken: { via: smarthost, hosts: b.example, auth: *login }',
    'rules: [{ route: taken }]',
  ].join('\n');
  expect(errorsOf(yaml)).toEqual([
    expect.stringMatching(/routes.taken.auth.password: the environment variable PASSWORD is not set$/),
  ]);
});

test('other mistakes of a route that waits for its secret are told all the same', () => {
  const yaml = `${withSecret}  third: { via: mx, tls: maybe, displayName: "\${env:NAME}" }\nrules: [{ route: direct }]`;
  expect(errorsOf(yaml)).toEqual([
    'policy.yaml:3:26 routes.third.tls: expected none, opportunistic, required or verified',
  ]);
});

test('secret files are relative to the policy, and watched with it', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'secret'), 'p4ss\n');
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, `${withSecret.replace('env:PASSWORD', 'file:./secret')}rules: [{ route: provider }]`);
  const loaded = loadPolicy(file, { environment: {} });
  if ('problems' in loaded) throw new Error(told(loaded.problems).join('\n'));
  expect(loaded.policy.routes.get('provider')).toMatchObject({ auth: { password: 'p4ss' } });
  expect(loaded.files).toEqual([file, join(folder, 'secret')]);
});

test('rules that no mail reaches, open ends and unused routes are warnings', () => {
  expect(
    warningsOf('rules:\n  - { name: all, route: direct }\n  - { when: { to: a.example }, reject: {} }'),
  ).toEqual(['policy.yaml:3:5 rules[1]: no mail comes here: the rule "all" above ends for every mail']);
  expect(
    warningsOf('routes: { spare: { via: mx } }\nrules: [{ when: { to: a.example }, route: direct }]'),
  ).toEqual([
    'policy.yaml:1:11 routes.spare: no rule takes this route',
    'policy.yaml:2:1 rules: mail that no rule ends takes the route direct: say so in a last rule',
  ]);
});

test('addresses of ours: mistakes in pools and warm-ups, and one that no route leaves from', () => {
  const route = (sources: string) => `routes: { direct: { via: mx, sources: [${sources}] } }\n`;
  const twice = '{ address: "2001:DB8::0:1" }, { address: "2001:db8::1" }';
  expect(errorsOf(route(twice))).toEqual([
    expect.stringMatching(
      /^policy.yaml:1:\d+ routes.direct.sources\[1\].address: this address is in the list already$/,
    ),
  ]);
  const warmup = (start: string, perDay: string) =>
    `  - { source: 192.0.2.10, start: ${start}, perDay: ${perDay} }\n`;
  const wrong = ['2026-02-30', '1.12.2026'].map((start) => warmup(start, '[50]')).join('');
  expect(errorsOf(`warmup:\n${wrong}${warmup('2026-12-01', '[]')}${warmup('2026-12-01', '[0, 1]')}`)).toEqual(
    [
      'policy.yaml:2:34 warmup[0].start: "2026-02-30" is not a date such as 2026-12-01',
      'policy.yaml:3:34 warmup[1].start: "1.12.2026" is not a date such as 2026-12-01',
      'policy.yaml:4:54 warmup[2].perDay: needs a number for the first day at least',
      'policy.yaml:5:55 warmup[3].perDay[0]: must be 1 or more',
    ],
  );
  const files = {
    '1.yaml': `${route('{ address: 192.0.2.10 }')}warmup:\n${warmup('2026-12-01', '[50]')}`,
    '2.yaml': `warmup:\n${warmup('2026-11-01', '[10]')}  - { source: 192.0.2.11, start: 2026-12-01, perDay: [5] }\n`,
  };
  expect(warningsOf(files)).toEqual([
    '2.yaml:2:7 warmup[0].source: 192.0.2.10 is warmed up already: the first one counts',
    '2.yaml:3:7 warmup[1].source: no route has the source 192.0.2.11',
  ]);
});

test('quotas that no mail comes under', () => {
  const quotas = [
    '{ of: sender, max: 5/day, over: hold }',
    '{ of: user, max: 5/day, over: defer }',
    '{ of: sender, max: 5/day, over: defer, for: "<>" }',
  ];
  expect(
    warningsOf({
      '1.yaml': `rules: [{ route: direct }]\nquotas:\n${quotas.map((one) => `  - ${one}\n`).join('')}`,
    }),
  ).toEqual([
    '1.yaml:4:5 quotas[1]: never reached: nobody can log in in this version',
    '1.yaml:5:5 quotas[2]: never reached: the null sender has no quota',
  ]);
});
