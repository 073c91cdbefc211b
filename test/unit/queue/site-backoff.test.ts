// What a site's back-off rules do: once for many replies, on disk, never against an operator's word.
import { expect, test } from 'vitest';
import type { Site } from '../../../src/policy/policy.ts';
import { recall } from '../../../src/queue/recall.ts';
import type { RecipientOutcome } from '../../../src/queue/settle.ts';
import { endSlowdowns, heed } from '../../../src/queue/site-backoff.ts';
import { suspend } from '../../../src/queue/suspend.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse, type TestHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { openSpool } from '../../harness/spool.ts';
import { until } from '../../harness/until.ts';
import { DAY, failure, HOUR, MINUTE } from './setting.ts';

const policy = policyFrom(`
sites:
  moody:
    domains: moody.example
    backoff:
      - { reply: "*go away*", suspend: 1h }
      - { reply: "*easy*", slow: half, for: 30m }
      - { reply: "*slower*", slow: 25%, for: 20m }
`);
const moody = policy.siteRules[0]?.site as Site;

const refused = (reply: string): RecipientOutcome => ({ kind: 'failed', failure: failure({ reply }) });
const hears = (house: TestHouse, reply: string): void => heed(house, moody, [refused(reply)]);
const backoffs = (house: TestHouse) => house.events.filter(({ event }) => event === 'backoff');

const limit = { key: 'site moody', connections: 9, site: 'moody' };
const rate = { key: 'site moody', rate: { count: 60, per: MINUTE }, site: 'moody' };

test('slow leaves a share of connections and rates, of this site alone, until its time is over', async () => {
  const house = openHouse((await openSpool(temporaryFolder())).spool);
  const { slowdowns, clock } = house;
  const now = clock.now();
  hears(house, '450 4.2.0 Easy now');
  expect(slowdowns.connections(limit, 9, now)).toBe(4);
  expect(slowdowns.connections(limit, 1, now)).toBe(1);
  expect(slowdowns.rate(rate, now).rate).toEqual({ count: 60, per: 2 * MINUTE });
  expect(slowdowns.connections({ ...limit, site: 'other' }, 9, now)).toBe(9);
  expect(slowdowns.rate({ ...rate, site: null }, now)).toMatchObject({ rate: rate.rate });
  expect(slowdowns.connections(limit, 9, now + 31 * MINUTE)).toBe(9);
});

test('what many connections hear in one moment acts once; later it lasts longer, and goes no slower', async () => {
  const house = openHouse((await openSpool(temporaryFolder())).spool);
  const { slowdowns, clock } = house;
  for (let n = 0; n < 3; n++) hears(house, '450 easy');
  expect(backoffs(house)).toHaveLength(1);
  const first = slowdowns.of('moody', clock.now())?.until ?? 0;
  clock.advance(2 * MINUTE);
  hears(house, '450 easy');
  expect(slowdowns.of('moody', clock.now())?.until).toBeGreaterThan(first);
  expect(slowdowns.connections(limit, 8, clock.now())).toBe(4);
  clock.advance(2 * MINUTE);
  hears(house, '450 slower');
  expect(slowdowns.connections(limit, 8, clock.now())).toBe(2);
  expect(backoffs(house)).toHaveLength(3);
});

test('suspend is a suspension of the site, with rule and reply as its reason', async () => {
  const house = openHouse((await openSpool(temporaryFolder())).spool);
  hears(house, '550-No,\n550 go away');
  const suspension = house.destinations.suspensions.get({ site: 'moody' });
  expect(suspension?.reason).toBe('its reply fits the back-off rule "*go away*": 550-No, 550 go away');
  expect((suspension?.until ?? 0) - (suspension?.since ?? 0)).toBe(HOUR);
  await until('the event', () => house.events.some(({ event }) => event === 'suspended'));
  expect(backoffs(house)).toMatchObject([{ site: 'moody', rule: '*go away*', action: 'suspend', to: null }]);
});

test('an operator’s suspension that ends later stays as it is', async () => {
  const house = openHouse((await openSpool(temporaryFolder())).spool);
  const since = house.clock.now() - HOUR;
  await suspend(house, { site: 'moody', reason: 'asked to', since, until: since + DAY });
  hears(house, '421 go away');
  expect(house.destinations.suspensions.get({ site: 'moody' })?.reason).toBe('asked to');
  expect(backoffs(house)).toEqual([]);
});

test('a restart knows what goes slow; what is over is forgotten', async () => {
  const folder = temporaryFolder();
  const { spool } = await openSpool(folder);
  hears(openHouse(spool), '450 easy');
  await spool.close();

  const again = (await openSpool(folder)).spool;
  const house = openHouse(again);
  recall(house);
  expect(house.slowdowns.of('moody', house.clock.now())).toMatchObject({ to: 0.5, rule: '*easy*' });
  house.clock.advance(31 * MINUTE);
  endSlowdowns(house, house.clock.now());
  await until('the note to be gone', () => [...again.notes('slow ')].length === 0);
});
