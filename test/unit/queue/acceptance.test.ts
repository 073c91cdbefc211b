// What becomes of a message's recipients when it comes: entries, copies, what ends at once, what is refused.
// Runs enqueue.ts and acceptance.ts on messages and policies; rewriting and rules have tests of their own.
import { describe, expect, test } from 'vitest';
import { RewriteTable } from '../../../src/policy/rewrite.ts';
import { refusalAtRcpt } from '../../../src/queue/acceptance.ts';
import { enqueue } from '../../../src/queue/enqueue.ts';
import { Chance } from '../../harness/random.ts';
import { message, placing } from './setting.ts';

const at = (...names: readonly string[]): string[] => names.map((name) => `${name}@example.org`);

function enqueued(rules: string, to: readonly string[], changes: Parameters<typeof message>[1] = {}) {
  return enqueue(message(to, changes), placing(rules));
}

describe('entries', () => {
  test('are apart where tags or edits differ, though all go the same way', () => {
    const { entries } = enqueued(
      `rules:
  - { when: { to: ["a@*", "b@*"] }, tag: [one, two], header: { add: { X-A: "1" } } }
  - { when: { to: "b@*" }, header: { add: { X-B: "2" }, remove: X-C } }
  - { when: { to: "c@*" }, tag: one }`,
      at('a', 'b', 'c', 'd', 'e'),
    );
    const a = { name: 'X-A', value: '1' };
    expect(entries).toMatchObject([
      { recipients: [0], tags: ['one', 'two'], edit: { add: [a], remove: [] } },
      { recipients: [1], tags: ['one', 'two'], edit: { add: [a, { name: 'X-B' }], remove: ['x-c'] } },
      { recipients: [2], tags: ['one'] },
      { recipients: [3, 4] },
    ]);
    expect(Object.keys(entries[3] ?? {})).not.toContain('tags');
    expect(new Set(entries.map(({ destination }) => destination))).toEqual(new Set(['direct example.org']));
  });

  test('take the route that their tags lead to, as at every later look', () => {
    const { entries } = enqueued(
      `routes: { direct: { via: mx }, provider: { via: smarthost, hosts: [h.example] } }
rules:
  - { when: { to: "a@*" }, tag: t }
  - { when: { tag: t }, route: provider }
  - { when: any, route: direct }`,
      at('a', 'b'),
    );
    expect(entries.map(({ destination }) => destination)).toEqual(['provider', 'direct example.org']);
  });

  test('are held with the words of the rule', () => {
    const { entries, refusal } = enqueued(
      'rules: [{ name: big, when: { size: ">1KB" }, hold: wait }]',
      at('a'),
      {
        size: 2000,
      },
    );
    expect(refusal).toBeNull();
    expect(entries).toMatchObject([
      { destination: 'held', hold: { reason: 'rule "big": wait', by: 'policy' } },
    ]);
  });
});

describe('a redirect', () => {
  const rules = `rules:
  - { when: { to: ["a@*", "b@*"] }, tag: moved, redirect: q@example.org }
  - { when: { to: "c@*" }, redirect: no@example.org }
  - { when: { to: "d@*" }, discard: true }
  - { when: { to: "e@*" }, redirect: d@example.org }
  - { when: { to: "no@*" }, reject: { text: Nobody } }
  - { when: { to: "q@*" }, redirect: x@example.org }`;

  test('makes one recipient of several, and is not followed by another', () => {
    const { message: taken, entries } = enqueued(rules, at('a', 'f', 'b'));
    expect(taken.recipients).toEqual(at('q', 'f'));
    expect(entries).toMatchObject([{ recipients: [0], tags: ['moved'] }, { recipients: [1] }]);
  });

  test('to an address that is rejected is a reject; what the daemon wrote itself is held there', () => {
    expect(enqueued(rules, at('c')).refusal).toMatchObject({ reply: { text: 'Nobody' } });
    const { entries, message: dsn } = enqueued(rules, at('c'), { origin: 'dsn', from: '' });
    expect(dsn.recipients).toEqual(at('no'));
    expect(entries).toMatchObject([{ hold: { reason: expect.stringContaining('Nobody') } }]);
  });

  test('to an address whose own mail is thrown away is not', () => {
    for (const order of [at('d', 'e'), at('e', 'd')]) {
      const { message: taken, entries, discarded } = enqueued(rules, order);
      expect(taken.recipients).toEqual(at('d'));
      expect([entries.length, discarded.length]).toEqual([1, 0]);
    }
    expect(enqueued(rules, at('d'))).toMatchObject({
      entries: [],
      discarded: [{ index: 0, route: null, rule: 'rule 3' }],
    });
  });
});

describe('copies', () => {
  const rules = `rules:
  - { when: any, copy: all@archive.example }
  - { when: { to: "*.example" }, copy: { to: each@archive.example, per: recipient } }
  - { when: { from: "<>" }, copy: { to: ALL@archive.example } }
  - { when: { to: gone.example }, discard: true }`;

  test('stand behind the recipients, one for all or one for each, and are quiet', () => {
    const {
      message: taken,
      entries,
      discarded,
    } = enqueued(rules, ['a@s.example', 'b@example.org', 'c@t.example']);
    expect(taken.recipients.slice(3)).toEqual([
      'all@archive.example',
      'each@archive.example',
      'each@archive.example',
    ]);
    expect(discarded).toEqual([]);
    const quiet = entries.filter((entry) => entry.quiet);
    expect(quiet.map(({ recipients }) => recipients)).toEqual([[3], [4], [5]]);
    expect(quiet.map(({ edit }) => edit?.add[0]?.value)).toEqual([undefined, 'a@s.example', 'c@t.example']);
    expect(quiet.every(({ nextWarning }) => nextWarning === undefined)).toBe(true);
    expect(entries.filter((entry) => !entry.quiet).every((entry) => entry.nextWarning)).toBe(true);
  });

  test('are no second ones, and are made of what is thrown away too', () => {
    expect(enqueued(rules, ['All@archive.example', 'b@example.org']).message.recipients).toEqual([
      'All@archive.example',
      'b@example.org',
      'each@archive.example',
    ]);
    const { message: taken, discarded } = enqueued(rules, ['b@gone.example'], { from: '', origin: 'dsn' });
    expect(taken.recipients).toEqual(['b@gone.example', 'all@archive.example', 'each@archive.example']);
    expect(discarded.map(({ index }) => index)).toEqual([0]);
  });
});

describe('a refusal', () => {
  const rules = `rules:
  - { when: { to: "soon@*" }, reject: { code: 450, enhanced: 4.2.1, text: Soon } }
  - { when: { to: "never@*", header: { Subject: x } }, reject: { text: Never } }`;
  const header = { subject: ['x'] };

  test.each([
    [at('a'), null],
    [at('soon'), { code: 450, text: 'Soon' }],
    [at('a', 'soon'), { code: 450, text: '<soon@example.org>: Soon' }],
    [at('soon', 'never'), { code: 550, text: 'Never' }],
    [at('soon', 'never', 'a'), { code: 550, text: '<never@example.org>: Never' }],
  ])('of %j is %j', (to, reply) => {
    const { refusal } = enqueued(rules, to, { header });
    if (reply === null) expect(refusal).toBeNull();
    else expect(refusal?.reply).toMatchObject(reply);
  });

  test('at RCPT needs what the envelope decides; an alias is refused for each of its targets', () => {
    const context = placing(
      `rewrite: { recipients: { team@example.org: [a@example.org, soon@example.org] } }\n${rules}`,
    );
    const asked = (to: string) => refusalAtRcpt({ from: 'b@example.net' }, to, context)?.reply.text ?? null;
    expect(['a', 'soon', 'never', 'team'].map((name) => asked(`${name}@example.org`))).toEqual([
      null,
      'Soon',
      null,
      'Soon',
    ]);
    const { refusal } = enqueue(message(at('team', 'x')), context);
    expect(refusal?.reply.text).toBe('<team@example.org>: Soon');
  });
});

test('any message: each of its recipients is in one entry or ends at once, and none is there twice', () => {
  const chance = new Chance(20_261_126);
  const names = at('a', 'b', 'c', 'd', 'e');
  const some = (): string => JSON.stringify(chance.list(1, 2, () => chance.pick(names)));
  const one = (): string => JSON.stringify(chance.pick(names));
  const action = (): string =>
    chance.pick([
      `redirect: ${one()}`,
      'discard: true',
      'hold: x',
      'route: drop',
      `copy: ${one()}`,
      `copy: { to: ${one()}, per: recipient }`,
      `tag: ${chance.pick(['s', 't'])}`,
      'header: { add: { X: y } }',
    ]);
  for (let round = 0; round < 60; round++) {
    const rules = chance.list(0, 5, () => `  - { when: { to: ${some()} }, ${action()} }`).join('\n');
    const aliases = `rewrite: { recipients: { ${chance.list(0, 1, () => `a@example.org: [a@example.org, ${one()}]`).join()} } }`;
    const yaml = `${aliases}\nroutes: { drop: { via: discard } }\nrules:\n${rules || '  []'}`;
    const to = [...new Set(chance.list(1, 4, () => chance.pick(names)))];
    const { message: taken, entries, discarded } = enqueued(yaml.replace('rules:\n  []', 'rules: []'), to);
    const indexes = [
      ...entries.flatMap(({ recipients }) => recipients),
      ...discarded.map(({ index }) => index),
    ];
    const all = taken.recipients.map((_, index) => index);
    expect(
      indexes.sort((a, b) => a - b),
      yaml,
    ).toEqual(all);
    const copies = entries.filter(({ quiet }) => quiet).flatMap(({ recipients }) => recipients);
    const originals = taken.recipients.filter((_, index) => !copies.includes(index));
    expect(new Set(originals).size, yaml).toBe(originals.length);
    expect(
      entries.every(({ seq, recipients }) => seq === recipients[0]),
      yaml,
    ).toBe(true);
  }
});

test('an alias that never ends is refused at RCPT, and does not keep what the daemon itself writes', () => {
  const context = placing('rules: []');
  const entries = ['a', 'b'].map((local) => {
    const targets = [{ local: local === 'a' ? 'b' : 'a', domain: 'example.org' }];
    const address = `${local}@example.org`;
    return { pattern: { kind: 'address', address } as const, targets, written: address };
  });
  const { senders } = context.policy.rewrite;
  const rewrite = { senders, recipients: new RewriteTable(entries) };
  const looped = { ...context, policy: { ...context.policy, rewrite } };
  const reply = { code: 554, enhanced: '5.4.6' };
  expect(refusalAtRcpt({ from: '' }, 'a@example.org', looped)).toMatchObject({ reply });
  expect(enqueue(message(at('a', 'x')), looped).refusal).toMatchObject({ reply });
  const own = enqueue(message(at('a'), { origin: 'dsn', from: '' }), looped);
  expect([own.message.recipients, own.entries.length]).toEqual([at('a'), 1]);
});
