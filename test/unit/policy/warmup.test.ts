// The days of a warm-up: which number holds at a moment, on days of 23 and 25 hours too.
import { expect, test } from 'vitest';
import { stageAt, warmupFrom } from '../../../src/policy/warmup.ts';

const at = (iso: string) => Date.parse(iso);

test.each([
  ['UTC', '2026-12-01', '2026-11-30T23:59:59.999Z', 'ahead'],
  ['UTC', '2026-12-01', '2026-12-01T00:00Z', 'day 1: 50'],
  ['UTC', '2026-12-01', '2026-12-02T23:59:59.999Z', 'day 2: 100'],
  ['UTC', '2026-12-01', '2026-12-04T00:00Z', 'over'],
  ['UTC', '2026-12-31', '2027-01-01T00:00Z', 'day 2: 100'],
  ['Asia/Tokyo', '2026-12-01', '2026-11-30T14:59Z', 'ahead'],
  ['Asia/Tokyo', '2026-12-01', '2026-11-30T15:00Z', 'day 1: 50'],
  // Clocks go back on the 25th, a day of 25 hours, and forward on the 29th of March, one of 23.
  ['Europe/Madrid', '2026-10-25', '2026-10-24T22:00Z', 'day 1: 50'],
  ['Europe/Madrid', '2026-10-25', '2026-10-25T22:59Z', 'day 1: 50'],
  ['Europe/Madrid', '2026-10-25', '2026-10-25T23:00Z', 'day 2: 100'],
  ['Europe/Madrid', '2026-03-29', '2026-03-29T21:59Z', 'day 1: 50'],
  ['Europe/Madrid', '2026-03-29', '2026-03-29T22:00Z', 'day 2: 100'],
])('%s, from %s: at %s it is %s', (zone, start, moment, expected) => {
  const stage = stageAt(warmupFrom('192.0.2.10', start, [50, 100, 200], zone), at(moment));
  expect(stage.kind === 'day' ? `day ${stage.day}: ${stage.quota.max}` : stage.kind).toBe(expected);
});
