// The original as a report reads it from the spool: no more than it uses.
// Runs readOriginal on both kinds of body.
// Never needs a spool.
import { expect, test } from 'vitest';
import { headerSection, RETURN_LIMIT, readOriginal } from '../../../src/mail/dsn-original.ts';
import type { Body } from '../../../src/spool/spool.ts';

/** A streamed body that counts the chunks that were taken and notes its end. */
function streamed(chunks: readonly Buffer[]): { body: Body; taken: () => number; destroyed: () => boolean } {
  let taken = 0;
  let destroyed = false;
  const open = () => ({
    async *[Symbol.asyncIterator]() {
      for (const chunk of chunks) {
        taken++;
        yield chunk;
      }
    },
    destroy: () => {
      destroyed = true;
    },
  });
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return { body: { kind: 'stream', size, open }, taken: () => taken, destroyed: () => destroyed };
}

test.each([
  [RETURN_LIMIT - 1, true],
  [RETURN_LIMIT, true],
  [RETURN_LIMIT + 1, false],
])('%i octets in memory: whole is %s', async (size, whole) => {
  const read = await readOriginal({ kind: 'buffer', data: Buffer.alloc(size, 'x') });
  expect(read.whole).toBe(whole);
  expect(read.start.length).toBe(Math.min(size, RETURN_LIMIT));
});

test.each([
  [5, true],
  [6, false],
])('%i chunks of a fifth from a file: whole is %s', async (count, whole) => {
  const { body, destroyed } = streamed(
    Array.from({ length: count }, () => Buffer.alloc(RETURN_LIMIT / 5, 'x')),
  );
  const read = await readOriginal(body);
  expect(read.whole).toBe(whole);
  expect(read.start.length).toBe(RETURN_LIMIT);
  expect(destroyed()).toBe(true);
});

test('a large message is not read to its end', async () => {
  const { body, taken, destroyed } = streamed(Array.from({ length: 400 }, () => Buffer.alloc(65_536, 'x')));
  await readOriginal(body);
  expect(taken()).toBe(1);
  expect(destroyed()).toBe(true);
});

test.each([
  ['A: b\r\n\r\nbody', true, 'A: b\r\n'],
  ['\r\nbody without a header', true, ''],
  ['A: b\r\nC: d\r\n', true, 'A: b\r\nC: d\r\n'],
  ['A: b\r\nC: to be contin', false, 'A: b\r\n'],
  ['no line end at all', false, ''],
])('header section of %j', (text, whole, expected) => {
  expect(headerSection({ start: Buffer.from(text), whole }).toString()).toBe(expected);
});
