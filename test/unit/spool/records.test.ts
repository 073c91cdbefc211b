// What the index stores of an entry comes back as it was, also from records of an older version.
import { expect, test } from 'vitest';
import { type EntryTuple, packEntry, unpackEntry } from '../../../src/spool/records.ts';
import { entry, failure } from '../queue/setting.ts';

const full = entry(2, {
  last: failure({ host: 'mx.example.org', ours: true, retryAfter: 300_000, sourceTrouble: 'missing' }),
  lastAttempt: 5,
  nextWarning: 6,
  doubt: { count: 1, since: 7, cause: 'crash' },
  hold: { reason: 'why', since: 8, by: 'operator' },
  routeOverride: 'provider',
  routeReason: 'the operator chose it',
  decisions: [
    { at: 9, rule: 'all', route: 'direct', reason: 'first in the list' },
    { at: 10, rule: 'all', route: 'direct', source: '192.0.2.10', reason: 'no reason to leave it' },
  ],
  priority: 'low',
  tags: ['outside'],
  edit: { add: [{ name: 'X-A', value: 'b' }], remove: ['x-c'] },
  quiet: true,
  released: true,
  avoids: ['192.0.2.10'],
});

test.each([
  ['with everything', full],
  ['with nothing that can be left out', entry(1)],
  ['of an address that did not fit', entry(1, { last: failure({ sourceTrouble: 'unfit' }) })],
])('an entry %s', (_name, given) => {
  expect(unpackEntry(given, packEntry(given))).toEqual(given);
});

test('an entry that was written before routes could be forced', () => {
  const old = packEntry(full).slice(0, 13) as unknown as EntryTuple;
  const late = ['routeOverride', 'routeReason', 'decisions', 'priority', 'tags', 'edit', 'quiet', 'avoids'];
  const known = Object.entries(full).filter(([key]) => ![...late, 'released'].includes(key));
  expect(unpackEntry(full, old)).toEqual(Object.fromEntries(known));
});
