// Reports about mail that is not what it was, or cannot be read any more.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Failure } from '../../../src/delivery/failure.ts';
import { isUnchanged, report } from '../../../src/queue/bounce.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { mail, openSpool } from '../../harness/spool.ts';

const FAILURE: Failure = {
  scope: 'recipient',
  permanent: true,
  class: 'unknown-user',
  status: '5.1.1',
  phase: 'rcpt',
  text: 'no such user',
};

test('the sender is told even when the content cannot be read any more', async () => {
  const folder = temporaryFolder();
  const { spool } = await openSpool(folder);
  const house = openHouse(spool);
  const large = Buffer.alloc(2_000_000, 'x');
  const message = await spool.commit(mail(spool, { content: large }));
  rmSync(join(folder, 'spool', 'large'), { recursive: true });
  const undelivered = [{ index: 0, failure: FAILURE, attempts: 1, expires: message.arrived + 1000 }];
  const dsn = await report(house, 'failed', message, undelivered);
  expect(dsn?.message).toMatchObject({ from: '', recipients: ['from@example.org'] });
  expect(dsn?.body.size).toBeGreaterThan(500);
  dsn?.body.discard();
});

test.each([
  { bounces: 'sender', from: 'ann@example.org', to: 'ann@example.org' },
  { bounces: 'none', from: 'ann@example.org', to: null },
  { bounces: 'desk@example.net', from: 'ann@example.org', to: 'desk@example.net' },
  { bounces: 'desk@example.net', from: '', to: null },
])('bounces: $bounces, from "$from": $to hears', async ({ bounces, from, to }) => {
  const { spool } = await openSpool(temporaryFolder());
  const policy = `rules: [{ name: tagged, when: { tag: t }, bounces: ${bounces} }, { name: all, route: direct }]`;
  const house = openHouse(spool, policyFrom(`${policy}\n`));
  const message = await spool.commit(mail(spool, { message: { from } }));
  const one = { index: 0, failure: FAILURE, attempts: 1, expires: message.arrived + 1000, tags: ['t'] };
  for (const kind of ['failed', 'delayed'] as const) {
    const dsn = await report(house, kind, message, [one]);
    expect(dsn?.message.recipients[0] ?? null).toBe(to);
    dsn?.body.discard();
  }
});

test.each([
  [
    'an alias',
    'rewrite: { recipients: { pm@example.net: [ann@example.org, bob@example.org] } }',
    'bob@example.org',
  ],
  ['a redirect', 'rules: [{ when: { to: example.net }, redirect: qa@example.org }]', 'qa@example.org'],
  ['nothing', 'rules: []', 'pm@example.net'],
])(
  'a report to the postmaster ends with the postmaster, whom %s makes somebody else',
  async (_, yaml, last) => {
    const { spool } = await openSpool(temporaryFolder());
    const house = { ...openHouse(spool, policyFrom(`${yaml}\n`)), postmaster: 'pm@example.net' };
    const undelivered = [{ index: 0, failure: FAILURE, attempts: 1, expires: 1 }];
    const first = await spool.commit(mail(spool, { message: { from: '', origin: 'dsn' } }));
    const dsn = await report(house, 'failed', first, undelivered);
    expect(dsn?.message.recipients).toContain(last);
    if (!dsn) throw new Error('the postmaster hears');
    const second = await spool.commit(dsn);
    expect(await report(house, 'failed', second, undelivered)).toBeNull();
  },
);

test('an entry that lost a recipient is another one, though its times and attempts are the same', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const house = openHouse(spool);
  const { id } = await spool.commit(mail(spool, { destinations: { 'direct example.com': 2 } }));
  const [entry] = spool.entries(id);
  if (!entry) throw new Error('there is an entry');
  expect(isUnchanged(house, entry)).toBe(true);
  await spool.change({ put: [{ ...entry, recipients: [0] }], ended: { discarded: 1 } });
  expect(isUnchanged(house, entry)).toBe(false);
});
