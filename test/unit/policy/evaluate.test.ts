// Decisions: which rule ends, what the rules before it added, and that the trace tells the same story.
// Runs decide and explain on policies written as YAML.
// Never tests the language's errors: test/unit/config does.
import { expect, test } from 'vitest';
import { decide, explain } from '../../../src/policy/evaluate.ts';
import { policyFrom } from '../../harness/policy.ts';

const policy = policyFrom(`
routes:
  provider: { via: smarthost, hosts: smtp.example }
retry:
  hourly: { after: 1h, attempts: 5 }
rules:
  - { name: no test domains, when: { to: "*.invalid" }, reject: { enhanced: 5.1.2, text: No such domain } }
  - { name: patience, when: { from: news@example.net }, retry: hourly, fallback: { on: any, after: 1 } }
  - { name: own reports, when: { from: "<>" }, retry: { after: [30m], expire: 1d } }
  - { name: news to big mailboxes, when: { from: [news@example.net, "<>"], to: [aol.com, hotmail.com] }, route: provider }
  - { name: more patience, when: { to: slow.example }, retry: { expire: 10d } }
  - { name: rest, when: { from: example.net }, route: [direct, provider] }
`);

function ruleFor(from: string, to: string): string {
  return decide(policy, { from, to }).rule;
}

test('the first rule that matches and ends is the decision', () => {
  expect(ruleFor('a@example.net', 'b@test.invalid')).toBe('no test domains');
  expect(ruleFor('news@example.net', 'b@aol.com')).toBe('news to big mailboxes');
  expect(ruleFor('NEWS@Example.net', 'B@AOL.com')).toBe('news to big mailboxes');
  expect(ruleFor('', 'b@hotmail.com')).toBe('news to big mailboxes');
  expect(ruleFor('a@example.net', 'b@aol.com')).toBe('rest');
});

test('mail that no rule ends takes the built-in route', () => {
  expect(decide(policy, { from: 'a@other.example', to: 'b@aol.com' })).toMatchObject({
    rule: 'everything else',
    ending: { kind: 'route', routes: ['direct'] },
    retry: { name: 'default' },
    fallback: { after: 2 },
  });
});

test('rules without an end add their settings, and the later word holds', () => {
  expect(decide(policy, { from: 'news@example.net', to: 'b@aol.com' })).toMatchObject({
    retry: { name: 'hourly', attempts: 5 },
    fallback: { after: 1 },
  });
  const slow = decide(policy, { from: 'news@example.net', to: 'b@slow.example' });
  expect(slow.retry).toMatchObject({ name: 'of rule "more patience"', expire: 864_000_000, attempts: null });
  expect(slow.fallback.after).toBe(1);
});

test('a reject carries its reply, with what it leaves out filled in', () => {
  expect(decide(policy, { from: '', to: 'b@a.invalid' }).ending).toEqual({
    kind: 'reject',
    reply: { code: 550, enhanced: '5.1.2', text: 'No such domain' },
  });
  const soft = policyFrom('rules: [{ when: any, reject: { code: 450 } }]');
  expect(decide(soft, { from: '', to: 'b@a.example' })).toMatchObject({
    rule: 'rule 1',
    ending: { reply: { code: 450, enhanced: '4.7.1', text: 'Rejected by policy' } },
  });
});

test('the trace names every rule on the way, why it failed and what it gave', () => {
  const { trace, ...decision } = explain(policy, { from: 'news@example.net', to: 'b@aol.com' });
  expect(decision).toEqual(decide(policy, { from: 'news@example.net', to: 'b@aol.com' }));
  const anyFallback = expect.stringMatching(/^fallback on unreachable, .* after 1$/);
  expect(trace).toEqual([
    { rule: 'no test domains', matched: false, failed: 'to is *.invalid', held: [], gave: [] },
    {
      rule: 'patience',
      matched: true,
      held: ['from is news@example.net'],
      gave: ['retry hourly', anyFallback],
    },
    { rule: 'own reports', matched: false, failed: 'from is <>', held: [], gave: [] },
    {
      rule: 'news to big mailboxes',
      matched: true,
      held: ['from is news@example.net, <>', 'to is aol.com, hotmail.com'],
      gave: ['route provider'],
    },
  ]);
  const unmatched = explain(policy, { from: 'a@other.example', to: 'b@aol.com' }).trace;
  expect(unmatched).toHaveLength(7);
  expect(unmatched.at(-1)).toEqual({
    rule: 'everything else',
    matched: true,
    held: [],
    gave: ['route direct'],
  });
});

test('a thousand rules agree with looking for the address by hand', () => {
  const domains = Array.from({ length: 1000 }, (_, index) => `d${index}.example`);
  const rules = domains.map(
    (domain) => `  - { name: ${domain}, when: { to: ["*.${domain}", ${domain}] }, route: direct }`,
  );
  const large = policyFrom(`rules:\n${rules.join('\n')}`);
  for (const domain of ['d0.example', 'd500.example', 'd999.example']) {
    expect(decide(large, { from: 'a@b.example', to: `x@${domain}` }).rule).toBe(domain);
    expect(decide(large, { from: 'a@b.example', to: `x@mx.${domain}` }).rule).toBe(domain);
  }
  expect(decide(large, { from: 'a@b.example', to: 'x@d1000.example' }).rule).toBe('everything else');
});

const byContent = policyFrom(`
rules:
  - { name: adds, when: { header: { Precedence: bulk } }, priority: low, tag: bulk }
  - { name: tagged, when: { tag: bulk, to: a.example }, hold: look at it }
  - { name: ends, when: { size: ">1KB", to: b.example }, discard: true }
  - { name: there, when: { site: google }, hold: not there }
  - { name: late, when: { not: { size: ">1KB" }, to: c.example }, redirect: qa@d.example }
  - { name: rest, route: direct }
`);

test.each([
  // A rule that only adds changes no answer at RCPT; the tag that it may give does.
  [{ to: 'x@e.example' }, 'rest', ['site']],
  [{ to: 'x@e.example', site: null }, 'rest', []],
  [{ to: 'x@e.example', site: 'google' }, 'there', []],
  [{ to: 'x@a.example', site: null }, 'rest', ['content']],
  [{ to: 'x@b.example', site: null }, 'rest', ['content']],
  [{ to: 'x@b.example', site: 'google' }, 'there', ['content']],
  [{ to: 'x@c.example', site: null }, 'rest', ['content']],
  // Once the content is known, nothing is missing but what still is.
  [{ to: 'x@a.example', size: 1, header: {} }, 'rest', ['site']],
  [{ to: 'x@a.example', size: 1, header: { precedence: ['bulk'] } }, 'tagged', []],
  [{ to: 'x@b.example', size: 2000, header: {} }, 'ends', []],
  [{ to: 'x@c.example', size: 1, header: {}, site: null }, 'late', []],
])('%j: rule %s, and what may lead elsewhere is %j', (mail, rule, missing) => {
  const decision = decide(byContent, { from: '', ...mail });
  expect([decision.rule, [...decision.missing]]).toEqual([rule, missing]);
});

test('queued mail keeps its tags, and what acceptance did is not done again', () => {
  const known = { from: '', size: 2000, header: { precedence: ['bulk'] }, site: null };
  const at = (to: string, tags: string[]) => decide(byContent, { ...known, to, tags }, 'queued').rule;
  expect(at('x@b.example', [])).toBe('rest');
  expect(at('x@a.example', [])).toBe('rest');
  expect(at('x@a.example', ['bulk'])).toBe('tagged');
});

const settings = policyFrom(`
rules:
  - { name: one, tag: [a, b], header: { add: { X-A: "1" } }, copy: c@a.example, warn: [1h], bounces: none, window: { days: mon-fri, zone: UTC } }
  - { name: two, tag: [b, c], header: { add: { X-A: ["2", "3"] }, remove: [x-b] }, copy: { to: d@a.example, per: recipient }, priority: high }
  - { name: last, route: direct, warn: [], bounces: boss@a.example }
`);

test('tags, header changes and copies add up; of other settings the last word holds', () => {
  const { fixed, retry, priority, window, bounces } = decide(settings, { from: '', to: 'x@b.example' });
  expect(fixed).toEqual({
    tags: ['a', 'b', 'c'],
    header: {
      add: ['1', '2', '3'].map((value) => ({ name: 'X-A', value })),
      remove: ['x-b'],
    },
    copies: [
      { to: 'c@a.example', per: 'message' },
      { to: 'd@a.example', per: 'recipient' },
    ],
  });
  expect({ warn: retry.warn, priority, bounces }).toEqual({
    warn: [],
    priority: 'high',
    bounces: { to: 'address', address: 'boss@a.example' },
  });
  expect(window).toEqual({ hours: null, days: new Set([1, 2, 3, 4, 5]), zone: 'UTC' });
});
