// What another policy would do to queued mail: each kind of change, counted over a spool of real entries.
import { expect, test } from 'vitest';
import { diffQueue } from '../../../src/operations/diff.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { mail, openSpool } from '../../harness/spool.ts';

const ROUTES = 'routes: { provider: { via: smarthost, hosts: [smtp.example] }, trash: { via: discard } }';
const NOW = `${ROUTES}\nrules: [{ name: all, route: direct }]`;

/** 3 messages to a.example, 2 to b.example, one of them held by an operator. */
async function queue() {
  const { spool } = await openSpool(temporaryFolder());
  const to = (domain: string) => ({
    destinations: { [`direct ${domain}`]: 1 },
    message: { recipients: [`bob@${domain}`] },
  });
  const ids: string[] = [];
  for (const domain of ['a.example', 'a.example', 'a.example', 'b.example']) {
    ids.push((await spool.commit(mail(spool, to(domain)))).id);
  }
  const hold = { reason: 'looks odd', since: Date.now(), by: 'operator' } as const;
  ids.push((await spool.commit(mail(spool, { ...to('b.example'), entry: { hold } }))).id);
  return { house: openHouse(spool, policyFrom(NOW)), ids };
}

test('the same policy changes nothing', async () => {
  const { house } = await queue();
  expect(await diffQueue(house, policyFrom(NOW))).toEqual({ recipients: 5, unchanged: 5, changes: [] });
});

test.each([
  { rule: 'route: provider', what: 'route', from: 'direct', to: 'provider' },
  { rule: 'route: trash', what: 'discarded', from: 'direct', to: 'trash' },
  { rule: 'hold: later', what: 'held', from: 'direct', to: 'a' },
  { rule: 'reject: {}', what: 'held', from: 'direct', to: 'a' },
  { rule: 'retry: { after: [1h] }', what: 'schedule', from: 'default', to: 'of rule "a"' },
  { rule: 'priority: low', what: 'priority', from: 'normal', to: 'low' },
  {
    rule: 'window: { hours: 07:00-20:00, zone: UTC }',
    what: 'window',
    from: 'always',
    to: '07:00-20:00 UTC',
  },
  { rule: 'bounces: none', what: 'bounces', from: 'sender', to: 'nobody' },
])('a rule with $rule: $what', async ({ rule, ...change }) => {
  const { house, ids } = await queue();
  const after = policyFrom(
    `${ROUTES}\nrules: [{ name: a, when: { to: a.example }, ${rule} }, { name: all, route: direct }]`,
  );
  expect(await diffQueue(house, after)).toEqual({
    recipients: 5,
    unchanged: 2,
    changes: [{ ...change, recipients: 3, examples: ids.slice(0, 3) }],
  });
});

test('a recipient may change in several ways, and what policy holds would be let go', async () => {
  const { house } = await queue();
  const after = policyFrom(
    `retry: { default: { after: [1h] } }\n${ROUTES}\nrules: [{ name: all, route: provider }]`,
  );
  expect(await diffQueue(house, after)).toMatchObject({
    unchanged: 1,
    changes: [
      { what: 'route', to: 'provider', recipients: 4 },
      { what: 'schedule', from: 'default', to: 'default, changed', recipients: 4 },
    ],
  });
  const closed = { ...house, policy: () => policyFrom('rules: [{ name: no, hold: later }]') };
  expect(await diffQueue(closed, policyFrom(NOW))).toMatchObject({
    changes: [{ what: 'let-go', from: 'no', to: 'direct', recipients: 4 }],
  });
});
