// Hours in zones: what lies in them, and that openings and endings are those that looking minute by minute finds.
// The model asks the system for the clock on the wall at each minute of some days with a change of clocks.
// Never reads the machine's clock, and does not depend on its zone.
import { expect, test } from 'vitest';
import { hoursText, isWithin, nextChange, nextOpening } from '../../../src/policy/hours.ts';
import type { Hours } from '../../../src/policy/policy.ts';
import { Chance } from '../../harness/random.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

function hours(from: string, to: string, days: readonly number[] | null, zone: string): Hours {
  const minutes = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));
  return {
    hours: { from: minutes(from), to: minutes(to) },
    days: days && new Set(days),
    zone,
  };
}

const workdays = [1, 2, 3, 4, 5];
const office = hours('07:00', '20:00', workdays, 'Europe/Madrid');
const night = hours('22:00', '06:00', [5], 'Europe/Madrid');

test.each([
  [office, '2026-11-23T06:59:59+01:00', false],
  [office, '2026-11-23T07:00:00+01:00', true],
  [office, '2026-11-23T19:59:59+01:00', true],
  [office, '2026-11-23T20:00:00+01:00', false],
  [office, '2026-11-22T12:00:00+01:00', false],
  [office, '2026-07-06T06:59:59+02:00', false],
  [office, '2026-07-06T07:00:00+02:00', true],
  [night, '2026-11-27T22:00:00+01:00', true],
  [night, '2026-11-28T05:59:00+01:00', true],
  [night, '2026-11-28T06:00:00+01:00', false],
  [night, '2026-11-27T05:00:00+01:00', false],
  [night, '2026-11-28T23:00:00+01:00', false],
])('%j at %s', (when, at, expected) => {
  expect(isWithin(when, Date.parse(at))).toBe(expected);
});

test('openings and endings over a weekend and over midnight', () => {
  const friday = Date.parse('2026-11-27T20:00:00+01:00');
  expect(nextOpening(office, friday)).toBe(Date.parse('2026-11-30T07:00:00+01:00'));
  expect(nextOpening(office, friday - 1)).toBe(friday - 1);
  expect(nextChange(office, friday - 1)).toBe(friday);
  expect(nextOpening(night, friday)).toBe(Date.parse('2026-11-27T22:00:00+01:00'));
  expect(nextChange(night, friday + 3 * 60 * MINUTE)).toBe(Date.parse('2026-11-28T06:00:00+01:00'));
});

test('whole days go from midnight to midnight, and what is always open never changes', () => {
  const weekend: Hours = { hours: null, days: new Set([0, 6]), zone: 'Europe/Madrid' };
  const saturday = Date.parse('2026-03-28T00:00:00+01:00');
  expect(nextOpening(weekend, saturday - DAY)).toBe(saturday);
  // The clocks are put forward on that Sunday: the weekend has 47 hours.
  expect(nextChange(weekend, saturday)).toBe(saturday + 2 * DAY - 60 * MINUTE);
  expect(nextChange({ hours: { from: 0, to: 1440 }, days: null, zone: 'UTC' }, saturday)).toBeNull();
});

test('hours that the clocks skip open a day later, hours that come twice are two openings', () => {
  const early = hours('02:00', '03:00', [0], 'Europe/Madrid');
  const spring = Date.parse('2026-03-29T00:00:00+01:00');
  expect(nextOpening(early, spring)).toBe(Date.parse('2026-04-05T02:00:00+02:00'));
  const autumn = Date.parse('2026-10-25T02:00:00+02:00');
  expect(nextOpening(early, autumn - MINUTE)).toBe(autumn);
  expect(nextChange(early, autumn)).toBe(Date.parse('2026-10-25T03:00:00+01:00'));
});

test('hours are written as the policy writes them', () => {
  expect(hoursText(office)).toBe('07:00-20:00 mon,tue,wed,thu,fri Europe/Madrid');
  expect(hoursText({ hours: null, days: new Set([6]), zone: 'UTC' })).toBe('sat UTC');
});

/** Five days around a change of clocks: by an hour, by half an hour, at midnight, in the south, and none. */
const places: readonly (readonly [zone: string, start: number])[] = [
  ['Europe/Madrid', Date.UTC(2026, 2, 27)],
  ['Europe/Madrid', Date.UTC(2026, 9, 23)],
  ['America/New_York', Date.UTC(2026, 2, 6)],
  ['Australia/Lord_Howe', Date.UTC(2026, 3, 3)],
  ['Africa/Cairo', Date.UTC(2026, 3, 22)],
  ['Asia/Kathmandu', Date.UTC(2026, 5, 1)],
];

test.each(places)('%s from %d: openings and endings are those of the clock on the wall', (zone, start) => {
  const wall = wallClocks(zone, start, 5);
  const chance = new Chance(start % 1000);
  for (let round = 0; round < 40; round++) {
    const when = someHours(chance, zone);
    const open = wall.map(({ day, minutes }) => lies(when, day, minutes));
    for (let minute = chance.int(60); minute < open.length; minute += 1 + chance.int(120)) {
      const at = start + minute * MINUTE;
      const change = open.findIndex((one, index) => index > minute && one !== open[minute]);
      const told = nextChange(when, at);
      const toldWithin = told === null || told >= start + open.length * MINUTE ? -1 : (told - start) / MINUTE;
      expect([hoursText(when), at, isWithin(when, at), toldWithin]).toEqual([
        hoursText(when),
        at,
        open[minute],
        change,
      ]);
      expect(nextOpening(when, at)).toBe(open[minute] ? at : told);
    }
  }
});

function someHours(chance: Chance, zone: string): Hours {
  const from = chance.int(1440);
  const to = (from + 1 + chance.int(1438)) % 1440 || 1440;
  const days = chance.int(2) === 0 ? null : new Set(chance.list(1, 3, () => chance.int(7)));
  return { hours: { from, to }, days, zone };
}

function lies({ hours, days }: Hours, day: number, minutes: number): boolean {
  if (hours === null) return days?.has(day) ?? true;
  const begins = (one: number): boolean => days === null || days.has(one);
  if (hours.from < hours.to) return begins(day) && minutes >= hours.from && minutes < hours.to;
  return (begins(day) && minutes >= hours.from) || (begins((day + 6) % 7) && minutes < hours.to);
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** Day of the week and minutes of the day at each minute. */
function wallClocks(zone: string, start: number, days: number) {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  return Array.from({ length: days * 1440 }, (_, minute) => {
    const parts = Object.fromEntries(
      format.formatToParts(start + minute * MINUTE).map(({ type, value }) => [type, value]),
    );
    return {
      day: weekdays.indexOf(parts.weekday ?? ''),
      minutes: Number(parts.hour) * 60 + Number(parts.minute),
    };
  });
}
