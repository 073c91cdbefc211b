// Mail that changes is nobody's for a moment: who looks at its destination then sees none, and must look again.
import { expect, onTestFinished, test } from 'vitest';
import { applyChange, choose } from '../../../src/operations/changes.ts';
import type { House } from '../../../src/queue/house.ts';
import { MailTimers } from '../../../src/queue/timers.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { policyFrom } from '../../harness/policy.ts';
import { mail, openSpool } from '../../harness/spool.ts';
import { until } from '../../harness/until.ts';
import { HOUR } from './setting.ts';

const DESTINATION = 'direct example.com';

/** A house in which the dispatcher looks at the destination while each change is on its way to the disk. */
async function lookingHouse(): Promise<{ house: House; looked: () => boolean }> {
  const { spool } = await openSpool(temporaryFolder());
  const house = openHouse(spool, policyFrom('retry: { default: { warn: [] } }'));
  const destination = house.destinations.of(DESTINATION);
  const [change, nextDue] = [spool.change.bind(spool), spool.nextDue.bind(spool)];
  let sawNone = false;
  spool.change = (what) => {
    house.dispatcher.look(destination);
    return change(what);
  };
  spool.nextDue = (key) => {
    const due = nextDue(key);
    sawNone ||= due === null;
    return due;
  };
  return { house, looked: () => sawNone };
}

test('a warning that policy does not want any more', async () => {
  const { house, looked } = await lookingHouse();
  const due = Date.now() + HOUR;
  await house.spool.commit(
    mail(house.spool, { destinations: { [DESTINATION]: 1 }, due, entry: { nextWarning: 1, lastAttempt: 1 } }),
  );
  house.dispatcher.start();
  const timers = new MailTimers(house);
  timers.start();
  onTestFinished(() => timers.stop());
  await until('a look while it changes', looked);
  await until('another look', () => house.destinations.of(DESTINATION).nextDue === due);
});

test.each(['hold', 'remove', 'bounce'] as const)('%s of one recipient of two', async (what) => {
  const { house, looked } = await lookingHouse();
  const due = Date.now() + HOUR;
  await house.spool.commit(mail(house.spool, { destinations: { [DESTINATION]: 2 }, due }));
  house.dispatcher.start();
  const [entry] = house.spool.entriesOf(DESTINATION, null);
  const message = entry && house.spool.message(entry.id);
  const chosen = message && choose(message, entry, [0]);
  if (!chosen) throw new Error('nothing is queued');
  expect(await applyChange(house, what, chosen, null)).toBe(true);
  await until('a look while it changed', looked);
  await until('another look', () => house.destinations.of(DESTINATION).nextDue === due);
});
