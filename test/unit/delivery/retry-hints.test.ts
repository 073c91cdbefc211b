// Hints about the next attempt: the wordings of test/data/retry-hints.tsv, bounds, and time that replies may take.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { judge } from '../../../src/delivery/classify.ts';
import { parseReply } from '../../../src/delivery/reply.ts';
import { LONGEST_HINT_MS, retryHint, SHORTEST_HINT_MS } from '../../../src/delivery/retry-hints.ts';

const samples = readFileSync(new URL('../../data/retry-hints.tsv', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [seconds = '', text = ''] = line.split('\t');
    return { hint: seconds === '-' ? undefined : Number(seconds) * 1000, text: text.replaceAll('\\n', '\n') };
  });

function hintIn(text: string): number | undefined {
  const reply = parseReply(text);
  if (!reply) throw new Error(`no reply: ${text}`);
  return judge(reply, 'rcpt', false).retryAfter;
}

describe('wordings', () => {
  test.each(samples)('$hint: $text', ({ hint, text }) => {
    expect(hintIn(text)).toBe(hint);
  });
});

test('what is refused for good has no next time', () => {
  expect(hintIn('550 5.7.1 Blocked, try again in 5 minutes')).toBeUndefined();
  expect(hintIn('450 4.7.1 Blocked, try again in 5 minutes')).toBe(300_000);
});

test('a hint is neither an invitation to hammer nor the end of the mail', () => {
  expect(retryHint('try again in 0 seconds')).toBe(SHORTEST_HINT_MS);
  expect(retryHint('try again in 999999 days')).toBe(LONGEST_HINT_MS);
});

test.each([
  'try again '.repeat(200),
  'in 1 m '.repeat(300),
  `greylisted ${'1 '.repeat(1000)}`,
  `wait ${'1h'.repeat(1000)}x`,
  `${'again in '.repeat(220)}5`,
  `${'a'.repeat(2000)}`,
  `try ${'a '.repeat(1000)}in 5`,
  '1:00:'.repeat(400),
  'ten ten ten '.repeat(160),
])('no text takes long: %#', (text) => {
  retryHint(text);
  const start = process.hrtime.bigint();
  retryHint(text);
  // A thousand times less than a regex that goes astray; a busy machine may need the rest.
  expect(Number(process.hrtime.bigint() - start) / 1e6).toBeLessThan(50);
});
