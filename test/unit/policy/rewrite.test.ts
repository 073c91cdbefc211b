// Other addresses at acceptance: which pattern counts, where aliases lead, and loops that are refused.
// Runs rewrite.ts on tables written as YAML, and on generated ones against a model without look-ups.
import { expect, test } from 'vitest';
import { patternText } from '../../../src/policy/match.ts';
import {
  aliasMistakes,
  expanded,
  type RewriteEntry,
  RewriteTable,
  repeatedPatterns,
  rewrittenSender,
} from '../../../src/policy/rewrite.ts';
import { rewrite as schema } from '../../../src/policy/rewrite-schema.ts';
import { policyFrom } from '../../harness/policy.ts';
import { Chance } from '../../harness/random.ts';

const POLICY = policyFrom(`
rewrite:
  senders:
    ann@office.lan: ann.b@example.net
    "*@office.lan": "*@example.net"
    "*.office.lan": noreply@example.net
    root@*: ops@example.net
    example.net: never@example.org
  recipients:
    team@example.net: [ann@example.org, Bob@example.com, inner@example.net]
    inner@example.net: ["*@other.example", ann@example.org]
    info@example.net: [info@example.net, archive@example.net]
    "*@old.example": "*@new.example"
    "*@keep.example": ["*@keep.example", all@keep.example]
`).rewrite;

test.each([
  ['Ann@Office.lan', 'ann.b@example.net'],
  ['Bob.C@office.lan', 'Bob.C@example.net'],
  ['"a b"@office.lan', '"a b"@example.net'],
  ['x@deep.in.office.lan', 'noreply@example.net'],
  ['root@elsewhere.example', 'ops@example.net'],
  // The first that fits counts: root@* stands behind the domain.
  ['root@office.lan', 'root@example.net'],
  ['bob@elsewhere.example', 'bob@elsewhere.example'],
  ['', ''],
])('the sender %s becomes %s, and that is not looked up again', (from, expected) => {
  expect(rewrittenSender(POLICY, from)).toBe(expected);
});

test.each([
  ['bob@example.com', ['bob@example.com']],
  ['TEAM@example.net', ['ann@example.org', 'Bob@example.com', 'inner@other.example']],
  ['Info@example.net', ['Info@example.net', 'archive@example.net']],
  ['Old.One@old.example', ['Old.One@new.example']],
  ['ann@keep.example', ['ann@keep.example', 'all@keep.example']],
])('mail to %s goes to %j', (to, recipients) => {
  expect(expanded(POLICY, to)).toEqual({ recipients });
});

function tableOf(recipients: Readonly<Record<string, string | readonly string[]>>): readonly RewriteEntry[] {
  return schema.parse({ recipients }).recipients;
}

test.each([
  [
    { 'a@x.example': 'b@x.example', 'b@x.example': 'A@x.example' },
    ['a@x.example → b@x.example → A@x.example'],
  ],
  [
    { '*@a.example': '*@b.example', '*@b.example': '*@a.example' },
    ['*@a.example → *@b.example → *@a.example'],
  ],
  [{ '*@a.example': '*@b.example', 'u@*': 'u@a.example' }, ['u@a.example → u@b.example → u@a.example']],
  [{ 'u@*': 'u@a.example', '*@a.example': '*@b.example' }, []],
  [
    { 'u@b.example': 'u@a.example', '*@a.example': '*@b.example' },
    ['u@b.example → u@a.example → u@b.example'],
  ],
  [
    { '*.a.example': 'x@b.example', 'b.example': '*@s.a.example' },
    ['x@b.example → x@s.a.example → x@b.example'],
  ],
  [
    { 'a@x.example': ['a@x.example', 'b@x.example'], 'b@x.example': ['a@x.example'] },
    ['a@x.example → b@x.example → a@x.example'],
  ],
  // Into a loop, but none of it: told once, as the loop.
  [
    { 'in@x.example': 'a@x.example', 'a@x.example': 'b@x.example', 'b@x.example': 'a@x.example' },
    ['a@x.example → b@x.example → a@x.example'],
  ],
  [
    {
      'a@x.example': ['b@x.example', 'c@x.example'],
      'b@x.example': 'd@x.example',
      'c@x.example': 'd@x.example',
    },
    [],
  ],
] as const)('%j has the loops %j', (recipients, loops) => {
  expect(aliasMistakes(tableOf(recipients)).map(({ message }) => message)).toEqual(
    loops.map((loop) => `a loop: ${loop}`),
  );
});

test('a chain that is too long is a mistake too, and ends when mail comes all the same', () => {
  const chain = (length: number): readonly RewriteEntry[] =>
    tableOf(Object.fromEntries(Array.from({ length }, (_, i) => [`a${i}@x.example`, `a${i + 1}@x.example`])));
  expect(aliasMistakes(chain(20))).toEqual([]);
  expect(expanded({ recipients: new RewriteTable(chain(20)) }, 'a0@x.example')).toEqual({
    recipients: ['a20@x.example'],
  });
  const [mistake] = aliasMistakes(chain(21));
  expect(mistake).toMatchObject({
    place: 0,
    message: expect.stringMatching(/^more than 20 aliases in a row: a0@/),
  });
  expect(expanded({ recipients: new RewriteTable(chain(21)) }, 'a0@x.example')).toHaveProperty('chain');
});

test('a pattern that is there already is told where it comes again', () => {
  const entries = tableOf({
    'x.example': 'a@y.example',
    '*@X.example': 'b@y.example',
    'a@x.example': 'c@y.example',
  });
  expect(repeatedPatterns(entries)).toEqual([
    { place: 1, message: 'the pattern x.example is there already' },
  ]);
});

test.each([
  [{ senders: { '<>': 'a@b.example' } }, 'the null sender stays what it is'],
  [{ senders: { 'a b': 'a@b.example' } }, 'not an address, a domain'],
  [{ senders: { 'a.example': ['a@b.example', 'c@b.example'] } }, 'expected an address'],
  [{ recipients: { 'a.example': 'b.example' } }, 'is not an address such as'],
  [{ recipients: { 'a.example': '*@' } }, 'is not an address such as'],
  [{ recipients: { 'a.example': [] } }, 'an empty list'],
])('%j is refused: %s', (data, message) => {
  const { error } = schema.safeParse(data);
  expect(error?.issues.map((issue) => issue.message).join('\n')).toContain(message);
});

test('any table says of any address what its patterns say one by one', () => {
  const chance = new Chance(20_261_125);
  const locals = ['a', 'b', 'root'];
  const domains = ['x.example', 's.x.example', 't.s.x.example', 'y.example'];
  const address = (): string => `${chance.pick(locals)}@${chance.pick(domains)}`;
  const pattern = (): string =>
    chance.pick([address(), chance.pick(domains), `*.${chance.pick(domains)}`, `${chance.pick(locals)}@*`]);
  for (let round = 0; round < 500; round++) {
    const written = new Map(chance.list(0, 6, () => [pattern(), chance.list(1, 3, address)] as const));
    const entries = tableOf(Object.fromEntries(written));
    const table = new RewriteTable(entries);
    const to = address();
    const model = entries.find((entry) => modelFits(patternText(entry.pattern), to));
    expect(table.targetsOf(to), JSON.stringify([...written])).toEqual(
      model?.targets.map(({ local, domain }) => `${local}@${domain}`) ?? null,
    );
    // What check lets pass ends, and loses nobody.
    const loops = aliasMistakes(entries);
    const all = locals.flatMap((local) =>
      domains.map((domain) => expanded({ recipients: table }, `${local}@${domain}`)),
    );
    if (loops.length === 0) {
      expect(
        all.every((one) => 'recipients' in one && one.recipients.length > 0),
        JSON.stringify([...written]),
      ).toBe(true);
    }
  }
});

function modelFits(pattern: string, address: string): boolean {
  const [local, domain = ''] = address.split('@');
  if (pattern.startsWith('*.')) return domain.endsWith(pattern.slice(1));
  if (pattern.endsWith('@*')) return local === pattern.slice(0, -2);
  return pattern.includes('@') ? pattern === address : pattern === domain;
}
