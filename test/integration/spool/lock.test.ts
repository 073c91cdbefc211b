// The lock of the data folder, among real processes: one has it, kill -9 frees it, a race has one winner.
// locking.ts is the process: it takes the lock, says what it got, and keeps it until its input ends.
// Never trusts this process alone: the lock is between processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { lockFolder } from '../../../src/spool/lock.ts';
import { temporaryFolder } from '../../harness/folder.ts';

const SCRIPT = fileURLToPath(new URL('locking.ts', import.meta.url));

interface Starter {
  readonly child: ChildProcess;
  /** `owner`, or the pid that holds the lock. */
  readonly got: string;
}

async function start(folder: string): Promise<Starter> {
  const child = spawn(process.execPath, [SCRIPT, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [got] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, got };
}

async function take(folder: string) {
  const lock = await lockFolder(folder);
  if ('release' in lock) onTestFinished(() => lock.release());
  return lock;
}

test('the second is told who the first is, until that one lets go', async () => {
  const folder = join(temporaryFolder(), 'made');
  const lock = await take(folder);
  expect(await start(folder)).toMatchObject({ got: String(process.pid) });
  expect(await take(folder)).toEqual({ heldBy: process.pid });
  if ('release' in lock) await lock.release();
  const { child, got } = await start(folder);
  expect(got).toBe('owner');
  expect(await take(folder)).toEqual({ heldBy: child.pid });
});

test('kill -9 frees it, and nothing of the dead stays', async () => {
  const folder = temporaryFolder();
  for (let i = 0; i < 2; i++) {
    const { child, got } = await start(folder);
    expect(got).toBe('owner');
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  expect(await take(folder)).toHaveProperty('release');
  expect(readdirSync(join(folder, 'lock'))).toHaveLength(1);
});

test('a stopped process keeps it', async () => {
  const folder = temporaryFolder();
  const { child } = await start(folder);
  child.kill('SIGSTOP');
  expect(await take(folder)).toEqual({ heldBy: child.pid });
});

test('of many that start together one at most wins, and one can win afterwards', async () => {
  const folder = temporaryFolder();
  const inside = await Promise.all(Array.from({ length: 8 }, () => take(folder)));
  expect(inside.filter((lock) => 'release' in lock)).toHaveLength(1);
  for (const lock of inside) if ('release' in lock) await lock.release();
  const starters = await Promise.all(Array.from({ length: 4 }, () => start(folder)));
  expect(starters.filter(({ got }) => got === 'owner')).toHaveLength(1);
  for (const { child } of starters) child.kill('SIGKILL');
  await Promise.all(starters.map(({ child }) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
  expect(await take(folder)).toHaveProperty('release');
});

test('a long path works', async () => {
  const folder = join(temporaryFolder(), 'a'.repeat(120));
  expect(await take(folder)).toHaveProperty('release');
  expect(await start(folder)).toMatchObject({ got: String(process.pid) });
});
