// The spool on a disk that fails: a full one refuses mail and lives on, a broken one ends the service.
// Faults come in through the file door; everything else is real.
// Never needs root, a small file system or a broken disk.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type FileDoor, systemFiles } from '../../../src/spool/files.ts';
import { type BodyWriter, SpoolError, SpoolFull } from '../../../src/spool/spool.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { contentOf, DESTINATION, imbalance, mail, openSpool } from '../../harness/spool.ts';

type Call = 'write' | 'sync' | 'syncFolder' | 'open' | 'rename';

/** The real files, but the calls in `failing` reject with an error of that code. */
function faultyFiles(failing: Partial<Record<Call, string>>): FileDoor {
  const check = (call: Call): void => {
    const code = failing[call];
    if (code !== undefined) throw Object.assign(new Error(`${code}: ${call}`), { code });
  };
  return {
    ...systemFiles,
    async write(fd, buffers, position) {
      // A full disk takes what still fits.
      const first = buffers[0] as Buffer;
      if (failing.write) await systemFiles.write(fd, [first.subarray(0, first.length / 2)], position);
      check('write');
      await systemFiles.write(fd, buffers, position);
    },
    async sync(fd) {
      check('sync');
      await systemFiles.sync(fd);
    },
    async syncFolder(path) {
      check('syncFolder');
      await systemFiles.syncFolder(path);
    },
    async open(path, flags) {
      check('open');
      return systemFiles.open(path, flags);
    },
    async rename(from, to) {
      check('rename');
      await systemFiles.rename(from, to);
    },
  };
}

async function stream(body: BodyWriter, chunks: number): Promise<void> {
  for (let i = 0; i < chunks; i++) await body.write(Buffer.alloc(65_536));
}

describe('a full disk', () => {
  test('refuses what does not fit and goes on when there is room again', async () => {
    const folder = temporaryFolder();
    const failing: Partial<Record<Call, string>> = {};
    const { spool, fatal } = await openSpool(folder, { files: faultyFiles(failing) });
    const { id } = await spool.commit(mail(spool));
    failing.write = 'ENOSPC';
    await expect(spool.commit(mail(spool))).rejects.toThrow(SpoolFull);
    const segment = join(folder, 'spool', 'segments', '00000001');
    expect(statSync(segment).size).toBe(spool.diskUsed());
    const claim = spool.claim(DESTINATION, Date.now());
    await spool.change({ remove: claim ? [claim.entry] : [], ended: { delivered: 1 } });
    expect(spool.message(id)).toBeUndefined();
    delete failing.write;
    const next = await spool.commit(mail(spool));
    expect(fatal).toEqual([]);
    expect(spool.trouble()).toBeNull();
    await spool.close();
    const again = (await openSpool(folder)).spool;
    expect(again.totals()).toMatchObject({ accepted: { client: 2 }, queued: 1 });
    expect(await contentOf(await again.body(next.id))).toHaveLength(next.size);
  });

  test('refuses a large message while it comes', async () => {
    const folder = temporaryFolder();
    const { spool, fatal } = await openSpool(folder, { files: faultyFiles({ write: 'ENOSPC' }) });
    const added = mail(spool);
    await expect(stream(added.body, 40)).rejects.toThrow(SpoolFull);
    await expect(spool.commit(added)).rejects.toThrow(SpoolFull);
    await expect.poll(() => readdirSync(join(folder, 'spool', 'large'))).toEqual([]);
    expect(fatal).toEqual([]);
    expect(imbalance(spool.totals())).toBe(0);
  });

  test('on which no segment can be opened changes nothing', async () => {
    const failing: Partial<Record<Call, string>> = { open: 'EMFILE' };
    const { spool, fatal } = await openSpool(temporaryFolder(), { files: faultyFiles(failing) });
    await expect(spool.commit(mail(spool))).rejects.toThrow(SpoolError);
    failing.open = 'ENOSPC';
    await expect(spool.commit(mail(spool))).rejects.toThrow(SpoolFull);
    delete failing.open;
    await spool.commit(mail(spool));
    expect(fatal).toEqual([]);
  });
});

describe('a disk that fails', () => {
  test.each([
    ['write', 'EIO'],
    ['sync', 'EIO'],
    ['sync', 'ENOSPC'],
  ] as const)('at %s with %s ends everything', async (call, code) => {
    const folder = temporaryFolder();
    const failing: Partial<Record<Call, string>> = {};
    const { spool, fatal } = await openSpool(folder, { files: faultyFiles(failing) });
    const added = mail(spool);
    await spool.commit(added);
    failing[call] = code;
    const waiting = [spool.commit(mail(spool)), spool.commit(mail(spool))];
    for (const result of await Promise.allSettled(waiting)) {
      expect(result).toMatchObject({ status: 'rejected', reason: expect.any(SpoolError) });
    }
    delete failing[call];
    expect(fatal).toHaveLength(1);
    expect(spool.trouble()).toContain(code);
    expect(() => spool.receive('dsn')).toThrow(SpoolError);
    expect(spool.claim(DESTINATION, Date.now() + 1000)).toBeNull();
    await expect(spool.change({ notes: { a: 1 } })).rejects.toThrow(SpoolError);
    await expect(spool.withdraw(added.message.id)).rejects.toThrow(SpoolError);
    await spool.close();

    const again = (await openSpool(folder)).spool;
    expect(again.totals()).toMatchObject({ accepted: { client: 1 }, queued: 1 });
    expect(again.claim(DESTINATION, Date.now())?.entry).toEqual(added.entries[0]);
  });

  test.each(['sync', 'syncFolder', 'rename'] as const)('under a large message at %s too', async (call) => {
    const failing: Partial<Record<Call, string>> = {};
    const { spool, fatal } = await openSpool(temporaryFolder(), { files: faultyFiles(failing) });
    const added = mail(spool);
    await stream(added.body, 10);
    failing[call] = 'EIO';
    await expect(spool.commit(added)).rejects.toThrow(SpoolError);
    expect(fatal).toHaveLength(1);
    await expect(added.body.write(Buffer.from('x'))).rejects.toThrow(SpoolError);
  });
});
