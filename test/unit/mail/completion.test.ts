import { describe, expect, it } from 'vitest';
import { HeaderCompletion } from '../../../src/mail/completion.ts';

const RECEIVED = 'Received: by us\r\n';
const DATE = 'Date: Sun, 22 Nov 2026 01:39:53 +0000\r\n';
const at = Date.UTC(2026, 10, 22, 1, 39, 53);
const MESSAGE_ID = `Message-ID: <${at.toString(36)}.id1@relay.example>\r\n`;

function complete(content: string, size = Number.POSITIVE_INFINITY) {
  const received = Buffer.from(RECEIVED);
  const completion = new HeaderCompletion({ received, at, id: 'id1', hostname: 'relay.example' });
  const all = Buffer.from(content, 'latin1');
  const out: Buffer[] = [];
  for (let start = 0; start < all.length; start += size) {
    const pushed = completion.push(all.subarray(start, Math.min(start + size, all.length)));
    expect(pushed.every((buffer) => buffer.length > 0)).toBe(true);
    out.push(...pushed);
  }
  const { tail, eightBit, receivedCount } = completion.end();
  return { stored: Buffer.concat([...out, ...tail]).toString('latin1'), eightBit, receivedCount };
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
    const completion = new HeaderCompletion({ received, at, id: 'id1', hostname: 'relay.example' });
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
