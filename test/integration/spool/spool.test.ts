// The disk spool from end to end: what goes in comes out once, and the books say so.
// Real files and lmdb in a temporary folder; crashes and failing disks have files of their own.
// Never looks inside the spool: only what Spool promises is tested here.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { QueueEntry } from '../../../src/queue/entry.ts';
import { SpoolError, SpoolFull } from '../../../src/spool/spool.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { contentOf, DESTINATION, imbalance, mail, openSpool } from '../../harness/spool.ts';

const LATER = Date.now() + 3_600_000;

describe('a message', () => {
  test('is committed, claimed, read, settled and gone', async () => {
    const { spool, reached } = await openSpool(temporaryFolder());
    const added = mail(spool, { content: Buffer.from('hello\r\n') });
    const message = await spool.commit(added);
    expect(message).toEqual({ ...added.message, size: 7 });
    expect(spool.message(message.id)).toEqual(message);
    expect(spool.totals()).toMatchObject({ accepted: { client: 1 }, queued: 1 });

    const claim = spool.claim(DESTINATION, Date.now());
    expect(claim?.entry).toEqual(added.entries[0]);
    expect(spool.claim(DESTINATION, LATER)).toBeNull();
    expect((await contentOf(await claim?.body())).toString()).toBe('hello\r\n');
    claim?.dotSent();
    await spool.change({ remove: [{ id: message.id, seq: 0 }], ended: { delivered: 1 } });

    expect(spool.message(message.id)).toBeUndefined();
    expect(spool.entries(message.id)).toEqual([]);
    expect(await spool.body(message.id)).toBeUndefined();
    expect(spool.totals()).toMatchObject({ ended: { delivered: 1 }, queued: 0 });
    expect(reached).toEqual(['recovering', 'body-synced', 'committed', 'settled']);
  });

  test('keeps every field through a restart', async () => {
    const folder = temporaryFolder();
    const { spool } = await openSpool(folder);
    const entry: Partial<QueueEntry> = {
      lastAttempt: 5,
      nextWarning: LATER,
      doubt: { count: 1, since: 7, cause: 'connection-lost' },
      hold: { reason: 'asked', since: 9, by: 'operator' },
      last: {
        scope: 'host',
        permanent: false,
        class: 'greylisted',
        status: '4.7.1',
        phase: 'rcpt',
        text: 'later',
        reply: '451 4.7.1 later',
        host: 'mx.example.com',
        ip: '192.0.2.1',
        inDoubt: true,
      },
    };
    const client = { address: '192.0.2.7', helo: 'app', user: 'u', listenerPort: 2525 };
    const added = mail(spool, { entry, message: { client, routeOverride: 'backup', origin: 'notice' } });
    const message = await spool.commit(added);
    const { id } = spool;
    await spool.close();

    const again = (await openSpool(folder)).spool;
    expect(again.id).toBe(id);
    expect(again.message(message.id)).toEqual(message);
    expect(again.entries(message.id)).toEqual(added.entries);
    expect(await contentOf(await again.body(message.id))).toHaveLength(message.size);
    expect(again.totals()).toMatchObject({ accepted: { notice: 1 }, queued: 1, held: 1 });
    expect(again.newId() > message.id).toBe(true);
  });

  test('goes when its last entry goes, also when several go in one batch', async () => {
    const { spool } = await openSpool(temporaryFolder());
    const { id } = await spool.commit(mail(spool, { destinations: { a: 1, b: 2, c: 1 } }));
    await spool.change({ remove: [{ id, seq: 1 }], ended: { bounced: 2 } });
    expect(spool.message(id)).toBeDefined();
    await Promise.all([
      spool.change({ remove: [{ id, seq: 0 }], ended: { delivered: 1 } }),
      spool.change({ remove: [{ id, seq: 2 }], ended: { expired: 1 } }),
    ]);
    expect(spool.message(id)).toBeUndefined();
    expect(spool.totals()).toMatchObject({ ended: { delivered: 1, bounced: 2, expired: 1 }, queued: 0 });
  });

  test('of which all recipients are discarded is only counted', async () => {
    const folder = temporaryFolder();
    const { spool } = await openSpool(folder);
    const { id } = await spool.commit({ ...mail(spool, { discarded: 2 }), entries: [] });
    expect(spool.message(id)).toBeUndefined();
    expect(spool.totals()).toMatchObject({ accepted: { client: 2 }, ended: { discarded: 2 }, queued: 0 });
    expect(spool.diskUsed()).toBe(0);
  });

  test('is refused when its id is taken or its destination is no key', async () => {
    const { spool } = await openSpool(temporaryFolder());
    const first = await spool.commit(mail(spool));
    await expect(spool.commit(mail(spool, { message: { id: first.id } }))).rejects.toThrow('exists already');
    await expect(spool.commit(mail(spool, { entry: { destination: '' } }))).rejects.toThrow(RangeError);
    expect(spool.totals().queued).toBe(1);
  });

  test('larger than memory allows is streamed to a file of its own and back', async () => {
    const folder = temporaryFolder();
    const { spool } = await openSpool(folder);
    const added = mail(spool, { content: Buffer.alloc(1000, 'a') });
    for (let i = 0; i < 40; i++) await added.body.write(Buffer.alloc(65_536, i));
    const message = await spool.commit(added);
    expect(readdirSync(join(folder, 'spool', 'large'))).toEqual([message.id]);
    expect(spool.diskUsed()).toBe(message.size);
    const claim = spool.claim(DESTINATION, Date.now());
    const content = await contentOf(await claim?.body());
    expect(content).toHaveLength(1000 + 40 * 65_536);
    expect(content.at(-1)).toBe(39);
    const left = (await claim?.body()) as { open(): AsyncIterable<Buffer> & { destroy(): void } };
    left.open().destroy();
    await spool.change({ remove: [added.entries[0] as QueueEntry], ended: { delivered: 1 } });
    expect(spool.diskUsed()).toBe(0);
  });

  test('that is discarded leaves nothing behind', async () => {
    const folder = temporaryFolder();
    const { spool } = await openSpool(folder);
    const { body } = mail(spool, { content: Buffer.alloc(600_000) });
    body.discard();
    body.discard();
    await expect(body.write(Buffer.from('x'))).rejects.toThrow(SpoolError);
    await spool.commit(mail(spool));
    await expect.poll(() => readdirSync(join(folder, 'spool', 'large'))).toEqual([]);
  });
});

describe('a change', () => {
  test('is refused whole when its recipients do not add up', async () => {
    const { spool } = await openSpool(temporaryFolder());
    const { id } = await spool.commit(mail(spool, { destinations: { [DESTINATION]: 2 } }));
    await expect(spool.change({ remove: [{ id, seq: 0 }], ended: { delivered: 1 } })).rejects.toThrow(
      SpoolError,
    );
    await expect(spool.change({ ended: { removed: 1 } })).rejects.toThrow(SpoolError);
    expect(spool.totals()).toMatchObject({ queued: 2, ended: { delivered: 0 } });
    expect(spool.claim(DESTINATION, LATER)?.entry.id).toBe(id);
  });

  test('of an entry that is gone brings nothing back', async () => {
    const { spool } = await openSpool(temporaryFolder());
    const added = mail(spool);
    await spool.commit(added);
    const [entry] = added.entries as [QueueEntry];
    const [removed, held] = await Promise.allSettled([
      spool.change({ remove: [entry], ended: { removed: 1 } }),
      spool.change({ put: [{ ...entry, hold: { reason: '', since: 0, by: 'operator' } }] }),
    ]);
    expect([removed.status, held.status]).toEqual(['fulfilled', 'rejected']);
    expect(spool.entries(entry.id)).toEqual([]);
    expect(imbalance(spool.totals())).toBe(0);
  });

  test('splits, moves and holds entries', async () => {
    const { spool } = await openSpool(temporaryFolder());
    const added = mail(spool, { destinations: { [DESTINATION]: 3 } });
    await spool.commit(added);
    const [entry] = added.entries as [QueueEntry];
    const rest = { ...entry, recipients: [1], due: LATER, attempts: 1 };
    const moved = { ...entry, seq: 1, recipients: [2], destination: 'backup' };
    await spool.change({ put: [rest, moved], ended: { delivered: 1 } });
    expect(spool.entries(entry.id)).toEqual([rest, moved]);
    expect(spool.nextDue(DESTINATION)).toBe(LATER);
    expect(spool.nextDue('backup')).toBe(entry.due);
    await spool.change({ put: [{ ...moved, hold: { reason: 'asked', since: 1, by: 'operator' } }] });
    expect(spool.nextDue('backup')).toBeNull();
    expect(spool.claim('backup', LATER)).toBeNull();
    expect([...spool.entriesOf('backup', null)]).toHaveLength(1);
    expect([...spool.stock()]).toEqual([{ destination: DESTINATION, entries: 1, nextDue: LATER }]);
    expect(spool.totals()).toMatchObject({ queued: 2, held: 1, ended: { delivered: 1 } });
    await spool.change({ put: [moved] });
    expect(spool.claim('backup', LATER)?.entry).toEqual(moved);
    expect(spool.totals().held).toBe(0);
  });

  test('settles a bounce and its report together', async () => {
    const { spool, reached } = await openSpool(temporaryFolder());
    const { id } = await spool.commit(mail(spool));
    const report = mail(spool, {
      message: { origin: 'dsn', from: '' },
      destinations: { 'mx example.org': 1 },
    });
    await spool.change({ remove: [{ id, seq: 0 }], ended: { bounced: 1 }, born: [report] });
    expect(spool.message(report.message.id)?.from).toBe('');
    expect(spool.totals()).toMatchObject({
      accepted: { client: 1, dsn: 1 },
      ended: { bounced: 1 },
      queued: 1,
    });
    expect(reached.slice(-3)).toEqual(['body-synced', 'settled', 'dsn']);
  });

  test('keeps notes', async () => {
    const folder = temporaryFolder();
    const { spool } = await openSpool(folder);
    await spool.change({ notes: { 'back-off a': { until: 5 }, 'back-off b': 2, other: 'x' } });
    await spool.change({ notes: { 'back-off b': null } });
    await expect(spool.change({ notes: { x: undefined } })).rejects.toThrow(TypeError);
    await spool.close();
    const again = (await openSpool(folder)).spool;
    expect([...again.notes('back-off ')]).toEqual([['back-off a', { until: 5 }]]);
    expect(again.note('other')).toBe('x');
    expect(again.note('back-off b')).toBeUndefined();
  });
});

describe('a withdrawal', () => {
  test('undoes a commit and its totals', async () => {
    const folder = temporaryFolder();
    const { spool } = await openSpool(folder);
    const { id } = await spool.commit(mail(spool, { destinations: { a: 2, b: 1 }, discarded: 1 }));
    expect(spool.totals()).toMatchObject({ accepted: { client: 4 }, ended: { discarded: 1 }, queued: 3 });
    expect(await spool.withdraw(id)).toBe(true);
    expect(await spool.withdraw(id)).toBe(false);
    await spool.close();
    const again = (await openSpool(folder)).spool;
    expect(again.totals()).toMatchObject({ accepted: { client: 0 }, ended: { discarded: 0 }, queued: 0 });
    expect(again.message(id)).toBeUndefined();
  });

  test('comes too late for what is being delivered or was', async () => {
    const { spool } = await openSpool(temporaryFolder());
    const { id } = await spool.commit(mail(spool, { destinations: { a: 1, b: 1 } }));
    const claim = spool.claim('a', LATER);
    expect(await spool.withdraw(id)).toBe(false);
    await spool.change({ remove: claim ? [claim.entry] : [], ended: { delivered: 1 } });
    expect(await spool.withdraw(id)).toBe(false);
    expect(spool.claim('b', LATER)).not.toBeNull();
  });
});

describe('room', () => {
  test('below minFree refuses clients, not reports', async () => {
    const { spool } = await openSpool(temporaryFolder(), { minFree: Number.MAX_SAFE_INTEGER });
    expect(spool.trouble()).toContain('minFree');
    expect(() => spool.receive()).toThrow(SpoolFull);
    expect(() => spool.receive('dsn')).not.toThrow();
  });

  test('after close there is none', async () => {
    const { spool, fatal } = await openSpool(temporaryFolder());
    const added = mail(spool);
    await spool.close();
    await expect(spool.commit(added)).rejects.toThrow('closed');
    const remove = [{ id: added.message.id, seq: 0 }];
    await expect(spool.change({ remove, ended: { removed: 1 } })).rejects.toThrow('closed');
    expect(fatal).toEqual([]);
  });
});
