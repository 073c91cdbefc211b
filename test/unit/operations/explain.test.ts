// How things stand for one mail: the route that is taken now, levels of limits, and the next attempt.
import { expect, test } from 'vitest';
import type { Delivery } from '../../../src/delivery/session.ts';
import { siteKey } from '../../../src/limits/limits.ts';
import { explainNew, explainQueued } from '../../../src/operations/explain.ts';
import type { House } from '../../../src/queue/house.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { redisForFile } from '../../harness/redis.ts';
import { scriptsOn } from '../../harness/scripts.ts';
import { openSpool } from '../../harness/spool.ts';
import { entry, failure, HOUR, MINUTE, message } from '../queue/setting.ts';

const policy = policyFrom(`
routes: { provider: { via: smarthost, hosts: [smtp.example] } }
sites: { big: { mx: "*.big.example", connections: 10, rate: 60/minute } }
rules:
  - { name: refused, when: { to: "*.invalid" }, reject: {} }
  - { name: rest, route: [direct, provider] }
`);

const NOW = Date.UTC(2026, 10, 24, 12);

const redis = redisForFile();

async function house(bestMx: Delivery['bestMx'] = async () => ['mx.big.example']): Promise<House> {
  const { spool } = await openSpool(temporaryFolder());
  const made = openHouse(spool, policy, await scriptsOn(redis()));
  // It stands still, so that moments can be compared.
  const clock = { now: () => NOW, after: (ms: number, fire: () => void) => made.clock.after(ms, fire) };
  return { ...made, clock, delivery: { ...made.delivery, bestMx } };
}

const mail = { from: 'ann@example.net', to: 'bob@example.org' };
const shut = failure({ class: 'unreachable', scope: 'host' });

test('a message that would come now: its site, what is open there, and its first attempt at once', async () => {
  const here = await house();
  const now = here.clock.now();
  await here.slots.take([{ key: siteKey('big'), connections: 10, site: 'big' }]);
  await here.rates.turn([{ key: siteKey('big'), rate: { count: 60, per: MINUTE }, site: 'big' }], 0);
  expect(await explainNew(here, mail)).toMatchObject({
    rule: 'rest',
    site: { name: 'big', by: 'mx' },
    present: {
      route: 'direct',
      reason: 'first in the list',
      state: 'new',
      limits: [
        { of: 'site big', open: 1, allowed: 5, connections: 10, wait: expect.toSatisfy(isAboutASecond) },
      ],
      failures: 0,
      next: new Date(now).toISOString(),
    },
  });
});

const isAboutASecond = (ms: unknown): boolean => Number(ms) > 500 && Number(ms) <= 1000;

test('a closed door shows its failure; once it has failed often enough, the fallback is taken', async () => {
  const here = await house();
  const destination = here.destinations.of('direct example.org');
  const close = (failures: number): void => {
    destination.backOff = { failures, until: NOW + MINUTE, since: NOW, lastAt: NOW, last: shut };
  };
  close(1);
  const { present } = await explainNew(here, mail);
  expect(present).toMatchObject({ route: 'direct', state: 'backing-off', failures: 1, last: shut });
  expect(present?.next).toBe(new Date(NOW + MINUTE).toISOString());
  close(2);
  const moved = await explainNew(here, mail);
  expect(moved.present).toMatchObject({ route: 'provider', state: 'new', failures: 0 });
  expect(moved.present?.limits).toEqual([
    { of: 'route provider', open: 0, allowed: 20, connections: 20, wait: null },
  ]);
});

test('a domain whose MX hosts cannot be found has no site; mail that is rejected has no place', async () => {
  const here = await house(async () => null);
  expect(await explainNew(here, mail)).toMatchObject({
    site: null,
    present: { route: 'direct', limits: [] },
  });
  expect(await explainNew(here, { from: '', to: 'x@some.invalid' })).toMatchObject({
    reject: { code: 550 },
    present: null,
  });
});

test('a queued recipient: its present route and why, its own due time, the site of the last look', async () => {
  const here = await house();
  const queued = message(['bob@example.org']);
  const due = here.clock.now() + HOUR;
  const waiting = entry(1, { due, attempts: 1, routeAttempts: 1, last: shut });
  expect(explainQueued(here, queued, waiting, 0)).toMatchObject({ to: 'bob@example.org', site: null });
  here.destinations.of('direct example.org').site = 'big';
  const view = explainQueued(here, queued, waiting, 0);
  expect(view).toMatchObject({ site: { name: 'big', by: 'mx', rate: '60/minute' } });
  expect(view.present).toMatchObject({ reason: 'no reason to leave it', next: new Date(due).toISOString() });
  const moved = {
    ...waiting,
    destination: 'provider',
    routeReason: 'fallback from direct: blocked, for good',
  };
  expect(explainQueued(here, queued, moved, 0).present?.reason).toBe(
    'no reason to leave it; it came there: fallback from direct: blocked, for good',
  );
  const hold = { reason: 'asked to', since: 0, by: 'operator' as const };
  expect(explainQueued(here, queued, { ...waiting, hold }, 0).present?.next).toBeNull();
  const forced = explainQueued(here, { ...queued, routeOverride: 'provider' }, waiting, 0);
  expect(forced.present).toMatchObject({ route: 'provider', reason: 'the operator chose it' });
});

test('a window and a hold by the time of day are told, and the next attempt is at the opening', async () => {
  const rules = (more: string): string => `rules: [{ name: night, ${more} }, { name: rest, route: direct }]`;
  const explained = async (more: string) =>
    explainNew({ ...(await house()), policy: () => policyFrom(rules(more)) }, mail);
  const opening = new Date(NOW + 10 * HOUR).toISOString();
  expect(await explained('window: { hours: 22:00-06:00, zone: UTC }, bounces: none')).toMatchObject({
    window: '22:00-06:00 UTC',
    bounces: 'nobody',
    hold: null,
    present: { route: 'direct', next: opening },
  });
  expect(await explained('when: { time: { hours: 06:00-22:00, zone: UTC } }, hold: later')).toMatchObject({
    hold: 'later',
    present: null,
  });
});
