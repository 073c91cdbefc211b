// An operator's changes of many entries, over a real spool in which others change entries meanwhile.
import { expect, test } from 'vitest';
import { QueueControl } from '../../../src/operations/control.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { mail, openSpool } from '../../harness/spool.ts';

test('an entry that was settled while others were changed keeps what the attempt found', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const house = openHouse(spool);
  await Promise.all(Array.from({ length: 250 }, () => spool.commit(mail(spool))));
  const control = new QueueControl({
    house,
    intake: {
      ...house,
      context: () => ({
        policy: house.policy(),
        now: 0,
        door: () => null,
        site: () => undefined,
        passed: () => null,
        sourcePassed: () => null,
      }),
      arrived: () => undefined,
    },
    files: { reload: async () => [], read: () => ({ problems: [] }) },
    readiness: async () => ({ ready: true, trouble: {} }),
  });
  const retrying = control.change('retry', { sender: 'from@example.org' }, null);
  const late = [...spool.scan(null)][240];
  if (!late) throw new Error('there are 250 entries');
  await spool.change({ put: [{ ...late, attempts: 1, due: late.due + 60_000 }] });
  const { changed, busy } = await retrying;
  expect(changed + busy).toBe(250);
  expect(spool.entry(late)).toMatchObject({ attempts: 1 });
});
