import { describe, expect, it, test } from 'vitest';
import { HeaderCompletion } from '../../../src/mail/completion.ts';
import { Chance } from '../../harness/random.ts';

const RECEIVED = 'Received: by us\r\n';
const DATE = 'Date: Sun, 22 Nov 2026 01:39:53 +0000\r\n';
const at = Date.UTC(2026, 10, 22, 1, 39, 53);
const MESSAGE_ID = `Message-ID: <${at.toString(36)}.id1@relay.example>\r\n`;

const own = { at, id: 'id1', hostname: 'relay.example' };

function complete(content: string, size = Number.POSITIVE_INFINITY, keeps: readonly string[] = []) {
  const received = Buffer.from(RECEIVED);
  const completion = new HeaderCompletion({ ...own, received, keeps: new Set(keeps) });
  const all = Buffer.from(content, 'latin1');
  const out: Buffer[] = [];
  for (let start = 0; start < all.length; start += size) {
    const pushed = completion.push(all.subarray(start, Math.min(start + size, all.length)));
    expect(pushed.every((buffer) => buffer.length > 0)).toBe(true);
    out.push(...pushed);
  }
  const { tail, ...found } = completion.end();
  return { stored: Buffer.concat([...out, ...tail]).toString('latin1'), ...found };
}

const both = `${DATE}${MESSAGE_ID}`;
const cases: readonly (readonly [name: string, content: string, stored: string])[] = [
  ['both missing', 'Subject: x\r\n\r\nbody\r\n', `${RECEIVED}Subject: x\r\n${both}\r\nbody\r\n`],
  ['Date missing', 'Message-Id: <a@b>\r\n\r\nb\r\n', `${RECEIVED}Message-Id: <a@b>\r\n${DATE}\r\nb\r\n`],
  ['Message-ID missing', 'DATE : now\r\n\r\nb\r\n', `${RECEIVED}DATE : now\r\n${MESSAGE_ID}\r\nb\r\n`],
  [
    'nothing missing',
    'date:\r\nMESSAGE-ID:\r\n <a@b>\r\n\r\nDate: body\r\n',
    `${RECEIVED}date:\r\nMESSAGE-ID:\r\n <a@b>\r\n\r\nDate: body\r\n`,
  ],
  [
    'fields that only look alike',
    'Dated: x\r\nResent-Date: y\r\n\r\n',
    `${RECEIVED}Dated: x\r\nResent-Date: y\r\n${both}\r\n`,
  ],
  ['a date in a continuation', 'X: a\r\n Date: b\r\n\r\n', `${RECEIVED}X: a\r\n Date: b\r\n${both}\r\n`],
  [
    'a continuation of spaces',
    'X: a\r\n \r\nDate: b\r\n\r\n',
    `${RECEIVED}X: a\r\n \r\nDate: b\r\n${MESSAGE_ID}\r\n`,
  ],
  ['empty message', '', `${RECEIVED}${both}`],
  ['empty line alone', '\r\n', `${RECEIVED}${both}\r\n`],
  ['no header', '\r\nbody: x\r\n', `${RECEIVED}${both}\r\nbody: x\r\n`],
  ['no separator, all header', 'Subject: x\r\n', `${RECEIVED}Subject: x\r\n${both}`],
  ['text at once', 'Hello world\r\nDate: x\r\n', `${RECEIVED}${both}\r\nHello world\r\nDate: x\r\n`],
  [
    'text after fields',
    'X: y\r\nHello\r\n\r\nDate: x\r\n',
    `${RECEIVED}X: y\r\n${both}\r\nHello\r\n\r\nDate: x\r\n`,
  ],
  ['a space first', ' x: y\r\n\r\n', `${RECEIVED}${both}\r\n x: y\r\n\r\n`],
  ['mbox line', 'From a@b Sun\r\nX: y\r\n\r\n', `${RECEIVED}${both}\r\nFrom a@b Sun\r\nX: y\r\n\r\n`],
  ['a colon with no name', ': x\r\n\r\n', `${RECEIVED}${both}\r\n: x\r\n\r\n`],
  ['a name that is no name', 'X\xe4: y\r\n\r\n', `${RECEIVED}${both}\r\nX\xe4: y\r\n\r\n`],
  ['an unfinished line', 'X: y', `${RECEIVED}X: y\r\n${both}`],
  ['an unfinished text', 'X: y\r\nfoo', `${RECEIVED}X: y\r\n${both}\r\nfoo`],
];

describe('the header', () => {
  it.each(cases)('%s', (_, content, stored) => expect(complete(content).stored).toBe(stored));

  it('is completed the same way wherever chunks end', () => {
    for (const [name, content, stored] of cases) {
      for (let size = 1; size < content.length; size++) {
        expect(complete(content, size).stored, `${name} by ${size}`).toBe(stored);
      }
    }
  });

  it('may be larger than any bound, and is handed on as it comes', () => {
    const header = `X-Long: ${'x'.repeat(400_000)}\r\n`.repeat(2);
    expect(complete(`${header}\r\nbody\r\n`, 65_536).stored).toBe(`${RECEIVED}${header}${both}\r\nbody\r\n`);
    const name = `${'x'.repeat(5000)}: y\r\n`;
    expect(complete(`A: b\r\n${name}\r\n`, 100).stored).toBe(`${RECEIVED}A: b\r\n${both}\r\n${name}\r\n`);
  });

  it('does not copy chunks', () => {
    const received = Buffer.from(RECEIVED);
    const completion = new HeaderCompletion({ ...own, received });
    const chunk = Buffer.from('Date: x\r\nMessage-ID: y\r\n\r\nbody\r\n');
    expect(completion.push(chunk).every((part) => part === received || part.buffer === chunk.buffer)).toBe(
      true,
    );
    const body = Buffer.from('more');
    expect(completion.push(body)).toEqual([body]);
  });
});

describe('what is found on the way', () => {
  it('counts Received fields of the header', () => {
    const content = `${'Received: x\r\n\tby y\r\n'.repeat(3)}received : z\r\nX-Received: a\r\n\r\nReceived: b\r\n`;
    for (const size of [1, 5, 1000]) expect(complete(content, size).receivedCount).toBe(4);
  });

  it.each([
    ['Subject: x\r\n\r\nbody\r\n', false],
    ['Subject: \xe4\r\n\r\nbody\r\n', true],
    ['Subject: x\r\n\r\nb\xc3\xb6dy\r\n', true],
  ])('%j has octets above 127: %s', (content, eightBit) => {
    for (const size of [1, 1000]) expect(complete(content, size).eightBit).toBe(eightBit);
  });
});

describe('a signature', () => {
  const signed = (tags: string): string =>
    `DKIM-Signature: v=1; ${tags} b=abc=\r\nSubject: x\r\n\r\nbody\r\n`;
  const gets = (content: string): string[] => {
    const added = complete(content).stored.replace(RECEIVED, '').replace('\r\nbody\r\n', '');
    return added.split('\r\n').filter((line) => /^(Date|Message-ID):/.test(line));
  };

  test.each([
    ['h=From:Subject;', [DATE, MESSAGE_ID]],
    ['h=From:Date:Subject;', [MESSAGE_ID]],
    ['h = from : DATE :\r\n\tmessage-id : subject;', []],
    ['h=from\r\n :Message-Id; x=1;', [DATE]],
    ['ah=date; z=h=date;', [DATE, MESSAGE_ID]],
  ])('with %j lets in %j', (tags, fields) => {
    expect(gets(signed(tags))).toEqual(fields.map((field) => field.trim()));
  });

  test('counts wherever it stands, and wherever chunks end; of several, each does', () => {
    const content = `A: b\r\ndkim-signature: h=date\r\nB: c\r\n${signed('h=message-id;')}`;
    for (let size = 1; size < content.length; size++) {
      expect(complete(content, size).stored, `by ${size}`).toBe(`${RECEIVED}${content}`);
    }
    expect(complete('B: c\r\n\r\nDKIM-Signature: h=date\r\n').stored).toContain(DATE);
  });
});

describe('fields that are wanted', () => {
  const content =
    'Subject: one\r\n two\r\n\tthree \r\nX-Other: no\r\nsubject :again\r\nTo:\r\n\r\nSubject: body\r\n';

  test('are kept unfolded, in their order, wherever chunks end', () => {
    for (let size = 1; size <= content.length; size++) {
      expect(complete(content, size, ['subject', 'to', 'from']).header, `by ${size}`).toEqual({
        subject: ['one two\tthree', 'again'],
        to: [''],
      });
    }
    expect(complete(content).header).toEqual({});
    expect(complete('Subject: \xc3\xa4', 1, ['subject']).header).toEqual({ subject: ['ä'] });
  });

  test('do not grow beyond what a record can hold', () => {
    const long = `Subject: ${'x'.repeat(100_000)}\r\n`;
    const { header } = complete(`${long.repeat(20)}\r\n`, 10_000, ['subject']);
    expect(header.subject?.[0]).toMatch(/^x{4000,4096}$/);
    expect(header.subject?.join('').length).toBeLessThan(16_384);
    const many = complete(`${'To:\r\n'.repeat(100_000)}\r\n`, 60_000, ['to']);
    expect(many.header.to?.length).toBeLessThan(1_000);
  });

  test('of any message are those that splitting it finds', () => {
    const chance = new Chance(20_261_123);
    for (let round = 0; round < 300; round++) {
      const fields = chance.list(0, 6, () => ({
        name: chance.pick(['A', 'B-c', 'Date']),
        value: chance.pick(['', 'x', 'x: y', '  z']) + chance.pick(['', '\r\n more', '\r\n\tm\r\n n']),
      }));
      const text = fields.map(({ name, value }) => `${name}:${value}\r\n`).join('');
      const wanted = chance.list(0, 2, () => chance.pick(['a', 'b-c', 'date']));
      const model: Record<string, string[]> = {};
      for (const { name, value } of fields) {
        const key = name.toLowerCase();
        if (wanted.includes(key)) model[key] = [...(model[key] ?? []), value.replaceAll('\r\n', '').trim()];
      }
      const size = 1 + chance.int(20);
      expect(complete(`${text}\r\nA: body\r\n`, size, wanted).header, `round ${round}`).toEqual(model);
    }
  });
});
