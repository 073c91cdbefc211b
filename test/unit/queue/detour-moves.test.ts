// What the house does about a site that leaves a route: notes, events, the alarm, mail that waits.
import { expect, test } from 'vitest';
import type { Policy } from '../../../src/policy/policy.ts';
import {
  aboutToTry,
  endDetours,
  policyForgets,
  recallDetours,
  tried,
} from '../../../src/queue/detour-moves.ts';
import type { Detour } from '../../../src/queue/detours.ts';
import type { House } from '../../../src/queue/house.ts';
import { placementContext } from '../../../src/queue/house.ts';
import { decisionFor } from '../../../src/queue/placement.ts';
import type { RecipientOutcome } from '../../../src/queue/settle.ts';
import type { Claim, Spool } from '../../../src/spool/spool.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse, type TestHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { mail, openSpool } from '../../harness/spool.ts';
import { until } from '../../harness/until.ts';
import { DAY, failure, HOUR } from './setting.ts';

const policyWith = (fallback: string): Policy =>
  policyFrom(`
routes: { provider: { via: smarthost, hosts: [smtp.example] } }
rules: [{ name: all, route: [direct, provider], fallback: ${fallback} }]
`);

const policy = policyWith('{ on: blocked, siteAfter: 2, remember: 6h }');
const list = {
  routes: ['direct', 'provider'],
  fallback: policy.rules[0]?.fallback ?? policy.defaultFallback,
};
const here = 'direct example.com';
const blocked: RecipientOutcome = { kind: 'failed', failure: failure({ class: 'blocked' }) };
const delivered: RecipientOutcome = { kind: 'delivered', reply: '250 ok' };

async function house(spool?: Spool, inForce = policy): Promise<TestHouse> {
  const made = openHouse(spool ?? (await openSpool(temporaryFolder())).spool, inForce);
  made.sites.learned('example.com', ['mx.example.com']);
  made.destinations.of(here);
  return made;
}

async function claimed(house: House): Promise<Claim> {
  await house.spool.commit(mail(house.spool, { due: house.clock.now(), destinations: { [here]: 1 } }));
  const claim = house.spool.claim(here, house.clock.now());
  if (!claim) throw new Error('nothing was claimed');
  return claim;
}

/** One message more tries, and this is what becomes of it. */
async function attempt(house: House, outcome: RecipientOutcome): Promise<Claim> {
  const claim = await claimed(house);
  tried(house, claim, decision(house, claim), [outcome]);
  return claim;
}

function decision(house: House, { message }: Claim) {
  return decisionFor(message, 0, [], placementContext(house));
}

const isLeft = (house: House): boolean =>
  placementContext(house).passed('direct', 'any', 'example.com', list) !== null;

const told = ({ events }: TestHouse) =>
  events.filter(({ event }) => event === 'route-left' || event === 'route-back');
const noted = (house: House) => [...house.spool.notes('detour ')].map(([name]) => name);

function detour(house: House, changes: Partial<Detour> = {}): Detour {
  const now = house.clock.now();
  const way = { route: 'direct', site: 'mx.example.com', class: 'blocked', failure: '554 no' } as const;
  return { ...way, since: now, until: now + HOUR, messages: 2, ...changes };
}

test('a site that leaves: a note, an event, an alarm, and what waits goes by the next route', async () => {
  const made = await house();
  const waiting = await attempt(made, blocked);
  const second = await claimed(made);
  waiting.release();
  tried(made, second, decision(made, second), [blocked]);
  expect(told(made)).toMatchObject([
    { event: 'route-left', route: 'direct', site: 'mx.example.com', class: 'blocked', messages: 2 },
  ]);
  await until('the note', () => noted(made).length === 1);
  expect(noted(made)).toEqual(['detour direct mx.example.com']);
  expect(made.alarms.active()).toContain('route-left');
  await until('the review', () => made.spool.nextDue('provider') !== null);
  // Another process knows it, and forgets it with the first delivery.
  const next = await house(made.spool);
  recallDetours(next);
  expect(isLeft(next)).toBe(true);
  expect(next.alarms.active()).toContain('route-left');
  await attempt(next, delivered);
  expect(told(next)).toMatchObject([{ event: 'route-back', by: 'delivery' }]);
  expect(next.alarms.active()).not.toContain('route-left');
  await until('no note', () => noted(next).length === 0);
});

test('mail with nowhere else to go is put off, unless it is in doubt or an operator sends it', async () => {
  const made = await house();
  const claim = await claimed(made);
  const detoured = detour(made);
  made.detours.put(detoured);
  const asked = (changes: Partial<Claim['entry']>) =>
    aboutToTry(made, { ...claim, entry: { ...claim.entry, ...changes } }, decision(made, claim));
  expect(asked({})).toEqual({ put: [{ ...claim.entry, due: detoured.until }] });
  expect(asked({ routeOverride: 'direct' })).toBeNull();
  expect(asked({ doubt: { count: 1, since: 0, cause: 'crash' } })).toBeNull();
});

test.each([
  ['remembers nothing', '{ on: blocked }', {}],
  ['does not fall back on it', '{ on: unreachable, siteAfter: 2 }', {}],
  ['has no such route', '{ on: blocked, siteAfter: 2 }', { route: 'gone' }],
  ['leaves another route', '{ on: blocked, siteAfter: 2 }', { route: 'provider', site: null }],
  ['has a smarthost of its name', '{ on: blocked, siteAfter: 2 }', { site: null }],
])('a policy that %s forgets what was left', async (_, fallback, changes) => {
  const made = await house(undefined, policyWith(fallback));
  const { spool } = made;
  made.detours.put(detour(made, changes));
  policyForgets(made);
  expect(told(made)).toMatchObject([{ event: 'route-back', by: 'policy' }]);
  expect(isLeft(made)).toBe(false);
  await until('no note', () => [...spool.notes('detour ')].length === 0);
});

test('what is wanted stays through a reload, and ends a day after anybody wanted it', async () => {
  const made = await house();
  made.detours.put(detour(made));
  policyForgets(made);
  endDetours(made, made.clock.now() + DAY);
  expect(told(made)).toEqual([]);
  endDetours(made, made.clock.now() + HOUR + DAY);
  expect(told(made)).toMatchObject([{ event: 'route-back', by: 'time' }]);
});

test('a site with more hosts than a note can name is left without one', async () => {
  const made = await house();
  const hosts = Array.from({ length: 60 }, (_, n) => `a-host-with-a-rather-long-name-${n}.example.com`);
  made.sites.learned('example.com', hosts);
  for (let n = 0; n < 2; n++) await attempt(made, blocked);
  expect(told(made)).toMatchObject([{ event: 'route-left', site: hosts.sort().join(',') }]);
  await made.spool.change({ notes: { another: 1 } });
  expect(noted(made)).toEqual([]);
});
