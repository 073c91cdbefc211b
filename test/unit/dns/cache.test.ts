// How long each kind of answer is believed, and what is given up when there is no room.
import { expect, test } from 'vitest';
import { LookupCache } from '../../../src/dns/cache.ts';
import type { Lookup } from '../../../src/dns/resolver.ts';
import { MovableClock } from '../../harness/clock.ts';

const found = (ttl: number): Lookup<string> => ({
  kind: 'found',
  records: ['192.0.2.1'],
  ttl,
  authenticated: false,
});
const failed = (ours: boolean): Lookup<string> => ({ kind: 'failed', reason: 'SERVFAIL', ours });

test.each<[string, Lookup<string>, number]>([
  ['records for their TTL', found(300), 300],
  ['records for a second at least', found(0), 1],
  ['records for a day at most', found(604_800), 86_400],
  ['absence of a name for its TTL', { kind: 'nxdomain', ttl: 60 }, 60],
  ['absence of records for its TTL', { kind: 'no-data', ttl: 60 }, 60],
  ['absence for an hour at most', { kind: 'nxdomain', ttl: 86_400 }, 3_600],
  ['a failure that a server reported for 5 s', failed(false), 5],
])('keeps %s', (_, lookup, seconds) => {
  const clock = new MovableClock();
  const cache = new LookupCache<string>(clock);
  cache.put('example.org', lookup);
  clock.advance(seconds * 1000 - 900);
  expect(cache.get('example.org')).toMatchObject({ kind: lookup.kind });
  clock.advance(900);
  expect(cache.get('example.org')).toBeNull();
});

test.each<[string, Lookup<string>]>([
  ['absence without a TTL', { kind: 'nxdomain', ttl: 0 }],
  ['a failure of our own', failed(true)],
])('does not keep %s', (_, lookup) => {
  const cache = new LookupCache<string>(new MovableClock());
  cache.put('example.org', lookup);
  expect(cache.get('example.org')).toBeNull();
});

test('hands out the TTL that is left', () => {
  const clock = new MovableClock();
  const cache = new LookupCache<string>(clock);
  cache.put('example.org', found(300));
  clock.advance(200_000);
  expect(cache.get('example.org')).toMatchObject({ kind: 'found', records: ['192.0.2.1'], ttl: 100 });
});

test('a clock that is set back does not lengthen anything', () => {
  const clock = new MovableClock();
  const cache = new LookupCache<string>(clock);
  cache.put('example.org', found(300));
  clock.advance(-1_000);
  expect(cache.get('example.org')).toBeNull();
});

test('gives up the name that was not used for longest', () => {
  const cache = new LookupCache<string>(new MovableClock(), 2);
  cache.put('a.test', found(300));
  cache.put('b.test', found(300));
  cache.get('a.test');
  cache.put('c.test', found(300));
  expect(['a.test', 'b.test', 'c.test'].map((name) => cache.get(name)?.kind)).toEqual([
    'found',
    undefined,
    'found',
  ]);
});
