import { describe, expect, test } from 'vitest';
import { DotStuffing } from '../../../src/delivery/stuffing.ts';

/** The content stuffed, cut into chunks of `size`. */
function stuffed(content: string, size: number): { text: string; atLineStart: boolean } {
  const stuffing = new DotStuffing();
  const bytes = Buffer.from(content);
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(stuffing.push(bytes.subarray(at, at + size)));
  return { text: Buffer.concat(parts).toString(), atLineStart: stuffing.atLineStart };
}

const contents: ReadonlyArray<readonly [content: string, expected: string]> = [
  ['no dots\r\n', 'no dots\r\n'],
  ['.first\r\n', '..first\r\n'],
  ['a\r\n.\r\nb\r\n', 'a\r\n..\r\nb\r\n'],
  ['.\r\n.\r\n..\r\n', '..\r\n..\r\n...\r\n'],
  ['a.b\r\nc.\r\n', 'a.b\r\nc.\r\n'],
  ['bare\n.lf and\r.cr\r\n', 'bare\n.lf and\r.cr\r\n'],
  ['\r\n\r\n.end', '\r\n\r\n..end'],
];

describe.each([1, 2, 3, 5, 1000])('in chunks of %i', (size) => {
  test.each(contents)('%j', (content, expected) => {
    expect(stuffed(content, size)).toEqual({ text: expected, atLineStart: content.endsWith('\r\n') });
  });
});

test('an empty body ends at the start of a line', () => {
  expect(new DotStuffing().atLineStart).toBe(true);
});

test('a chunk without dots to double is passed on as it is', () => {
  const chunk = Buffer.from('nothing. to do\r\n');
  expect(new DotStuffing().push(chunk)).toBe(chunk);
});

test('ten megabytes of dots take less than a second', () => {
  const chunk = Buffer.from('.\r\n'.repeat(20_000));
  const stuffing = new DotStuffing();
  const startedAt = performance.now();
  for (let i = 0; i < 170; i++) expect(stuffing.push(chunk).length).toBe(80_000);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});
