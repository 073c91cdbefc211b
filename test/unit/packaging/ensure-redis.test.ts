// How a missing Redis is met on each kind of machine.
// The decision is data; the script around it is run where that changes nothing.
// Never installs anything.
import { spawnSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { decide, type Machine } from '../../../scripts/redis-install.ts';
import { temporaryFolder } from '../../harness/folder.ts';

function machine(commands: readonly string[], changes: Partial<Machine> = {}): Machine {
  return { has: (name) => commands.includes(name), root: false, sudo: false, forbidden: false, ...changes };
}

test.each(['redis-server', 'valkey-server'])('%s is enough', (server) => {
  expect(decide(machine([server, 'apt-get'], { root: true }))).toEqual({ kind: 'nothing' });
});

test.each([
  ['apt-get', 'sudo apt-get install redis-server'],
  ['dnf', 'sudo dnf install valkey'],
  ['apk', 'sudo apk add valkey'],
  ['pacman', 'sudo pacman -S valkey'],
])('%s: root installs, sudo installs, others are told what to type', (manager, typed) => {
  const asRoot = decide(machine([manager], { root: true }));
  expect(asRoot).toMatchObject({ kind: 'install', command: ['sh', '-c', expect.stringContaining(manager)] });
  const withSudo = decide(machine([manager], { sudo: true }));
  expect(withSudo).toMatchObject({
    kind: 'install',
    command: ['sudo', '-n', 'sh', '-c', expect.any(String)],
  });
  expect(decide(machine([manager]))).toEqual({ kind: 'ask', text: expect.stringContaining(typed) });
  expect(decide(machine([manager], { root: true, forbidden: true })).kind).toBe('ask');
});

test('brew installs for the user, and is not run as root', () => {
  expect(decide(machine(['brew'])).kind).toBe('install');
  expect(decide(machine(['brew'], { root: true })).kind).toBe('ask');
});

test('without a package manager that we know, one line', () => {
  const step = decide(machine([], { root: true }));
  expect(step).toEqual({ kind: 'ask', text: expect.stringMatching(/^redis-server and valkey-server.*$/) });
});

const script = new URL('../../../scripts/ensure-redis.ts', import.meta.url).pathname;

/** Runs the script where only sh and apt-get are on PATH. */
function run(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const bin = temporaryFolder();
  symlinkSync('/bin/sh', join(bin, 'sh'));
  symlinkSync('/bin/false', join(bin, 'apt-get'));
  return spawnSync(process.execPath, [script, ...args], {
    env: { PATH: bin, ...environment },
    encoding: 'utf8',
  });
}

test('SENDOFF_NO_INSTALL: says in one line what to type, and fails', () => {
  const { status, stderr, stdout } = run([], { SENDOFF_NO_INSTALL: '1' });
  expect(status).toBe(69);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^redis-server and valkey-server are both missing\. Type: .*\n$/);
});

test('a Redis URL in the environment makes a server needless for npm start, not for npm test', () => {
  const environment = { SENDOFF_NO_INSTALL: '1', SENDOFF_REDIS_URL: 'redis://cache.example' };
  expect(run(['--unless-configured'], environment).status).toBe(0);
  expect(run([], environment).status).toBe(69);
});

test('says nothing where a server is there', () => {
  const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('a Redis URL in the settings counts too', () => {
  const settings = join(temporaryFolder(), 'sendoff.yaml');
  writeFileSync(settings, 'redis: { url: redis://cache.example }\n');
  const environment = { SENDOFF_NO_INSTALL: '1', SENDOFF_CONFIG: settings };
  expect(run(['--unless-configured'], environment).status).toBe(0);
  writeFileSync(settings, 'hostname: relay.example.net\n');
  expect(run(['--unless-configured'], environment).status).toBe(69);
});
