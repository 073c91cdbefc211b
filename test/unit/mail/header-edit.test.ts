// Header edits on the way out: fields that go and come, for content in memory and in a stream.
// Runs header-edit.ts and field-filter.ts against a model that knows the fields one by one.
// Never looks at anything but octets.
import { describe, expect, test } from 'vitest';
import { FieldFilter } from '../../../src/mail/field-filter.ts';
import { edited, type HeaderEdit } from '../../../src/mail/header-edit.ts';
import type { Body } from '../../../src/spool/spool.ts';
import { Chance } from '../../harness/random.ts';

type Stream = Extract<Body, { kind: 'stream' }>;

/** Content in chunks; `ended` tells whether each opening was closed again. */
function streamOf(data: Buffer, size: number): Stream & { opened: number; destroyed: number } {
  const stream = {
    kind: 'stream' as const,
    size: data.length,
    opened: 0,
    destroyed: 0,
    open() {
      stream.opened++;
      async function* chunks(): AsyncGenerator<Buffer> {
        for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
      }
      return Object.assign(chunks(), { destroy: () => void stream.destroyed++ });
    },
  };
  return stream;
}

async function octetsOf(body: Body): Promise<string> {
  if (body.kind === 'buffer') return body.data.toString('latin1');
  const stream = body.open();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  stream.destroy();
  const all = Buffer.concat(chunks);
  expect(body.size).toBe(all.length);
  return all.toString('latin1');
}

const sizeOf = (body: Body): number => (body.kind === 'buffer' ? body.data.length : body.size);

async function everyWay(content: string, edit: HeaderEdit): Promise<string> {
  const data = Buffer.from(content, 'latin1');
  const whole = await octetsOf(await edited({ kind: 'buffer', data }, edit));
  for (const size of [1, 2, 3, 7, 64, 4096]) {
    const body = await edited(streamOf(data, size), edit);
    expect(sizeOf(body), `size by ${size}`).toBe(whole.length);
    expect(await octetsOf(body), `by ${size}`).toBe(whole);
  }
  return whole;
}

const add = [
  { name: 'X-Relay', value: 'sendoff' },
  { name: 'X-Two', value: 'a b' },
];
const REMOVE: HeaderEdit = { add: [], remove: ['x-internal'] };

describe('an edit', () => {
  test.each([
    [
      'adds on top',
      { add, remove: [] },
      'A: b\r\n\r\nt\r\n',
      'X-Relay: sendoff\r\nX-Two: a b\r\nA: b\r\n\r\nt\r\n',
    ],
    [
      'removes a folded field whole',
      REMOVE,
      'A: b\r\nX-Internal: 1\r\n\t2\r\n 3\r\nC: d\r\n\r\nt',
      'A: b\r\nC: d\r\n\r\nt',
    ],
    [
      'removes each of a name, in any case',
      REMOVE,
      'x-INTERNAL: 1\r\nA: b\r\nX-Internal : 2\r\n\r\n',
      'A: b\r\n\r\n',
    ],
    ['leaves the body alone', REMOVE, 'A: b\r\n\r\nX-Internal: 1\r\n', 'A: b\r\n\r\nX-Internal: 1\r\n'],
    [
      'leaves names that begin alike',
      REMOVE,
      'X-Internal-Id: 1\r\nX-Inter: 2\r\n\r\n',
      'X-Internal-Id: 1\r\nX-Inter: 2\r\n\r\n',
    ],
    ['knows messages that are all header', REMOVE, 'A: b\r\nX-Internal: 1\r\n', 'A: b\r\n'],
    ['knows a last field without an end', REMOVE, 'A: b\r\nX-Internal: 1', 'A: b\r\n'],
    [
      'passes 8-bit octets',
      REMOVE,
      'A: \xe4\xff\r\nX-Internal: \xe4\r\n\r\n\xc3\xb6\r\n',
      'A: \xe4\xff\r\n\r\n\xc3\xb6\r\n',
    ],
    [
      'passes what is no field',
      REMOVE,
      'A: b\r\nnonsense\r\nX-Internal: 1\r\n',
      'A: b\r\nnonsense\r\nX-Internal: 1\r\n',
    ],
    [
      'adds in the place of the old one',
      { add: [{ name: 'X-Internal', value: 'new' }], remove: ['x-internal'] },
      'A: b\r\nX-Internal: old\r\n\r\n',
      'X-Internal: new\r\nA: b\r\n\r\n',
    ],
    ['may leave nothing', REMOVE, 'X-Internal: 1\r\n', ''],
  ] satisfies (readonly [string, HeaderEdit, string, string])[])('%s', async (_, edit, content, expected) => {
    expect(await everyWay(content, edit)).toBe(expected);
  });

  test('removes a field of any length, and reads no more than the header to know the size', async () => {
    const field = `X-Internal: ${'x'.repeat(500_000)}\r\n`;
    const data = Buffer.from(`A: b\r\n${field}\r\n${'body\r\n'.repeat(100_000)}`);
    const stream = streamOf(data, 65_536);
    const body = await edited(stream, REMOVE);
    expect(sizeOf(body)).toBe(data.length - field.length);
    expect(stream).toMatchObject({ opened: 1, destroyed: 1 });
    expect((await octetsOf(body)).length).toBe(data.length - field.length);
    expect(stream).toMatchObject({ opened: 2, destroyed: 2 });
  });

  test('of any kind does to any message what a model does that has its fields in a list', async () => {
    const chance = new Chance(20_261_122);
    for (let round = 0; round < 150; round++) {
      const fields = chance.list(0, 8, () => fieldOf(chance));
      const rest = chance.pick([
        '',
        '\r\n',
        '\r\nbody\r\n',
        '\r\nA: b\r\n c\r\n\r\n.x',
        'no field\r\nB: c\r\n',
      ]);
      const edit = {
        add: chance.list(0, 2, () => ({ name: chance.pick(NAMES), value: 'v' })),
        remove: chance.list(0, 3, () => chance.pick(NAMES).toLowerCase()),
      };
      const left = fields.filter(({ name }) => !edit.remove.includes(name.toLowerCase()));
      const added = edit.add.map(({ name, value }) => `${name}: ${value}\r\n`);
      const expected = [...added, ...left.map(({ raw }) => raw), rest].join('');
      const content = [...fields.map(({ raw }) => raw), rest].join('');
      expect(await everyWay(content, edit), JSON.stringify({ round, content, edit })).toBe(expected);
    }
  });
});

const NAMES = ['A', 'Bcc', 'X-Internal-Id', 'Received', 'x'];

function fieldOf(chance: Chance): { readonly name: string; readonly raw: string } {
  const name = chance.pick(NAMES);
  const space = chance.pick(['', '', ' ', '\t']);
  const folds = chance.list(
    0,
    2,
    () => `\r\n${chance.pick([' ', '\t'])}${chance.pick(['', 'x: y', '\xe4'])}`,
  );
  return { name, raw: `${name}${space}: ${chance.pick(['', 'a', 'b c', '\xff:'])}${folds.join('')}\r\n` };
}

describe('a field that is held to be replaced', () => {
  const upper = (): FieldFilter =>
    new FieldFilter({
      fateOf: (name) => (name === 'a' ? 'replace' : 'pass'),
      replace: (field) => Buffer.from(field.toString().toUpperCase()),
    });
  const through = (filter: FieldFilter, content: string, size: number): string => {
    const data = Buffer.from(content);
    const out: Buffer[] = [];
    for (let at = 0; at < data.length; at += size) out.push(...filter.push(data.subarray(at, at + size)));
    return Buffer.concat([...out, ...filter.end()]).toString();
  };

  test('comes whole, folds and all, wherever chunks end', () => {
    const content = 'b: x\r\na: y\r\n\tz\r\nA: q\r\nb: w\r\na: last\r\n\r\na: body\r\n';
    for (let size = 1; size <= content.length; size++) {
      expect(through(upper(), content, size), `by ${size}`).toBe(
        'b: x\r\nA: Y\r\n\tZ\r\nA: Q\r\nb: w\r\nA: LAST\r\n\r\na: body\r\n',
      );
    }
    expect(through(upper(), 'a: x', 2)).toBe('A: X');
  });

  test('passes as it is when it is longer than anything that is one', () => {
    const content = `a: ${'x'.repeat(70_000)}\r\n y\r\na: z\r\n\r\n`;
    expect(through(upper(), content, 4096)).toBe(`${content.slice(0, -8)}A: Z\r\n\r\n`);
  });
});
