// Queued mail under another policy: what moves, what is let go, what is left alone.
import { expect, test } from 'vitest';
import { nextClaim } from '../../../src/queue/claims.ts';
import { review, reviewBehind } from '../../../src/queue/review.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { mail, openSpool } from '../../harness/spool.ts';
import { failure } from './setting.ts';

const HOUR = 3_600_000;

test('what policy held and lets go is due at once: its expiry waits for an attempt', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const house = openHouse(spool);
  const since = house.clock.now() - 10 * HOUR;
  const hold = { reason: 'rule "no" would now reject it', since, by: 'policy' } as const;
  const held = { destinations: { 'direct example.com': 1 }, due: since, entry: { hold } };
  const { id } = await spool.commit(mail(spool, held));
  expect(await review(house, null)).toBe(1);
  const [entry] = spool.entries(id);
  expect(entry?.hold).toBeUndefined();
  expect(entry?.due).toBeGreaterThan(since);
});

test('what an operator held stays held', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const hold = { reason: 'looks odd', since: Date.now(), by: 'operator' } as const;
  await spool.commit(mail(spool, { entry: { hold } }));
  expect(await review(openHouse(spool), null)).toBe(0);
  expect(spool.totals().held).toBe(1);
});

const NIGHT = 'rules: [{ name: nights, window: { hours: 22:00-06:00, zone: UTC }, route: direct }]';
/** 12:00 UTC, years from now: the clock of a test is never behind the real one. */
const NOON = Date.UTC(2040, 0, 2, 12);

test('a window that comes, changes or goes sets the due time anew; nobody is charged', async () => {
  const { spool } = await openSpool(temporaryFolder());
  let policy = policyFrom(NIGHT);
  const house = { ...openHouse(spool), policy: () => policy };
  house.clock.advance(NOON - house.clock.now());
  const due = NOON - HOUR;
  const { id } = await spool.commit(mail(spool, { destinations: { 'direct example.com': 1 }, due }));
  const dueAfter = async (yaml: string): Promise<unknown> => {
    policy = policyFrom(yaml);
    await review(house, null);
    const [entry] = spool.entries(id);
    return [entry?.due, entry?.ready, entry?.attempts];
  };
  expect(await dueAfter(NIGHT)).toEqual([NOON + 10 * HOUR, due, 0]);
  expect(await review(house, null)).toBe(0);
  expect(await dueAfter(NIGHT.replace('22:00', '20:00'))).toEqual([NOON + 8 * HOUR, due, 0]);
  expect(await dueAfter('rules: [{ name: nights, route: direct }]')).toEqual([due, undefined, 0]);
});

test('another expiry and other warnings count from now on', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const house = {
    ...openHouse(spool),
    policy: () => policyFrom('rules: [{ retry: { expire: 2d }, warn: [1h] }, { name: all, route: direct }]'),
  };
  const arrived = house.clock.now();
  const { id } = await spool.commit(mail(spool, { destinations: { 'direct example.com': 1 }, due: arrived }));
  const before = spool.message(id)?.arrived ?? 0;
  await review(house, null);
  expect(spool.entries(id)).toMatchObject([{ expires: before + 48 * HOUR, nextWarning: before + HOUR }]);
});

test('a claim outside of the window is put off to its opening; inside it is handed out', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const house = openHouse(spool, policyFrom(NIGHT.replace('nights', 'all')));
  house.clock.advance(NOON - house.clock.now());
  const due = NOON - HOUR;
  const { id } = await spool.commit(mail(spool, { destinations: { 'direct example.com': 1 }, due }));
  const destination = house.destinations.of('direct example.com');
  expect(await nextClaim(house, destination)).toBeNull();
  expect(spool.entries(id)).toMatchObject([{ due: NOON + 10 * HOUR, ready: due, attempts: 0 }]);
  expect(spool.isClaimed({ id, seq: 0 })).toBe(false);
  house.clock.advance(10 * HOUR);
  const routed = await nextClaim(house, destination);
  expect(routed?.claim.entry.id).toBe(id);
  routed?.claim.release();
});

test('mail behind a door that a block closed leaves from another address, when it was due and with its count', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const [a, b] = ['192.0.2.10', '192.0.2.11'];
  const pool = policyFrom(`routes: { direct: { via: mx, sources: [{ address: ${a} }, { address: ${b} }] } }`);
  const house = openHouse(spool, pool);
  const key = `direct@${a} example.com`;
  const now = house.clock.now();
  const due = now - HOUR;
  const { id } = await spool.commit(
    mail(spool, { destinations: { [key]: 1 }, due, entry: { routeAttempts: 1 } }),
  );
  const door = house.destinations.of(key);
  const shutBy = (failureClass: 'blocked' | 'unreachable') => {
    const last = failure({ scope: 'destination', class: failureClass });
    door.backOff = { failures: 1, until: now + HOUR, since: now, lastAt: now, last };
    return reviewBehind(house, door);
  };
  await shutBy('unreachable');
  expect(spool.entries(id)).toMatchObject([{ destination: key }]);
  await shutBy('blocked');
  expect(spool.entries(id)).toMatchObject([
    { destination: `direct@${b} example.com`, due, routeAttempts: 1 },
  ]);
});
