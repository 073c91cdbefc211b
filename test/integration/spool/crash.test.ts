// The spool after kill -9 at each of its milestones: nothing acknowledged is missing, the books balance.
// A process of its own dies (crashing.ts), this one opens what it left.
// Never asks the dead process for anything but what it had said before.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Milestone } from '../../../src/clock/milestones.ts';
import type { Spool } from '../../../src/spool/spool.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { contentOf, imbalance, mail, openSpool } from '../../harness/spool.ts';

const SCRIPT = fileURLToPath(new URL('crashing.ts', import.meta.url));

/** What the process had acknowledged when it was killed. Rejects when it was not killed. */
function crash(folder: string, scenario: string, at: Milestone | '' = '', nth = 1): Promise<string[]> {
  return deathOf([process.execPath, SCRIPT, folder, scenario, at, String(nth)]);
}

function deathOf([command = '', ...words]: readonly string[]): Promise<string[]> {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(said.split('\n').filter(Boolean));
      else reject(new Error(`${words.join(' ')} ended with ${code}`));
    });
  });
}

async function reopen(folder: string): Promise<Spool> {
  const { spool } = await openSpool(folder, { segmentSize: 16_384 });
  expect(imbalance(spool.totals())).toBe(0);
  return spool;
}

async function expectWhole(spool: Spool, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    expect(spool.entries(id)).toHaveLength(1);
    expect((await contentOf(await spool.body(id))).equals(Buffer.alloc(4000, id))).toBe(true);
  }
}

describe('kill -9', () => {
  test('when a body is synced and its envelope is not: the body is removed', async () => {
    const folder = temporaryFolder();
    const said = await crash(folder, 'commit', 'body-synced', 3);
    const spool = await reopen(folder);
    expect(said).toHaveLength(2);
    await expectWhole(spool, said);
    expect(spool.totals().queued).toBe(2);
    expect(spool.recovery.orphanBodies).toBe(1);
    expect(spool.diskUsed()).toBe(2 * 4024);
  });

  test('when a message is committed and nobody knows: it is there', async () => {
    const folder = temporaryFolder();
    const said = await crash(folder, 'commit', 'committed', 7);
    const spool = await reopen(folder);
    const ids = [...spool.scan(null)].map(({ id }) => id);
    expect(said).toHaveLength(6);
    expect(ids).toHaveLength(7);
    expect(ids).toEqual(expect.arrayContaining(said));
    await expectWhole(spool, ids);
    expect(spool.recovery).toEqual({ underWay: [], orphanBodies: 0 });
  });

  test('when a large message is committed: it is there, an unfinished one is not', async () => {
    const folder = temporaryFolder();
    await crash(folder, 'large', 'committed');
    const spool = await reopen(folder);
    const [entry] = [...spool.scan(null)];
    expect(await contentOf(await spool.body(entry?.id ?? ''))).toHaveLength(4000 + 655_360);
    expect(spool.recovery.orphanBodies).toBe(1);
    expect(readdirSync(join(folder, 'spool', 'large'))).toEqual([entry?.id]);
  });

  test('when a delivery is settled: it is not under way', async () => {
    const folder = temporaryFolder();
    await crash(folder, 'deliver', 'settled');
    const spool = await reopen(folder);
    expect(spool.totals()).toMatchObject({ accepted: { client: 1 }, ended: { delivered: 1 }, queued: 0 });
    expect(spool.recovery.underWay).toEqual([]);
  });

  test('when a deferral is settled: its attempt is not in doubt', async () => {
    const folder = temporaryFolder();
    const [id = ''] = await crash(folder, 'defer', 'settled');
    const spool = await reopen(folder);
    expect(spool.recovery.underWay).toEqual([]);
    expect(spool.entry({ id, seq: 0 })).toMatchObject({ attempts: 1, crashes: 0 });
  });

  test('when a bounce is settled: its report is there', async () => {
    const folder = temporaryFolder();
    await crash(folder, 'bounce', 'dsn');
    const spool = await reopen(folder);
    expect(spool.totals()).toMatchObject({
      accepted: { client: 1, dsn: 1 },
      ended: { bounced: 1 },
      queued: 1,
    });
    await expectWhole(
      spool,
      [...spool.scan(null)].map(({ id }) => id),
    );
  });

  test('by ourselves when the index cannot be written: what was acknowledged is there', async () => {
    const folder = temporaryFolder();
    // No file may grow past 400 KB: the index is the first that would.
    const limited = ['sh', '-c', 'ulimit -f 800; exec "$@"', 'sh', process.execPath];
    const said = await deathOf([...limited, SCRIPT, folder, 'fill']);
    expect(said.length).toBeGreaterThan(3);
    const spool = await reopen(folder);
    const notes = [...spool.notes('note ')].map(([key]) => key);
    expect(notes.sort()).toEqual(said.sort());
  });

  test('when survivors of a segment are copied: each message is there once', async () => {
    const folder = temporaryFolder();
    const said = await crash(folder, 'copy', 'segment-copied', 2);
    expect(said.length).toBeGreaterThan(2);
    const spool = await reopen(folder);
    const ids = [...spool.scan(null)].map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(said));
    await expectWhole(spool, ids);
    const files = readdirSync(join(folder, 'spool', 'segments'));
    expect(files.length * 16_384).toBeLessThan(3 * spool.diskUsed() + 16_384);
  });
});

describe('a crash during a delivery', () => {
  test('after the dot puts the attempt in doubt, due at once', async () => {
    const folder = temporaryFolder();
    const before = Date.now();
    const [id = ''] = await crash(folder, 'claim');
    const spool = await reopen(folder);
    const [entry] = spool.recovery.underWay;
    expect(entry).toMatchObject({ id, crashes: 1, doubt: { count: 1, cause: 'crash' } });
    expect(entry?.due).toBeGreaterThanOrEqual(before);
    expect(spool.entry({ id, seq: 0 })).toEqual(entry);
    expect(spool.claim('mx example.com', Date.now())?.entry).toEqual(entry);
  });

  test('before the dot is only counted', async () => {
    const folder = temporaryFolder();
    const [id = ''] = await crash(folder, 'hang');
    const spool = await reopen(folder);
    expect(spool.entry({ id, seq: 0 })?.crashes).toBe(1);
    expect(spool.entry({ id, seq: 0 })?.doubt).toBeUndefined();
  });

  test('counts once, also when the recovery crashes as well', async () => {
    const folder = temporaryFolder();
    const [id = ''] = await crash(folder, 'claim');
    await crash(folder, 'open', 'recovering');
    await crash(folder, 'open', 'recovering');
    const spool = await reopen(folder);
    expect(spool.recovery.underWay).toHaveLength(1);
    expect(spool.entry({ id, seq: 0 })).toMatchObject({ crashes: 1, doubt: { count: 1 } });
  });

  test('three times in a row holds the message', async () => {
    const folder = temporaryFolder();
    const [id = ''] = await crash(folder, 'claim');
    await crash(folder, 'claim');
    await crash(folder, 'claim');
    const spool = await reopen(folder);
    expect(spool.entry({ id, seq: 0 })).toMatchObject({
      crashes: 3,
      doubt: { count: 3 },
      hold: { by: 'alarm' },
    });
    expect(spool.totals()).toMatchObject({ queued: 1, held: 1 });
    expect(spool.claim('mx example.com', Date.now() + 1000)).toBeNull();
  });

  test('is none when the spool was closed in order, unless a dot was sent', async () => {
    const folder = temporaryFolder();
    const first = await reopen(folder);
    await first.commit(mail(first, { destinations: { idle: 1 } }));
    await first.commit(mail(first, { destinations: { sent: 1 } }));
    first.claim('idle', Date.now());
    first.claim('sent', Date.now())?.dotSent();
    await first.close();
    const { underWay } = (await reopen(folder)).recovery;
    expect(underWay.map(({ destination }) => destination)).toEqual(['sent']);
  });
});
