// The embedded Redis over its whole life: start, death, torn AOF, a predecessor left behind, the end.
// Real servers in folders of the test's own.
// Never relies on the order of two processes: it waits for what must become true.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../../src/clock/clock.ts';
import { createAlarms } from '../../../src/observe/alarms.ts';
import type { MailEvent, Observer } from '../../../src/observe/events.ts';
import { redisOptions } from '../../../src/redis/connection.ts';
import { type EmbeddedRedis, startEmbeddedRedis } from '../../../src/redis/embedded.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { serverProgram } from '../../harness/redis.ts';
import { until } from '../../harness/until.ts';

const said: MailEvent[] = [];
const observer: Observer = {
  event: (event) => said.push(event),
  info: () => undefined,
  warn: () => undefined,
  debug: () => undefined,
};

async function start(folder: string): Promise<EmbeddedRedis> {
  said.length = 0;
  const alarms = createAlarms(observer, systemClock);
  const redis = await startEmbeddedRedis({ folder, clock: systemClock, observer, alarms });
  onTestFinished(() => redis.stop());
  return redis;
}

async function call(redis: EmbeddedRedis, command: string, ...args: string[]): Promise<unknown> {
  const client = new Redis({ ...redisOptions(redis.address, 'working'), lazyConnect: true });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await client.call(command, ...args);
  } finally {
    client.disconnect();
  }
}

function pidIn(folder: string): number {
  return Number(readFileSync(join(folder, 'redis.pid'), 'utf8'));
}

function runs(pid: number): boolean {
  try {
    // A zombie still answers to signal 0.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

test('listens on its socket alone, keeps an AOF, never evicts, and keeps its keys over a restart', async () => {
  const folder = join(temporaryFolder(), 'redis');
  const first = await start(folder);
  expect(await call(first, 'CONFIG', 'GET', 'port')).toEqual(['port', '0']);
  expect(await call(first, 'CONFIG', 'GET', 'appendonly')).toEqual(['appendonly', 'yes']);
  expect(await call(first, 'CONFIG', 'GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
  expect(await call(first, 'CONFIG', 'GET', 'save')).toEqual(['save', '']);
  await call(first, 'SET', 'key', 'value');
  const pid = pidIn(folder);
  await first.stop();
  expect(first.alive()).toBe(false);
  expect(runs(pid)).toBe(false);

  const second = await start(folder);
  expect(await call(second, 'GET', 'key')).toBe('value');
  expect(said).toEqual([]);
});

test('kill -9 is noticed and healed, with an alarm', async () => {
  const folder = temporaryFolder();
  const redis = await start(folder);
  const pid = pidIn(folder);
  process.kill(pid, 'SIGKILL');
  await until('the death to be noticed', () => !redis.alive());
  await until('Redis to be back', () => redis.alive());
  expect(await call(redis, 'PING')).toBe('PONG');
  expect(pidIn(folder)).not.toBe(pid);
  expect(said).toMatchObject([{ event: 'alarm', alarm: 'redis-died' }]);
});

test('stop in the middle of a restart leaves nothing running', async () => {
  const folder = temporaryFolder();
  const redis = await start(folder);
  process.kill(pidIn(folder), 'SIGKILL');
  await until('the death to be noticed', () => !redis.alive());
  await redis.stop();
  await redis.stop();
  expect(redis.alive()).toBe(false);
  expect(existsSync(join(folder, 'redis.sock')) && runs(pidIn(folder))).toBe(false);
});

test('a data folder with a path too long for a socket is served all the same', async () => {
  const folder = join(temporaryFolder(), 'a'.repeat(100), 'redis');
  const redis = await start(folder);
  expect(await call(redis, 'PING')).toBe('PONG');
  const { address } = redis;
  await redis.stop();
  expect(address.kind === 'socket' && existsSync(join(address.path, '../..'))).toBe(false);
});

test('an AOF cut short in the middle of a write loads without a word', async () => {
  const folder = temporaryFolder();
  const redis = await start(folder);
  await call(redis, 'SET', 'first', '1');
  await call(redis, 'SET', 'second', '2');
  await redis.stop();
  const file = incrementalAof(folder);
  truncateSync(file, readFileSync(file).length - 5);
  const again = await start(folder);
  expect(await call(again, 'MGET', 'first', 'second')).toEqual(['1', null]);
});

test('an AOF that Redis refuses is set aside, with an alarm', async () => {
  const folder = temporaryFolder();
  const redis = await start(folder);
  await call(redis, 'SET', 'key', 'value');
  await redis.stop();
  writeFileSync(incrementalAof(folder), 'this is no AOF\r\n');
  const again = await start(folder);
  expect(await call(again, 'GET', 'key')).toBeNull();
  expect(said).toMatchObject([{ alarm: 'redis-emptied' }]);
  expect(readdirSync(join(folder, 'refused'))).toEqual(['appendonlydir']);
});

function incrementalAof(folder: string): string {
  const names = readdirSync(join(folder, 'appendonlydir'));
  return join(folder, 'appendonlydir', names.find((name) => name.endsWith('.incr.aof')) ?? 'missing');
}

test('a Redis that a killed daemon left behind is ended before the new one starts', async () => {
  const folder = temporaryFolder();
  const args = ['--port', '0', '--unixsocket', 'redis.sock', '--save', '', '--appendonly', 'yes'];
  const stale = spawn(await serverProgram(), args, { cwd: folder, stdio: 'ignore' });
  onTestFinished(() => void stale.kill('SIGKILL'));
  const gone = once(stale, 'exit');
  await until('the stale Redis', () => existsSync(join(folder, 'redis.sock')));
  const redis = await start(folder);
  await gone;
  expect(await call(redis, 'PING')).toBe('PONG');
});

test('a Redis that works in another folder is not touched', async () => {
  const folder = temporaryFolder();
  const other = temporaryFolder();
  const args = ['--port', '0', '--unixsocket', join(folder, 'redis.sock'), '--save', ''];
  const foreign = spawn(await serverProgram(), args, { cwd: other, stdio: 'ignore' });
  onTestFinished(() => void foreign.kill('SIGKILL'));
  await until('the foreign Redis', () => existsSync(join(folder, 'redis.sock')));
  await expect(start(folder)).rejects.toThrow(`it works in ${other}`);
  expect(foreign.exitCode).toBeNull();
});

const tied = spawnSync('setpriv', ['--pdeathsig', 'TERM', 'true']).status === 0;

test.skipIf(!tied)('dies with a daemon that is killed', async () => {
  const folder = temporaryFolder();
  const script = `
    import { systemClock } from ${JSON.stringify(import.meta.resolve('../../../src/clock/clock.ts'))};
    import { startEmbeddedRedis } from ${JSON.stringify(import.meta.resolve('../../../src/redis/embedded.ts'))};
    const observer = { event() {}, info() {}, warn() {}, debug() {} };
    const alarms = { raise() {}, clear() {} };
    await startEmbeddedRedis({ folder: ${JSON.stringify(folder)}, clock: systemClock, observer, alarms });
    console.log('ready');`;
  const daemon = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void daemon.kill('SIGKILL'));
  await once(daemon.stdout, 'data');
  const pid = pidIn(folder);
  expect(runs(pid)).toBe(true);
  daemon.kill('SIGKILL');
  await until('Redis to end with its daemon', () => !runs(pid));
});

test('without a server on PATH, one line says what to type', async () => {
  const empty = temporaryFolder();
  mkdirSync(join(empty, 'redis'));
  vi.stubEnv('PATH', empty);
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(start(join(empty, 'redis'))).rejects.toThrow(
    /^redis-server and valkey-server.*apt-get install/,
  );
});

test('a start can be given up', async () => {
  const folder = temporaryFolder();
  const alarms = createAlarms(observer, systemClock);
  const options = { folder, clock: systemClock, observer, alarms, signal: AbortSignal.abort() };
  await expect(startEmbeddedRedis(options)).rejects.toThrow('stopped');
  expect(existsSync(join(folder, 'redis.pid')) && runs(pidIn(folder))).toBe(false);
});
