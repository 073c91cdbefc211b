// What a decision costs: a thousand rules of mixed kinds, asked for one recipient after the other.
// Run by hand: `node bench/policy.ts [rules] [recipients]`; prints one line for each kind of rule, and one for all.
// Never measures what follows a decision: nothing is queued and nothing is looked up.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPolicy } from '../src/config/load-policy.ts';
import { formatProblem } from '../src/config/problem.ts';
import { decide } from '../src/policy/evaluate.ts';
import type { MailFacts, Policy } from '../src/policy/policy.ts';

const RULES = Number(process.argv[2] ?? 1_000);
const RECIPIENTS = Number(process.argv[3] ?? 20_000);

/** Conditions of the rule with this number. None of them fits the mail below: each rule is walked past. */
const kinds: Readonly<Record<string, (i: number) => string>> = {
  'to, one domain': (i) => `{ to: d${i}.example }`,
  'to, twenty patterns': (i) => `{ to: [${patterns(i).join(', ')}] }`,
  'from and to': (i) => `{ from: "*.example.net", to: user${i}@example.org }`,
  client: (i) => `{ client: [10.${i % 250}.0.0/16, "2001:db8:${i.toString(16)}::/48"] }`,
  'header, value': (i) => `{ header: { Precedence: [bulk${i}, list${i}] } }`,
  'header, stars': (i) => `{ header: { Subject: "*offer*${i}*" } }`,
  headerFrom: (i) => `{ headerFrom: ["*.h${i}.example", h${i}.example] }`,
  size: (i) => `{ size: ">${i + 100}MB" }`,
  site: (i) => `{ site: site.${i}.example }`,
  tag: (i) => `{ tag: [a${i}, b${i}] }`,
  time: (i) => `{ time: { hours: 0${i % 8}:00-0${(i % 8) + 1}:00, zone: ${zones[i % zones.length]} } }`,
  'not and any': (i) =>
    `{ from: example.net, any: [{ to: n${i}.example }, { size: ">1GB" }], not: { client: 10.0.0.0/8 } }`,
};

const zones = ['Europe/Madrid', 'UTC', 'Europe/London'];

function patterns(i: number): string[] {
  return Array.from({ length: 10 }, (_, n) => [`p${n}.d${i}.example`, `"*.q${n}.d${i}.example"`]).flat();
}

/** What rules do, in turns: some end, some only add. */
const actions = [
  'route: direct',
  'retry: { after: 1h }',
  'hold: wait',
  'priority: low',
  'tag: x',
  'discard: true',
];

function policyOf(conditions: readonly ((i: number) => string)[]): Policy {
  const rules = Array.from({ length: RULES }, (_, i) => {
    const when = conditions[i % conditions.length]?.(i);
    return `  - { when: ${when}, ${actions[i % actions.length]} }`;
  });
  const folder = mkdtempSync(join(tmpdir(), 'sendoff-bench-'));
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, ['rules:', ...rules, '  - { name: rest, route: direct }'].join('\n'));
  const loaded = loadPolicy(file, { environment: {} });
  rmSync(folder, { recursive: true });
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.policy;
}

/** A newsletter, as its header is kept. */
const mail = {
  from: 'news@example.net',
  user: null,
  client: '192.0.2.7',
  header: {
    from: ['"The shop, weekly" <news@shop.example.net>'],
    subject: ['Our offers of the week: everything that you never knew you needed, and some more besides'],
    precedence: ['bulk'],
  },
  size: 40_000,
  site: 'mx.example.org',
  at: Date.UTC(2026, 10, 24, 12),
};

function recipient(i: number): MailFacts {
  return { ...mail, to: `reader${i}@example.org` };
}

/** Microseconds a recipient: half of them take less; what other work on the machine costs is not in it. */
function median(policy: Policy): number {
  for (let i = 0; i < 2_000; i++) decide(policy, recipient(i));
  const times = Array.from({ length: RECIPIENTS }, (_, i) => {
    const facts = recipient(i);
    const began = performance.now();
    const { rule } = decide(policy, facts);
    const took = performance.now() - began;
    if (rule !== 'rest') throw new Error(`the mail fits ${rule}`);
    return took * 1000;
  });
  return times.sort((a, b) => a - b)[RECIPIENTS >> 1] ?? 0;
}

function report(name: string, conditions: readonly ((i: number) => string)[]): void {
  process.stdout.write(`${name.padEnd(20)} ${median(policyOf(conditions)).toFixed(1).padStart(7)} µs\n`);
}

process.stdout.write(`${RULES} rules, ${RECIPIENTS} recipients, a recipient:\n`);
for (const [name, condition] of Object.entries(kinds)) report(name, [condition]);
report('all kinds, mixed', Object.values(kinds));
