// Windows: when mail that may be tried at certain hours only is due, and from when on its time counts.
import { describe, expect, test } from 'vitest';
import { isWithin } from '../../../src/policy/hours.ts';
import type { Hours } from '../../../src/policy/policy.ts';
import { enqueue } from '../../../src/queue/enqueue.ts';
import type { QueueEntry } from '../../../src/queue/entry.ts';
import { settle } from '../../../src/queue/settle.ts';
import { inWindow, startOf, timed, waitsForWindow } from '../../../src/queue/window.ts';
import { policyFrom } from '../../harness/policy.ts';
import { Chance } from '../../harness/random.ts';
import { ARRIVED, DAY, entry, failure, HOUR, MINUTE, message, placing, settling } from './setting.ts';

const RULE = 'window: { hours: 07:00-20:00, days: mon-fri, zone: Europe/Madrid }, route: direct';
const BY_DAY = `rules: [{ name: day, ${RULE} }]`;

function windowOf(yaml: string): Hours {
  const window = policyFrom(yaml).rules[0]?.window;
  if (!window) throw new Error('no window');
  return window;
}

const byDay = windowOf(BY_DAY);
/** 20:30 in Madrid on Friday, and the opening after it. */
const FRIDAY = Date.UTC(2026, 10, 27, 19, 30);
const MONDAY = Date.UTC(2026, 10, 30, 6);

describe('due', () => {
  test('outside of the window at its opening, inside as before', () => {
    expect(inWindow(entry(1, { due: FRIDAY }), byDay, FRIDAY)).toMatchObject({ due: MONDAY, ready: FRIDAY });
    const inside = entry(1);
    expect(inWindow(inside, byDay, ARRIVED)).toBe(inside);
    expect(inWindow(inside, null, ARRIVED)).toBe(inside);
  });

  test('no sooner than a retry that comes later than the opening', () => {
    const retried = entry(1, { due: MONDAY + HOUR });
    expect(inWindow(retried, byDay, FRIDAY)).toBe(retried);
  });

  test('what waits for an opening waits on, and leaves when its window goes', () => {
    const waiting = inWindow(entry(1, { due: FRIDAY }), byDay, FRIDAY);
    expect(inWindow(waiting, byDay, FRIDAY + HOUR)).toBe(waiting);
    expect(inWindow(waiting, byDay, MONDAY + HOUR)).toBe(waiting);
    const free = inWindow(waiting, null, FRIDAY + HOUR);
    expect(free).toMatchObject({ due: FRIDAY });
    expect(free).not.toHaveProperty('ready');
  });

  test('what was not served before the window shut waits for the next opening', () => {
    const late = inWindow(entry(1), byDay, ARRIVED + 12 * HOUR);
    expect(late).toMatchObject({ due: Date.UTC(2026, 10, 25, 6), ready: ARRIVED });
    expect([waitsForWindow(late, ARRIVED + 12 * HOUR), waitsForWindow(late, late.due)]).toEqual([
      true,
      false,
    ]);
  });

  test('any window and time: due inside, never before the mail is ready, and the same again', () => {
    const chance = new Chance(20_261_127);
    const nth = (below: number): number => chance.int(below);
    for (let round = 0; round < 500; round++) {
      const hours = chance.next() < 0.2 ? null : { from: nth(1440), to: nth(1440) };
      if (hours && hours.from === hours.to) continue;
      const days = chance.next() < 0.3 ? null : new Set([nth(7), nth(7)]);
      const window: Hours = { hours, days, zone: 'Europe/Madrid' };
      const now = ARRIVED + nth(400 * DAY);
      const given = entry(1, { due: now + nth(3 * DAY) - DAY });
      const one = inWindow(given, window, now);
      expect(one.due).toBeGreaterThanOrEqual(given.due);
      const moment = Math.max(one.due, now);
      expect(isWithin(window, moment)).toBe(true);
      expect(inWindow(one, window, now)).toBe(one);
      expect(inWindow(one, null, now).due).toBe(one.due <= now ? one.due : given.due);
    }
  });
});

describe('its time', () => {
  const sent = { from: 'sales@example.net', arrived: FRIDAY };

  test('begins at its first opening: nothing expires or is late before', () => {
    const context = { ...placing(BY_DAY), now: FRIDAY };
    const { entries } = enqueue(message(['a@example.org'], sent), context);
    expect(entries).toMatchObject([
      { due: MONDAY, ready: FRIDAY, expires: MONDAY + 5 * DAY, nextWarning: MONDAY + 4 * HOUR },
    ]);
    expect(startOf(null, FRIDAY)).toBe(FRIDAY);
  });

  test('a retry that would come at night waits for the morning, and the last one too', () => {
    const evening = Date.UTC(2026, 10, 24, 18, 59);
    const morning = Date.UTC(2026, 10, 25, 6);
    const outcome = new Map([[0, { kind: 'failed', failure: failure() } as const]]);
    const putBy = (changes: Partial<QueueEntry>, arrived: number, yaml = BY_DAY) =>
      settle(
        entry(1, changes),
        message(['a@example.org'], { arrived }),
        outcome,
        settling(yaml, { now: evening }),
      );
    expect(putBy({ attempts: 3 }, ARRIVED).put).toMatchObject([
      { due: morning, ready: evening + 20 * MINUTE },
    ]);
    const short = `rules: [{ retry: { after: [4h], expire: 10h }, ${RULE} }]`;
    expect(putBy({}, ARRIVED, short).put).toMatchObject([{ due: morning, ready: ARRIVED + 10 * HOUR }]);
  });

  test('a stop in the last minute of the window leaves the mail for the next opening', () => {
    const night = Date.UTC(2026, 10, 24, 19, 0, 1);
    const stopped = failure({ ours: true, aborted: true });
    const outcome = new Map([[0, { kind: 'failed', failure: stopped } as const]]);
    const { put } = settle(entry(1), message(['a@example.org']), outcome, settling(BY_DAY, { now: night }));
    expect(put).toMatchObject([{ due: Date.UTC(2026, 10, 25, 6), ready: night, attempts: 0 }]);
  });

  test('is set anew where policy counts it otherwise', () => {
    const { retry } =
      policyFrom('rules: [{ retry: { expire: 2d }, warn: [1h, 2h] }, { route: direct }]').rules[0] ?? {};
    if (!retry) throw new Error('no retry');
    const decision = { retry: { ...retry, warn: [HOUR, 2 * HOUR] }, window: null };
    const known = timed(entry(1), message(['a@example.org']), decision);
    expect(known).toMatchObject({ expires: ARRIVED + 2 * DAY, nextWarning: ARRIVED + HOUR });
    expect(timed(known, message(['a@example.org']), decision)).toBe(known);
    expect(timed(entry(1, { warnings: 2 }), message(['a@example.org']), decision)).not.toHaveProperty(
      'nextWarning',
    );
    expect(timed(entry(1), message(['a@example.org'], { from: '' }), decision)).not.toHaveProperty(
      'nextWarning',
    );
  });
});
