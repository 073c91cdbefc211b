// Environment variables stand above the file, whatever their case, and a wrong one is an error.
// Runs loadSettings with environments of the test's own.
// Never touches the process's environment.
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { Environment } from '../../../src/config/environment.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { temporaryFolder } from '../../harness/folder.ts';

function load(environment: Environment, yaml = '') {
  const file = join(temporaryFolder(), 'sendoff.yaml');
  writeFileSync(file, `hostname: relay.example.net\n${yaml}`);
  return loadSettings({ file, environment });
}

function problemsOf(environment: Environment, yaml = ''): readonly string[] {
  const loaded = load(environment, yaml);
  return 'problems' in loaded ? loaded.problems.map(formatProblem) : [];
}

test('a variable stands above the file, in any case, and its value is YAML', () => {
  const environment = {
    SENDOFF__LIMITS__MESSAGESIZE: '20MB',
    sendoff__limits__Recipients: '7',
    SENDOFF__LISTENERS: '[{ port: 0 }]',
    SENDOFF__LIMITS__TRUSTED: 'true',
  };
  expect(load(environment, 'limits: { messageSize: 1MB, connections: 9 }')).toMatchObject({
    settings: {
      limits: { messageSize: 20 * 1024 ** 2, recipients: 7, connections: 9, trusted: true },
      listeners: [{ address: '127.0.0.1', port: 0 }],
    },
  });
});

test('an override mends a section that the file leaves empty', () => {
  expect(load({ SENDOFF__LOG__LEVEL: 'debug' }, 'log:\n')).toMatchObject({
    settings: { log: { level: 'debug' } },
  });
});

test('SENDOFF_DATA and SENDOFF_REDIS_URL are plain text, and nothing when empty', () => {
  const environment = { SENDOFF_DATA: 'a: b', SENDOFF_REDIS_URL: 'redis://r:1' };
  expect(load(environment, 'data: ./x')).toMatchObject({
    settings: { data: resolve('a: b'), redisUrl: 'redis://r:1' },
  });
  expect(load({ SENDOFF_REDIS_URL: '', SENDOFF_DATA: '' })).toMatchObject({ settings: { redisUrl: null } });
});

test('a path from the environment starts at the working directory', () => {
  expect(load({ SENDOFF__DATA: './spool' })).toMatchObject({ settings: { data: resolve('spool') } });
});

test.each([
  [
    { SENDOFF__LIMITS__RECIPIENT: '5' },
    'SENDOFF__LIMITS__RECIPIENT: names no key of sendoff.yaml (did you mean SENDOFF__LIMITS__RECIPIENTS?)',
  ],
  [
    { SENDOFF__LISTENERS__0__PORT: '25' },
    'SENDOFF__LISTENERS__0__PORT: names no key of sendoff.yaml (listeners has no keys that a variable can set: give the whole of it as YAML)',
  ],
  [{ SENDOFF__LOG__LEVEL: 'loud' }, 'SENDOFF__LOG__LEVEL: log.level: expected debug, info, warn or error'],
  [
    { SENDOFF__CLIENTS__USERS: './users' },
    'SENDOFF__CLIENTS__USERS: clients.users: `users` is not available in this version: users come in a later version',
  ],
  [{ SENDOFF__ADMIN__TOKEN: `\${env:T}` }, 'SENDOFF__ADMIN__TOKEN: the environment variable T is not set'],
])('%j is told by the name of the variable', (environment, problem) => {
  expect(problemsOf(environment)).toEqual([problem]);
});

test('a value that is no YAML is told by the name of the variable', () => {
  expect(problemsOf({ SENDOFF__LISTENERS: '[{' })[0]).toMatch(/^SENDOFF__LISTENERS: /);
});

test('a wrong value in the file is no mistake when a variable stands above it', () => {
  expect(problemsOf({ SENDOFF__REDIS__URL: 'redis://r' }, `redis: { url: "\${env:NOWHERE}" }`)).toEqual([]);
});
