// Windows of quotas: where they begin and end, also where clocks change; what the policy may say of them.
// Runs spanAt over moments and zones, and the loader over quotas as they are written.
// Never asks what time it is.
import { describe, expect, test } from 'vitest';
import { leaves, type Quota, type QuotaWindow, quotaText, spanAt } from '../../../src/policy/quota.ts';
import { policyFrom } from '../../harness/policy.ts';

const HOUR = 3_600_000;

const calendar = (unit: 'hour' | 'day' | 'week' | 'month', zone: string): QuotaWindow => ({
  kind: 'calendar',
  unit,
  zone,
});

function span(window: QuotaWindow, at: string): string {
  const { start, end } = spanAt(window, Date.parse(at));
  return [start, end].map((ms) => new Date(ms).toISOString().slice(0, 16)).join(' ');
}

test.each([
  ['hour', 'Europe/Madrid', '2026-07-01T10:17:00Z', '2026-07-01T10:00 2026-07-01T11:00'],
  ['hour', 'Asia/Kolkata', '2026-07-01T10:17:00Z', '2026-07-01T09:30 2026-07-01T10:30'],
  ['day', 'Europe/Madrid', '2026-07-01T22:00:00Z', '2026-07-01T22:00 2026-07-02T22:00'],
  ['day', 'Europe/Madrid', '2026-07-01T21:59:59Z', '2026-06-30T22:00 2026-07-01T22:00'],
  ['day', 'Pacific/Kiritimati', '2026-07-01T09:59:59Z', '2026-06-30T10:00 2026-07-01T10:00'],
  ['week', 'UTC', '2026-11-22T23:59:59Z', '2026-11-16T00:00 2026-11-23T00:00'],
  ['week', 'UTC', '2026-11-23T00:00:00Z', '2026-11-23T00:00 2026-11-30T00:00'],
  ['month', 'UTC', '2028-02-29T12:00:00Z', '2028-02-01T00:00 2028-03-01T00:00'],
  ['month', 'America/New_York', '2027-01-01T04:59:59Z', '2026-12-01T05:00 2027-01-01T05:00'],
] as const)('%s in %s at %s', (unit, zone, at, expected) => {
  expect(span(calendar(unit, zone), at)).toBe(expected);
});

test.each([
  // 23 and 25 hours.
  ['day', 'Europe/Madrid', '2026-03-29T10:00:00Z', '2026-03-28T23:00 2026-03-29T22:00'],
  ['day', 'Europe/Madrid', '2026-10-25T10:00:00Z', '2026-10-24T22:00 2026-10-25T23:00'],
  // The hour that comes twice.
  ['hour', 'Europe/Madrid', '2026-10-25T00:30:00Z', '2026-10-25T00:00 2026-10-25T01:00'],
  ['hour', 'Europe/Madrid', '2026-10-25T01:30:00Z', '2026-10-25T01:00 2026-10-25T02:00'],
  // Midnight was skipped: the day began at one o'clock.
  ['day', 'America/Sao_Paulo', '2018-11-04T12:00:00Z', '2018-11-04T03:00 2018-11-05T02:00'],
  // Midnight came twice.
  ['day', 'America/Havana', '2026-11-01T12:00:00Z', '2026-11-01T04:00 2026-11-02T05:00'],
  // The last hour of the day came twice.
  ['day', 'America/Sao_Paulo', '2018-02-17T12:00:00Z', '2018-02-17T02:00 2018-02-18T03:00'],
  ['month', 'Europe/Madrid', '2026-03-14T12:00:00Z', '2026-02-28T23:00 2026-03-31T22:00'],
  ['week', 'Europe/Madrid', '2026-03-29T12:00:00Z', '2026-03-22T23:00 2026-03-29T22:00'],
] as const)('where clocks change: %s in %s at %s', (unit, zone, at, expected) => {
  expect(span(calendar(unit, zone), at)).toBe(expected);
});

test('calendar windows follow each other without a gap, whatever the zone does', () => {
  const zones = [
    'Europe/Madrid',
    'America/Havana',
    'Asia/Beirut',
    'America/St_Johns',
    'Asia/Kathmandu',
    'UTC',
  ];
  for (const zone of zones) {
    for (const unit of ['day', 'week', 'month'] as const) {
      let { start, end } = spanAt(calendar(unit, zone), Date.UTC(2026, 0, 10));
      for (let n = 0; n < 800 && end < Date.UTC(2028, 2, 1); n++) {
        expect(spanAt(calendar(unit, zone), end - 1)).toEqual({ start, end });
        expect(spanAt(calendar(unit, zone), start)).toEqual({ start, end });
        const next = spanAt(calendar(unit, zone), end);
        expect(next.start).toBe(end);
        ({ start, end } = next);
      }
    }
  }
});

test('a rolling window is kept in sixty parts; each leaves it whole', () => {
  const window: QuotaWindow = { kind: 'rolling', length: HOUR };
  const part = spanAt(window, Date.UTC(2026, 0, 1, 0, 0, 30));
  expect(part).toEqual({ start: Date.UTC(2026, 0, 1), end: Date.UTC(2026, 0, 1, 0, 1) });
  expect(leaves(window, part)).toBe(part.end + HOUR);
});

const routes = (quota: string): string =>
  `routes: { r: { via: mx, quota: ${quota} } }\nrules: [{ route: r }]`;

function quotasOf(quota: string): readonly Quota[] {
  const route = policyFrom(routes(quota)).routes.get('r');
  return route && route.via !== 'discard' ? route.quotas : [];
}

describe('as the policy writes them', () => {
  test.each([
    ['200/hour', ['200/hour']],
    [
      '[200/hour, 3000 / day, 15000/week, 10000/month]',
      ['200/hour', '3000/day', '15000/week', '10000/month'],
    ],
    ['{ max: 50000, per: 24h, window: rolling, count: messages }', ['50000/1d rolling messages']],
    ['{ max: 500/week, window: rolling }', ['500/7d rolling']],
    ['{ max: 5, per: month, zone: Europe/Madrid }', ['5/month']],
  ])('%s', (quota, texts) => {
    expect(quotasOf(quota).map(quotaText)).toEqual(texts);
  });

  test('the zone is the host’s unless it is named', () => {
    const zones = quotasOf('[1/day, { max: 2/day, zone: Asia/Tokyo }]').map(({ window }) => window);
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    expect(zones).toMatchObject([{ zone: own }, { zone: 'Asia/Tokyo' }]);
  });

  test.each([
    ['0/hour', 'a quota such as 200/hour'],
    ['200/minute', 'a quota such as 200/hour'],
    ['{ max: 5 }', 'hour, day, week, month, or a duration'],
    ['{ max: 5/day, per: day }', '`max` says it already'],
    ['{ max: 5, per: 24h }', 'add `window: rolling`'],
    ['{ max: 5, per: month, window: rolling }', 'take 30d'],
    ['{ max: 5, per: 30s, window: rolling }', 'must be 1m to 100d'],
    ['{ max: 5, per: 24h, window: rolling, zone: UTC }', 'a rolling window needs none'],
    ['{ max: 5, per: day, zone: Europe/Nowhere }', 'a time zone such as'],
  ])('%s is refused', (quota, message) => {
    expect(() => policyFrom(routes(quota))).toThrow(message);
  });

  test('budgets of senders say what happens beyond them', () => {
    const rules = 'rules: [{ route: direct }]';
    expect(() => policyFrom(`quotas: [{ of: sender, max: 5/day }]\n${rules}`)).toThrow('over');
    expect(() => policyFrom(`quotas: [{ of: host, max: 5/day, over: hold }]\n${rules}`)).toThrow('of');
    const [quota] = policyFrom(
      `quotas: [{ of: sender, max: 5/day, over: hold, for: a.test }]\n${rules}`,
    ).senderQuotas;
    expect(quota).toMatchObject({ of: 'sender', max: 5, over: 'hold', for: { patterns: ['a.test'] } });
  });
});
