// The pace of a budget, and when it runs out by it.
// A Redis that says only what others have; the clock is moved.
// Never reserves anything.
import { expect, test } from 'vitest';
import { Trend } from '../../../src/limits/budget-trend.ts';
import { quotaViews } from '../../../src/operations/quota-views.ts';
import type { Scripts } from '../../../src/redis/scripts.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { openSpool } from '../../harness/spool.ts';
import { DAY, HOUR, MINUTE } from '../queue/setting.ts';

test('the pace is that of the last hour, or of the window so far', () => {
  const trend = new Trend();
  expect(trend.pace(10 * MINUTE, 50, 0)).toBe(5 / MINUTE);
  // The first seconds say nothing.
  expect(trend.pace(1000, 5, 0)).toBe(5 / MINUTE);
  trend.note(0, 0);
  trend.note(MINUTE, 40);
  expect(trend.pace(4 * MINUTE, 40, 0)).toBe(10 / MINUTE);
  for (let minute = 5; minute <= 180; minute += 5) trend.note(minute * MINUTE, minute < 100 ? 40 : minute);
  expect(trend.pace(180 * MINUTE, 180, 0)).toBe(1 / MINUTE);
  // Another window.
  trend.note(181 * MINUTE, 3);
  expect(trend.pace(190 * MINUTE, 12, 180 * MINUTE)).toBe(1 / MINUTE);
});

const policy = policyFrom(`
routes:
  hourly: { via: smarthost, hosts: [a.example], quota: 100/hour }
  rolling: { via: smarthost, hosts: [a.example], quota: { max: 240, per: 24h, window: rolling } }
rules: [{ route: [hourly, rolling] }]
`);

test('it runs out when it does so before its window ends', async () => {
  const { spool } = await openSpool(temporaryFolder());
  let elsewhere = 0;
  let oldest = 0;
  const scripts: Scripts = { run: async () => [0, 0, 0, 0, elsewhere, oldest] };
  const house = openHouse(spool, policy, scripts);
  const { clock } = house;
  clock.advance(HOUR - (clock.now() % HOUR) + 30 * MINUTE);
  const hour = Math.floor(clock.now() / HOUR) * HOUR;
  const at = async (count: number) => {
    elsewhere = count;
    oldest = clock.now() - 5 * HOUR;
    return quotaViews(house);
  };
  const seconds = (iso: string | null | undefined): number =>
    Math.round((Date.parse(iso ?? '') - clock.now()) / 1000);

  // 60 in half an hour: 40 are left for 20 minutes. In a day of it, twelve times too much.
  const [hourly, rolling] = await at(60);
  expect(hourly).toMatchObject({ of: 'route', name: 'hourly', used: 60, left: 40, opens: null });
  expect(hourly?.ends).toBe(new Date(hour + HOUR).toISOString());
  expect(seconds(hourly?.runsOut) / 60).toBeCloseTo(20, 0);
  expect(rolling).toMatchObject({ name: 'rolling', quota: '240/1d rolling', ends: null, runsOut: null });
  const [slow] = await at(49);
  expect(slow).toMatchObject({ left: 51, runsOut: null });
  const [full, over] = await at(240);
  expect(full).toMatchObject({ left: 0, opens: new Date(hour + HOUR).toISOString(), runsOut: null });
  // Of a rolling one something comes free when the oldest leaves.
  const opens = Date.parse(over?.opens ?? '') - clock.now();
  expect(opens).toBeGreaterThan(DAY - 5 * HOUR);
  expect(opens).toBeLessThanOrEqual(DAY - 5 * HOUR + DAY / 60);
});
