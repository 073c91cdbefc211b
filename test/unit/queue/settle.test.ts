// What an attempt's outcomes make of an entry: doubt, counting, and who stays together.
import { expect, test } from 'vitest';
import { type FailureKind, failureKinds } from '../../../src/delivery/failures.ts';
import type { Message } from '../../../src/mail/envelope.ts';
import type { QueueEntry } from '../../../src/queue/entry.ts';
import { type Settlement, settle } from '../../../src/queue/settle.ts';
import { policyFrom } from '../../harness/policy.ts';

const MINUTE = 60_000;
const NOW = 1_800_000_000_000;

const message: Message = {
  id: 'M1',
  origin: 'client',
  arrived: NOW - MINUTE,
  from: 'a@example.net',
  recipients: ['b@example.org', 'c@example.org'],
  eightBit: false,
  size: 100,
};

const fresh: QueueEntry = {
  id: 'M1',
  seq: 0,
  destination: 'direct example.org',
  recipients: [0, 1],
  due: NOW - MINUTE,
  attempts: 1,
  routeAttempts: 1,
  expires: NOW + 100 * MINUTE,
  warnings: 0,
  crashes: 0,
};

const policy = policyFrom(`
routes: { direct: { via: mx }, drop: { via: discard } }
rules: [{ name: all, route: [direct, drop], fallback: { on: any, after: 1 } }]
`);

/** The entry after an attempt in which each recipient failed so. */
function after(entry: QueueEntry, ...kinds: readonly FailureKind[]): Settlement {
  const outcomes = kinds.map((kind, index) => {
    const failure = { phase: 'connect', text: 'failed', ...kind } as const;
    return [index, { kind: 'failed', failure }] as const;
  });
  return settle(entry, message, new Map(outcomes), {
    policy,
    door: () => null,
    now: NOW,
    random: () => 0.5,
  });
}

const both = (kind: FailureKind): readonly FailureKind[] => [kind, kind];

test('a lost answer leaves a doubt: the same route, 10 minutes later', () => {
  const [entry] = after(fresh, ...both(failureKinds.lostAfterDot)).put;
  expect(entry).toMatchObject({
    destination: 'direct example.org',
    due: NOW + 10 * MINUTE,
    doubt: { count: 1, since: NOW, cause: 'connection-lost' },
  });
});

test('trouble of our own is no attempt: the doubt stays, and with it the route', () => {
  const since = NOW - 20 * MINUTE;
  const doubtful: QueueEntry = { ...fresh, doubt: { count: 2, since, cause: 'connection-lost' } };
  const noNetwork: FailureKind = { ...failureKinds.noConnection, ours: true };
  const [entry] = after(doubtful, ...both(noNetwork)).put;
  expect(entry).toMatchObject({ destination: 'direct example.org', attempts: 1, doubt: { count: 2, since } });
  expect(entry?.due).toBeLessThan(NOW + 10 * MINUTE);
});

test('an attempt that the peer took part in ends the doubt, and a fallback may follow', () => {
  const doubtful: QueueEntry = { ...fresh, doubt: { count: 2, since: NOW, cause: 'connection-lost' } };
  const { put, ended } = after(doubtful, ...both(failureKinds.garbage));
  expect({ put, ended }).toEqual({ put: [], ended: { discarded: 2 } });
});

test('recipients whose attempts differ do not share an entry', () => {
  const greylisted: FailureKind = { ...failureKinds.noConnection, scope: 'recipient', class: 'greylisted' };
  const { put } = after(fresh, { ...greylisted, ours: true }, greylisted);
  expect(put.map(({ recipients, attempts }) => ({ recipients, attempts }))).toEqual([
    { recipients: [0], attempts: 1 },
    { recipients: [1], attempts: 2 },
  ]);
});
