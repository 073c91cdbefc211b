// The time of day in the policy: when queued mail is gone over, and when it is not.
import { expect, onTestFinished, test } from 'vitest';
import type { House } from '../../../src/queue/house.ts';
import { PolicyClock } from '../../../src/queue/policy-clock.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { mail, openSpool } from '../../harness/spool.ts';
import { until } from '../../harness/until.ts';

const HOUR = 3_600_000;
/** Ahead of the real time: a test's clock only goes forward. */
const NOON = Date.UTC(2040, 0, 2, 12);
const DIRECT = 'rules: [{ name: all, route: direct }]';
const BY_DAY =
  'rules: [{ name: day, when: { time: { hours: 06:00-22:00, zone: UTC } }, hold: later }, { name: all, route: direct }]';

/** A house at noon whose policy can be replaced, with one message to example.com. */
async function houseAt(yaml: string, folder = temporaryFolder()) {
  const { spool } = await openSpool(folder);
  const inForce = { policy: policyFrom(yaml) };
  const house = { ...openHouse(spool), policy: () => inForce.policy };
  house.clock.advance(NOON - house.clock.now());
  const { id } = await spool.commit(mail(spool, { destinations: { 'direct example.com': 1 } }));
  return { house, spool, id, inForce };
}

function started(house: House): PolicyClock {
  const clock = new PolicyClock(house);
  clock.start();
  onTestFinished(() => clock.stop());
  return clock;
}

test('mail is held and let go at the boundaries of a rule, each time once', async () => {
  const { house, spool, id } = await houseAt(BY_DAY);
  started(house);
  const isHeld = () => spool.entries(id)[0]?.hold !== undefined;
  await until('held by day', isHeld);
  house.clock.advance(10 * HOUR + 1000);
  await until('let go at night', () => !isHeld());
  house.clock.advance(8 * HOUR);
  await until('held again in the morning', isHeld);
  expect(house.events.filter(({ event }) => event === 'held')).toHaveLength(2);
});

test('a boundary of a policy that came by a reload counts', async () => {
  const { house, spool, id, inForce } = await houseAt(DIRECT);
  started(house);
  inForce.policy = policyFrom(BY_DAY.replace('06:00-22:00', '13:00-22:00'));
  house.clock.advance(1000);
  await until('the note', () => spool.note('policy-times') === true);
  expect(spool.entries(id)[0]?.hold).toBeUndefined();
  house.clock.advance(HOUR);
  await until('held', () => spool.entries(id)[0]?.hold !== undefined);
});

test('what waited for times that the policy of the next start has not is gone over then', async () => {
  const folder = temporaryFolder();
  const window = 'rules: [{ name: all, window: { hours: 22:00-23:00, zone: UTC }, route: direct }]';
  const { house, spool, id, inForce } = await houseAt(window, folder);
  const clock = started(house);
  await until('it waits', () => spool.entries(id)[0]?.ready !== undefined);
  await until('the note', () => spool.note('policy-times') === true);
  await clock.stop();
  inForce.policy = policyFrom(DIRECT);
  started(house);
  await until('it waits no more', () => spool.entries(id)[0]?.ready === undefined);
  await until('nothing to remember', () => spool.note('policy-times') === undefined);
});
