import { expect, test } from 'vitest';
import {
  durationText,
  elapsedText,
  failureText,
  momentText,
  plain,
  sizeText,
  untilText,
} from '../../../src/cli/text.ts';

test.each([
  [0, '0B'],
  [999, '999B'],
  [1000, '1.0KB'],
  [4200, '4.1KB'],
  [10_240, '10KB'],
  [25 * 1024 * 1024, '25MB'],
  [3 * 1024 ** 4, '3072GB'],
])('%i octets read %s', (octets, text) => expect(sizeText(octets)).toBe(text));

test.each([
  [999, '0s'],
  [42_000, '42s'],
  [59 * 60_000, '59m'],
  [86_399_999, '23h'],
  [3 * 86_400_000, '3d'],
])('%i ms read %s', (ms, text) => expect(durationText(ms)).toBe(text));

test.each([
  [0, '0s'],
  [61_400, '1m1s'],
  [2 * 86_400_000 + 16 * 60_000, '2d16m'],
])('%i ms have gone by as %s', (ms, text) => expect(elapsedText(ms)).toBe(text));

test('the next attempt is now, later or never', () => {
  const now = Date.parse('2026-11-22T12:00:00Z');
  expect(untilText('2026-11-22T11:00:00Z', now)).toBe('now');
  expect(untilText('2026-11-22T12:04:29Z', now)).toBe('in 4m');
  expect(untilText('2026-11-22T12:59:59.900Z', now)).toBe('in 1h');
  expect(untilText('2026-11-22T13:59:59.900Z', now)).toBe('in 2h');
  expect(untilText('2026-11-22T12:00:00.300Z', now)).toBe('in 1s');
  expect(untilText(null, now)).toBe('-');
});

test('a moment drops its milliseconds', () => {
  expect(momentText('2026-11-22T10:00:00.123Z')).toBe('2026-11-22 10:00:00Z');
});

test("a remote server's escape sequences do not reach the terminal", () => {
  expect(plain('550 \u001b[2Jbye\u0007\r\nnext\u009b1m')).toBe('550 ?[2Jbye? next?1m');
});

test('a failure names status, peer and reason on one line', () => {
  const failure = {
    scope: 'host',
    permanent: false,
    class: 'unreachable',
    status: '4.4.1',
    phase: 'connect',
  } as const;
  expect(failureText({ ...failure, text: 'timed out' })).toBe('4.4.1 timed out');
  expect(failureText({ ...failure, text: 'timed\nout', host: 'mx.example', ip: '192.0.2.1' })).toBe(
    '4.4.1 mx.example[192.0.2.1] timed out',
  );
});
