// Mail that waits for a quota: its time to expire waits with it, and listings say when it opens.
// A real spool and the real timers; a Redis that says only that others used the quota up.
// Never sends anything.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { entryView } from '../../../src/operations/views.ts';
import { waitsForQuota } from '../../../src/queue/quota-waits.ts';
import { routeBudget } from '../../../src/queue/quotas.ts';
import { MailTimers } from '../../../src/queue/timers.ts';
import type { Scripts } from '../../../src/redis/scripts.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse, type TestHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { mail, openSpool } from '../../harness/spool.ts';
import { DAY, HOUR } from './setting.ts';

const policy = policyFrom(`
routes:
  provider: { via: smarthost, hosts: [a.example], quota: { max: 9, per: 50d, window: rolling } }
rules: [{ route: [provider, direct] }]
`);

/** One window: nothing is lent, others have all nine of it since this moment. */
const usedUp = (since: number): Scripts => ({ run: async () => [0, 0, 0, 0, 9, since] });

/** Lets so much time pass, a sweep a minute: a longer step would count as a stop of the daemon. */
async function pass(house: TestHouse, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 59_000) {
    const swept = Promise.withResolvers<void>();
    house.rates.sweep = () => swept.resolve();
    house.clock.advance(59_000);
    await swept.promise;
    // The next sweep is asked for when this one is over.
    await nextTurn();
  }
}

test('mail behind a quota outlives its expiry, other mail that nobody tried does not', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const now = Date.now();
  const house = openHouse(spool, policy, usedUp(now));
  const budget = routeBudget(policy, 'provider');
  if (!budget) throw new Error('the route has no quota');
  expect(await house.budgets.reserve([budget], 1)).toMatchObject({
    full: { key: 'route provider' },
  });

  const entry = { expires: now + HOUR };
  await spool.commit(mail(spool, { destinations: { provider: 1 }, entry }));
  await spool.commit(mail(spool, { destinations: { 'direct other.example': 1 }, entry }));
  const [waiting] = spool.entriesOf('provider', null);
  const message = waiting && spool.message(waiting.id);
  if (!waiting || !message) throw new Error('nothing waits');
  const opens = waitsForQuota(house, message, waiting)?.until ?? 0;
  expect(opens).toBeGreaterThanOrEqual(now + 50 * DAY);
  const at = new Date(opens).toISOString();
  const reason = 'quota of provider, 9/50d rolling, is used up';
  expect(entryView(house, message, waiting)).toMatchObject({ next: at, quota: { reason, until: at } });

  const timers = new MailTimers(house);
  timers.start();
  onTestFinished(() => timers.stop());
  await pass(house, 8 * HOUR);
  // What is there besides is the report.
  const left = [...spool.scan(null)].map(({ destination }) => destination);
  expect(left.sort()).toEqual(['direct example.org', 'provider']);
  expect(spool.totals().ended.expired).toBe(1);
});
