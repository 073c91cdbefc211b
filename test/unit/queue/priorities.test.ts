// The priority that rules give, on its way into entries: at acceptance, after an attempt, under another policy.
import { expect, test } from 'vitest';
import { nextClaim } from '../../../src/queue/claims.ts';
import { enqueue } from '../../../src/queue/enqueue.ts';
import { priorityOf, type QueueEntry } from '../../../src/queue/entry.ts';
import { review } from '../../../src/queue/review.ts';
import { settle } from '../../../src/queue/settle.ts';
import type { Claim } from '../../../src/spool/spool.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { mail, openSpool } from '../../harness/spool.ts';
import { entry, failure, message, placing, settling } from './setting.ts';

const POLICY = `
rules:
  - { when: { to: boss@example.org }, priority: high }
  - { when: { to: list@example.org }, priority: low }
`;
const TO = ['boss@example.org', 'ann@example.org', 'list@example.org'];
const HERE = 'direct example.com';

const told = (entries: readonly QueueEntry[]) =>
  entries.map(({ recipients, priority }) => [recipients, priority]);

test('recipients of one destination are queued apart where their priorities differ', () => {
  const { entries } = enqueue(message([...TO, 'bob@example.org']), placing(POLICY));
  expect(told(entries)).toEqual([
    [[0], 'high'],
    [[1, 3], undefined],
    [[2], 'low'],
  ]);
});

test('an attempt leaves each recipient with the priority that it has by now', () => {
  const outcomes = new Map(TO.map((_, index) => [index, { kind: 'failed', failure: failure() }] as const));
  const { put } = settle(entry(3, { priority: 'low' }), message(TO), outcomes, settling(POLICY));
  expect(told(put)).toEqual([
    [[0], 'high'],
    [[1], undefined],
    [[2], 'low'],
  ]);
});

async function world() {
  const { spool } = await openSpool(temporaryFolder());
  let policy = policyFrom('rules: []');
  const house = { ...openHouse(spool), policy: () => policy };
  const put = async (count: number): Promise<void> => {
    const due = house.clock.now() - 1000;
    const one = () => mail(spool, { destinations: { [HERE]: 1 }, due });
    await Promise.all(Array.from({ length: count }, () => spool.commit(one())));
  };
  const reload = (yaml: string): void => {
    policy = policyFrom(yaml);
  };
  return { spool, house, put, reload };
}

test('a reload gives queued mail its new priority and leaves the rest of it alone', async () => {
  const { spool, house, put, reload } = await world();
  await put(3);
  const before = [...spool.scan(null)];
  reload('rules: [{ when: any, priority: high }]');
  expect(await review(house, null)).toBe(3);
  expect([...spool.scan(null)]).toEqual(before.map((one) => ({ ...one, priority: 'high' })));
  expect(spool.urgency(HERE, house.clock.now())).toBe('high');
  reload('rules: []');
  expect(await review(house, null)).toBe(3);
  expect([...spool.scan(null)].map(priorityOf)).toEqual(['normal', 'normal', 'normal']);
});

test('mail that was not gone over yet gets its priority before its next attempt', async () => {
  const { spool, house, put, reload } = await world();
  await put(2);
  reload('rules: [{ when: any, priority: low }]');
  const { claim } = (await nextClaim(house, house.destinations.of(HERE))) as { claim: Claim };
  expect(priorityOf(claim.entry)).toBe('low');
  expect(spool.entry(claim.entry)).toEqual(claim.entry);
  claim.release();
});
