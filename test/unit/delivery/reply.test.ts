import { describe, expect, test } from 'vitest';
import { parseReply, ReplyReader } from '../../../src/delivery/reply.ts';

/** What a reader makes of the octets, fed one by one. */
function readSlowly(text: string): { replies: string[]; garbage: string | null } {
  const reader = new ReplyReader();
  const replies: string[] = [];
  for (const octet of Buffer.from(text)) {
    const read = reader.read(Buffer.from([octet]));
    replies.push(...read.replies.map((reply) => `${reply.code}: ${reply.text}`));
    if (read.garbage !== null) return { replies, garbage: read.garbage };
  }
  return { replies, garbage: null };
}

describe('a reader', () => {
  test.each([
    ['250 Ok\r\n', ['250: 250 Ok']],
    ['250\r\n', ['250: 250']],
    ['250-a\r\n250-b\r\n250 c\r\n', ['250: 250-a\n250-b\n250 c']],
    ['250 a\n354 b\n', ['250: 250 a', '354: 354 b']],
    ['\r\n250 after an empty line\r\n', ['250: 250 after an empty line']],
    ['550-5.1.1 sonst\r\n550 5.1.1 Grüße\r\n', ['550: 550-5.1.1 sonst\n550 5.1.1 Grüße']],
    ['250 not complete', []],
  ])('of %j', (text, expected) => {
    expect(readSlowly(text)).toEqual({ replies: expected, garbage: null });
  });

  test.each([['HTTP/1.1 400 Bad Request\r\n'], ['2500 Ok\r\n'], ['999 no\r\n'], ['250-a\r\nnone\r\n']])(
    'takes %j for garbage',
    (text) => {
      expect(readSlowly(text).garbage).not.toBeNull();
    },
  );

  test('gives the replies that came before the garbage', () => {
    const { replies, garbage } = new ReplyReader().read(Buffer.from('250 Ok\r\nwhat?\r\n'));
    expect(replies).toEqual([{ code: 250, text: '250 Ok' }]);
    expect(garbage).toBe('what?');
  });

  test('does not wait for the end of an endless reply', () => {
    const reader = new ReplyReader();
    const line = Buffer.from(`250-${'x'.repeat(1000)}\r\n`);
    let lines = 0;
    while (reader.read(line).garbage === null) lines++;
    expect(lines).toBeLessThan(100);
  });

  test('keeps octets that are not UTF-8', () => {
    const { replies } = new ReplyReader().read(Buffer.from('550 caf\xe9\r\n', 'latin1'));
    expect(replies[0]?.text).toBe('550 café');
  });
});

test('one complete reply', () => {
  expect(parseReply('554-a\r\n554 b\r\n')).toEqual({ code: 554, text: '554-a\n554 b' });
  expect(parseReply('hello')).toBeNull();
});
