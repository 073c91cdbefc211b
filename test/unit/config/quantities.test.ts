// Durations, sizes and rates: what is understood, what is not, and that writing and reading agree.
// Runs quantities.ts alone.
// Never goes through YAML: fields are tested with the settings.
import { expect, test } from 'vitest';
import {
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parseRate,
  parseSize,
} from '../../../src/config/quantities.ts';

test.each([
  ['30s', 30_000],
  ['5m', 300_000],
  ['4h', 14_400_000],
  ['2d', 172_800_000],
  ['250ms', 250],
  ['1.5h', 5_400_000],
  ['0', 0],
  ['30', null],
  ['', null],
  ['-5m', null],
  ['5 minutes', null],
  ['5m30s', null],
  ['1e3s', null],
  ['999999999999d', null],
])('the duration %j is %j ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  ['50MB', 52_428_800],
  ['1GB', 1_073_741_824],
  ['512kb', 524_288],
  ['10M', 10_485_760],
  ['10MiB', 10_485_760],
  ['1.5KB', 1536],
  ['1000', 1000],
  ['0', 0],
  ['MB', null],
  ['-1MB', null],
  ['10 PB', null],
])('the size %j is %j octets', (text, octets) => {
  expect(parseSize(text)).toBe(octets);
});

test.each([
  ['10/second', { count: 10, per: 1000 }],
  ['300/minute', { count: 300, per: 60_000 }],
  ['1000 / hour', { count: 1000, per: 3_600_000 }],
  ['5/day', { count: 5, per: 86_400_000 }],
  ['0/second', null],
  ['10', null],
  ['10/s', null],
  ['ten/minute', null],
])('the rate %j is %j', (text, rate) => {
  expect(parseRate(text)).toEqual(rate);
});

test('what is written can be read again', () => {
  for (const text of ['0', '1ms', '90s', '5m', '36h', '5d'])
    expect(formatDuration(parseDuration(text) ?? -1)).toBe(text);
  for (const text of ['1B', '1000B', '512KB', '50MB', '1GB'])
    expect(formatSize(parseSize(text) ?? -1)).toBe(text);
  for (const text of ['10/second', '300/minute', '7/hour', '1/day']) {
    expect(formatRate(parseRate(text) ?? { count: 0, per: 0 })).toBe(text);
  }
  expect(formatRate({ count: 3, per: 5000 })).toBe('3/5s');
});
