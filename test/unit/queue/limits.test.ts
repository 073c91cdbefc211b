// Places under limits, and the pace of messages.
import { expect, test } from 'vitest';
import { Pace, Places } from '../../../src/queue/limits.ts';
import { ARRIVED } from './setting.ts';

test('a place counts against every limit, or against none where one is full', () => {
  const freed: string[] = [];
  const places = new Places((key) => freed.push(key));
  const both = [
    { key: 'site s', connections: 2 },
    { key: 'route r', connections: 1 },
  ];
  const first = places.take(both);
  expect(places.take(both)).toEqual({ full: 'route r' });
  expect([places.taken('site s'), places.taken('route r')]).toEqual([1, 1]);
  expect(places.take([{ key: 'site s', connections: 2 }])).toHaveProperty('release');
  expect(places.take([{ key: 'site s', connections: 2 }])).toEqual({ full: 'site s' });
  if (!('release' in first)) throw new Error('the first place was free');
  first.release();
  first.release();
  expect(freed).toEqual(['site s', 'route r']);
  expect([places.taken('site s'), places.taken('route r')]).toEqual([1, 0]);
});

test('without limits there is always a place', () => {
  expect(new Places(() => undefined).take([])).toHaveProperty('release');
});

const tenASecond = { count: 10, per: 1000 };

test('turns come at even distances, however many ask at once', () => {
  const pace = new Pace();
  const waits = Array.from({ length: 5 }, () => pace.reserve('site s', tenASecond, ARRIVED));
  expect(waits).toEqual([0, 100, 200, 300, 400]);
  expect(pace.wait('site s', ARRIVED)).toBe(500);
  expect(pace.wait('site t', ARRIVED)).toBe(0);
});

test('nothing is saved up while nobody asks', () => {
  const pace = new Pace();
  pace.reserve('site s', tenASecond, ARRIVED);
  const later = ARRIVED + 60_000;
  expect([0, 1, 2].map(() => pace.reserve('site s', tenASecond, later))).toEqual([0, 100, 200]);
});

test('a turn that has come is forgotten, one to come is not', () => {
  const pace = new Pace();
  pace.reserve('site s', tenASecond, ARRIVED);
  pace.sweep(ARRIVED + 50);
  expect(pace.wait('site s', ARRIVED + 50)).toBe(50);
  pace.sweep(ARRIVED + 200);
  expect(pace.wait('site s', ARRIVED)).toBe(0);
});
