// Queued mail under another policy: what moves, what is let go, what is left alone.
import { expect, test } from 'vitest';
import { review } from '../../../src/queue/review.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { openHouse } from '../../harness/house.ts';
import { mail, openSpool } from '../../harness/spool.ts';

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
