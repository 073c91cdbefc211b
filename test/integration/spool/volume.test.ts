// The spool with much in it: copying of segments, streaming within memory, claims in a long queue.
// Real files; sizes are small where a constant can be, and just large enough where it cannot.
// Never measures speed: bench/spool.ts does.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { QueueEntry } from '../../../src/queue/entry.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { contentOf, DESTINATION, mail, openSpool } from '../../harness/spool.ts';
import { until } from '../../harness/until.ts';

const SEGMENT = 65_536;
const SIZE = 4000;

test('segments in which little lives are copied and go', async () => {
  const folder = temporaryFolder();
  const { spool, reached } = await openSpool(folder, { segmentSize: SEGMENT });
  const content = (id: string) => Buffer.alloc(SIZE, id);
  const resident: QueueEntry[] = [];
  const add = async (): Promise<void> => {
    const added = mail(spool, { content: Buffer.alloc(0) });
    void added.body.write(content(added.message.id));
    await spool.commit(added);
    resident.push(...added.entries);
  };
  await Promise.all(Array.from({ length: 200 }, add));
  for (let round = 0; round < 30; round++) {
    const leaving = Array.from({ length: 40 }, () => resident.splice(Math.random() * resident.length, 1)[0]);
    await spool.change({ remove: leaving.filter((entry) => entry !== undefined), ended: { delivered: 40 } });
    await Promise.all(Array.from({ length: 40 }, add));
  }
  const live = resident.length * (SIZE + 24);
  await until('copying to catch up', async () => {
    await spool.change({ notes: { nudge: 1 } });
    return spool.diskUsed() < 2.25 * live + SEGMENT;
  });
  expect(reached).toContain('segment-copied');
  await spool.close();

  const again = (await openSpool(folder, { segmentSize: SEGMENT })).spool;
  expect(again.totals()).toMatchObject({ queued: 200, ended: { delivered: 1200 } });
  for (const { id } of resident) {
    expect((await contentOf(await again.body(id))).equals(content(id))).toBe(true);
  }
  expect(again.recovery.orphanBodies).toBe(0);
});

test('an empty spool keeps one segment at most', async () => {
  const { spool } = await openSpool(temporaryFolder(), { segmentSize: SEGMENT });
  for (let round = 0; round < 5; round++) {
    const added = Array.from({ length: 30 }, () => mail(spool, { content: Buffer.alloc(SIZE) }));
    await Promise.all(added.map((message) => spool.commit(message)));
    await spool.change({ remove: added.flatMap(({ entries }) => entries), ended: { delivered: 30 } });
  }
  expect(spool.diskUsed()).toBeLessThanOrEqual(2 * SEGMENT);
  expect(spool.totals().queued).toBe(0);
});

test('20 messages of 25 MB at once stay within memory, in and out', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  const look = (): void => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
  };
  const receive = async (): Promise<void> => {
    const added = mail(spool);
    for (let i = 0; i < 400; i++) {
      await added.body.write(Buffer.alloc(65_536, i));
      look();
    }
    await spool.commit(added);
  };
  const deliver = async (): Promise<void> => {
    const claim = spool.claim(DESTINATION, Date.now());
    const body = await claim?.body();
    let size = 0;
    if (body?.kind !== 'stream') throw new Error('expected a stream');
    for await (const chunk of body.open()) {
      size += chunk.length;
      look();
    }
    expect(size).toBe(body.size);
    await spool.change({ remove: claim ? [claim.entry] : [], ended: { delivered: 1 } });
  };
  await Promise.all(Array.from({ length: 20 }, receive));
  await Promise.all(Array.from({ length: 20 }, deliver));
  expect(spool.totals()).toMatchObject({ ended: { delivered: 20 }, queued: 0 });
  // 20 writers with a quarter of a megabyte each, and what the collector has not yet seen.
  expect(peak).toBeLessThan(100 * 2 ** 20);
});

test('small messages that wait in great number go to files before memory is full', async () => {
  const folder = temporaryFolder();
  const { spool } = await openSpool(folder);
  const waiting = Array.from({ length: 160 }, () => mail(spool, { content: Buffer.alloc(0) }));
  for (const { body } of waiting) for (let i = 0; i < 4; i++) await body.write(Buffer.alloc(60_000));
  await Promise.all(waiting.map((message) => spool.commit(message)));
  const inFiles = readdirSync(join(folder, 'spool', 'large')).length;
  // 160 of 240,000 octets are 38 MB, of which 32 MB may be in memory.
  expect(inFiles).toBeGreaterThan(10);
  expect(inFiles).toBeLessThan(60);
  expect(spool.totals().queued).toBe(160);
  // What is written is free again.
  await spool.commit(mail(spool, { content: Buffer.alloc(200_000) }));
  expect(readdirSync(join(folder, 'spool', 'large'))).toHaveLength(inFiles);
});

test('claims go out in order, each once, from a queue with much claimed and changed', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const base = Date.now() - 100_000;
  const all = Array.from({ length: 3000 }, (_, index) =>
    mail(spool, { due: base + ((index * 7919) % 3000) }),
  );
  await Promise.all(all.map((message) => spool.commit(message)));
  expect(spool.dueCount(DESTINATION, Date.now(), 10_000)).toBe(3000);
  expect(spool.dueCount(DESTINATION, Date.now(), 100)).toBe(100);
  expect(spool.dueCount(DESTINATION, base + 999, 10_000)).toBe(1000);
  const claims = Array.from({ length: 1000 }, () => spool.claim(DESTINATION, Date.now()));
  expect(claims.map((claim) => (claim?.entry.due ?? 0) - base)).toEqual([...Array(1000).keys()]);
  expect(spool.nextDue(DESTINATION)).toBe(base + 1000);
  expect(spool.dueCount(DESTINATION, Date.now(), 10_000)).toBe(2000);
  expect(spool.claim(DESTINATION, base + 999)).toBeNull();

  claims[500]?.release();
  expect(spool.nextDue(DESTINATION)).toBe(base + 500);
  const hold = { reason: 'asked', since: 0, by: 'operator' } as const;
  const [next] = [...spool.entriesOf(DESTINATION, claims[999]?.entry ?? null)];
  const holding = spool.change({ put: [{ ...(next as QueueEntry), hold }] });
  expect(spool.claim(DESTINATION, Date.now())?.entry).toEqual(claims[500]?.entry);
  expect(spool.claim(DESTINATION, Date.now())?.entry.due).toBe(base + 1001);
  await holding;
  expect(spool.claim(DESTINATION, Date.now())?.entry.due).toBe(base + 1002);
});

test('walks give each entry that stays exactly once while others change', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const all = Array.from({ length: 1000 }, () => mail(spool));
  await Promise.all(all.map((message) => spool.commit(message)));
  const walks = [spool.scan(null), spool.entriesOf(DESTINATION, null)];
  for (const [round, walk] of walks.entries()) {
    const seen: string[] = [];
    for (const { id } of walk) {
      if (seen.push(id) % 100 !== 0) continue;
      const gone = all.splice(Math.floor(Math.random() * all.length), 1)[0]?.entries ?? [];
      await spool.change({ remove: gone, ended: { removed: 1 } });
      await sleep(0);
    }
    const staying = all.map(({ message }) => message.id);
    expect(new Set(seen).size, `walk ${round}`).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(staying));
  }
  const half = [...spool.scan(null)].slice(0, 300);
  expect([...spool.scan(half.at(-1) ?? null)]).toHaveLength(all.length - 300);
});

test('timers come in order, without claimed and held ones', async () => {
  const { spool } = await openSpool(temporaryFolder());
  const hold = { reason: 'asked', since: 0, by: 'operator' } as const;
  const [late, early, held, claimed] = [
    mail(spool, { entry: { expires: 3000 } }),
    mail(spool, { entry: { expires: 9000, nextWarning: 1000 } }),
    mail(spool, { entry: { expires: 500, hold } }),
    mail(spool, { destinations: { b: 1 }, entry: { expires: 600 } }),
  ];
  await Promise.all([late, early, held, claimed].map((message) => spool.commit(message)));
  spool.claim('b', Date.now());
  const expected = [
    { at: 1000, entry: early.entries[0] },
    { at: 3000, entry: late.entries[0] },
  ];
  expect(spool.timers(5000, 10)).toEqual(expected);
  expect(spool.timers(5000, 1)).toEqual(expected.slice(0, 1));
  expect(spool.timers(999, 10)).toEqual([]);
  await spool.change({ put: [{ ...(held.entries[0] as QueueEntry), hold: undefined } as never] });
  expect(spool.timers(5000, 1)[0]?.at).toBe(500);
});
