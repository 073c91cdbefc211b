// The decisions that an entry keeps of its attempts: what they say, and how many there are.
import { expect, test } from 'vitest';
import { type QueueEntry, withDecision } from '../../../src/queue/entry.ts';
import { settle } from '../../../src/queue/settle.ts';
import { ARRIVED, entry, failure, HOUR, MINUTE, message, settling } from './setting.ts';

const YAML = `
routes:
  direct: { via: mx }
  provider: { via: smarthost, hosts: [smtp.provider.example] }
retry: { default: { after: 5m } }
rules:
  - { name: all, route: [direct, provider], fallback: { on: [throttled], after: 2 } }
`;
const rule = 'all';
const busy = failure({ scope: 'message', class: 'throttled' });

/** What is left of the entry when it was tried at that minute, by the present route. */
function tried(before: QueueEntry, minute: number): QueueEntry {
  const at = ARRIVED + minute * MINUTE;
  const decided = withDecision(before, at, { rule, reason: 'no reason to leave it' });
  const outcomes = new Map([[0, { kind: 'failed', failure: busy } as const]]);
  const context = settling(YAML, { now: at });
  const { put } = settle(decided, message(['bob@example.org']), outcomes, context);
  return put[0] as QueueEntry;
}

test('a fallback is told by the attempt that it led to, and those after it', () => {
  const first = tried(entry(1, { routeReason: 'first in the list' }), 1);
  const second = tried(first, 10);
  expect(second).toMatchObject({ destination: 'provider', routeReason: expect.stringContaining('fallback') });
  const third = tried(second, 20);
  const [reason, fallback] = ['first in the list', second.routeReason];
  expect(tried(third, 30).decisions).toEqual([
    { at: ARRIVED + MINUTE, rule, route: 'direct', reason },
    { at: ARRIVED + 10 * MINUTE, rule, route: 'direct', reason },
    { at: ARRIVED + 20 * MINUTE, rule, route: 'provider', reason: fallback },
    { at: ARRIVED + 30 * MINUTE, rule, route: 'provider', reason: fallback },
  ]);
});

test('the last five are kept; an entry that does not know why it took its route says what holds now', () => {
  let present: QueueEntry = entry(1);
  for (let n = 1; n <= 7; n++) present = withDecision(present, n * HOUR, { rule, reason: 'as of now' });
  expect(present.decisions?.map(({ at }) => at / HOUR)).toEqual([3, 4, 5, 6, 7]);
  expect(present.decisions?.[0]).toMatchObject({ route: 'direct', reason: 'as of now' });
});
