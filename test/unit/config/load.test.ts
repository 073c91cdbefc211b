// sendoff.yaml and the environment become settings, or a list of every mistake with its place.
// Runs loadSettings on files of a folder of the test's own.
// Never reads the machine's own configuration: each test names its file.
import { chmodSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Environment } from '../../../src/config/environment.ts';
import { loadSettings } from '../../../src/config/load.ts';
import type { Problem } from '../../../src/config/problem.ts';
import type { Settings } from '../../../src/config/settings.ts';
import { certificateFor } from '../../harness/certificates.ts';
import { temporaryFolder } from '../../harness/folder.ts';

const MB = 1024 ** 2;

function write(yaml: string, folder = temporaryFolder()): string {
  const file = join(folder, 'sendoff.yaml');
  writeFileSync(file, yaml);
  return file;
}

function settingsOf(yaml: string, environment: Environment = {}): Settings {
  const loaded = loadSettings({ file: write(yaml), environment });
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems, null, 1));
  return loaded.settings;
}

/** `line:column path: message` of every error. */
function errorsOf(yaml: string, environment: Environment = {}): string[] {
  const loaded = loadSettings({ file: write(yaml), environment });
  return 'problems' in loaded ? loaded.problems.filter(isError).map(summary) : [];
}

function isError(problem: Problem): boolean {
  return problem.severity === 'error';
}

function summary({ line, column, path, message }: Problem): string {
  return `${line}:${column} ${path}: ${message}`;
}

test('an empty file is a working configuration', () => {
  const file = write('');
  const loaded = loadSettings({ file, environment: {} });
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  expect(loaded.settings).toEqual({
    file,
    hostname: expect.any(String),
    postmaster: null,
    qualify: null,
    data: join(file, '../var'),
    shutdownTimeout: 30_000,
    listeners: [{ address: '127.0.0.1', port: 2525, content: 'repair', tls: 'none' }],
    trusted: ['127.0.0.0/8', '::1/128'],
    limits: {
      messageSize: 50 * MB,
      recipients: 1000,
      connections: 2000,
      connectionsPerClient: 50,
      messagesPerConnection: 10_000,
      rate: { count: 1000, per: 60_000 },
      trusted: false,
    },
    tls: null,
    redisUrl: null,
    spool: { minFree: 1024 * MB },
    dns: { servers: null },
    delivery: { port: 25, ip: 'both', connections: 500, allowNetworks: [], softBounce: false },
    policy: null,
    admin: { address: '127.0.0.1', port: 2580, token: null },
    log: { level: 'info' },
  });
});

test('a section with nothing but comments under it has its defaults', () => {
  expect(settingsOf('limits:\n  # recipients: 5\nadmin:\n  port:\n').admin.port).toBe(2580);
});

test('every mistake is told at once, at its line and column', () => {
  const yaml = [
    'hostnam: relay.example.net',
    'shutdownTimeout: 30',
    'listeners:',
    '  - { port: 70000, tls: implict }',
    '  - port: "25"',
    'limits: { messageSize: 5x, rate: 5/year }',
    'clients: { trusted: [0.0.0.0/0, 10.0.0.0/40] }',
    'dns: { servers: [dns.example] }',
    'admin: { address: 0.0.0.0 }',
    'log: verbose',
  ].join('\n');
  expect(errorsOf(yaml)).toEqual([
    '1:1 hostnam: unknown key',
    '2:18 shutdownTimeout: expected a duration such as 30s, 5m, 4h or 2d',
    '4:13 listeners[0].port: a port is 0 to 65535',
    '4:25 listeners[0].tls: expected none, starttls or implicit',
    '5:11 listeners[1].port: expected a port number',
    '6:24 limits.messageSize: "5x" is not a size such as 50MB or 1GB',
    '6:34 limits.rate: "5/year" is not a rate such as 10/second or 300/minute',
    '7:22 clients.trusted[0]: this network is too wide to be trusted: strangers could relay',
    '7:33 clients.trusted[1]: "10.0.0.0/40" is not an IP address or a network such as 10.0.0.0/8',
    '8:18 dns.servers[0]: a DNS server is an IP address, with a port if it is not 53',
    '9:19 admin.address: the admin API listens beyond this machine and has no token',
    '10:6 log: expected a map of keys',
  ]);
});

test('a typo gets a hint', () => {
  const loaded = loadSettings({
    file: write('hostname: a.example\nlimits: { recipents: 5 }'),
    environment: {},
  });
  expect(loaded).toMatchObject({ problems: [{ hint: 'did you mean recipients?' }] });
});

test('syntax errors have a place, and the rest of the file is checked all the same', () => {
  const errors = errorsOf('data: [\nlimits: { recipients: x }\n');
  expect(errors).toContain('2:23 limits.recipients: expected a whole number');
  expect(errors.some((error) => /^2:1 : .*flow/i.test(error))).toBe(true);
});

test('a key that stands twice is an error', () => {
  expect(errorsOf('qualify: a.example\nqualify: b.example\n')).toEqual(['2:1 : Map keys must be unique']);
});

test.each([
  [
    'listeners: [{ port: 587, auth: required }]',
    'listeners[0].auth: `auth: required`',
    'users come in a later version',
  ],
  ['clients: { users: ./users }', 'clients.users: `users`', 'users come in a later version'],
  ['spool: { kind: redis }', 'spool.kind: `kind: redis`', ''],
  ['spool: { kind: s3 }', 'spool.kind: `kind: s3`', ''],
  ['dns: { trustAd: true }', 'dns.trustAd: `trustAd: true`', ''],
  ['delivery: { processes: 4 }', 'delivery.processes: `processes: 4`', ''],
])('%s is refused as not available yet', (yaml, subject, reason) => {
  const [error, ...others] = errorsOf(yaml);
  expect(others).toEqual([]);
  expect(error).toContain(`${subject} is not available in this version`);
  expect(error).toContain(reason);
});

test.each(['dns: { trustAd: false }', 'delivery: { processes: auto }', 'spool: { kind: disk }'])(
  '%s asks for nothing that is missing',
  (yaml) => {
    expect(errorsOf(yaml)).toEqual([]);
  },
);

test('paths start at the folder of the file', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'rules.yaml'), '');
  const file = write('data: ./spool\npolicy: rules.yaml\n', folder);
  expect(loadSettings({ file, environment: {} })).toMatchObject({
    settings: { data: join(folder, 'spool'), policy: join(folder, 'rules.yaml') },
  });
});

test('policy.yaml beside the file is the policy, and a policy that is named must be there', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'policy.yaml'), '');
  const loaded = loadSettings({ file: write('', folder), environment: {} });
  expect(loaded).toMatchObject({ settings: { policy: join(folder, 'policy.yaml') } });
  expect(errorsOf('policy: ./policy.yaml')).toEqual(['1:9 policy: no such file or folder']);
});

test('a file that is named and missing is an error, on the command line and in SENDOFF_CONFIG', () => {
  const file = join(temporaryFolder(), 'none.yaml');
  for (const request of [{ file, environment: {} }, { environment: { SENDOFF_CONFIG: file } }]) {
    const loaded = loadSettings(request);
    const errors = 'problems' in loaded ? loaded.problems.filter(isError) : [];
    expect(errors).toMatchObject([{ file, message: 'cannot be read: no such file' }]);
    expect(errors).toHaveLength(1);
  }
});

test('minFree is at least one and a half times the message size', () => {
  expect(errorsOf('spool: { minFree: 70MB }')).toEqual([
    '1:19 spool.minFree: must be at least 1.5 times limits.messageSize, 75MB',
  ]);
  expect(settingsOf('limits: { messageSize: 2GB }').spool.minFree).toBe(3 * 1024 * MB);
});

test('the admin API listens beyond loopback with a token only', () => {
  expect(settingsOf('admin: { address: 0.0.0.0, token: long }').admin).toMatchObject({ token: 'long' });
  expect(errorsOf('admin: { address: "::1" }')).toEqual([]);
});

test('a name without a dot is a warning', () => {
  const loaded = loadSettings({ file: write('hostname: relay'), environment: {} });
  expect(loaded).toMatchObject({
    warnings: [{ severity: 'warning', path: 'hostname', line: 1, column: 11 }],
  });
});

test('what is said of a key that is left out is said of no line', () => {
  const loaded = loadSettings({ file: write('qualify: a.example'), environment: {} });
  const said = 'warnings' in loaded ? loaded.warnings : [];
  // A machine with a full name has nothing to be told.
  expect(said.map(({ path, line }) => `${path} ${line}`)).toEqual(
    hostname().includes('.') ? [] : ['hostname 0'],
  );
});

test('a certificate must be there, fit its key, and keep it to itself', async () => {
  const folder = temporaryFolder();
  const good = await certificateFor(['relay.example.net']);
  const other = await certificateFor(['other.example.net']);
  writeFileSync(join(folder, 'cert.pem'), good.cert);
  writeFileSync(join(folder, 'key.pem'), good.key, { mode: 0o600 });
  writeFileSync(join(folder, 'other.pem'), other.key, { mode: 0o600 });
  const errors = (cert: string, key: string): readonly string[] => {
    const yaml = `listeners: [{ port: 25, tls: starttls }]\ntls:\n  cert: ${cert}\n  key: ${key}\n`;
    const loaded = loadSettings({ file: write(yaml, folder), environment: {} });
    return 'problems' in loaded ? loaded.problems.filter(isError).map(summary) : [];
  };
  expect(errors('cert.pem', './key.pem')).toEqual([]);
  expect(errors('none.pem', 'gone.pem')).toEqual([
    '3:9 tls.cert: cannot be read: no such file',
    '4:8 tls.key: cannot be read: no such file',
  ]);
  expect(errors('cert.pem', 'other.pem')).toEqual([
    expect.stringMatching(/^3:9 tls.cert: certificate and key are of no use/),
  ]);
  chmodSync(join(folder, 'key.pem'), 0o644);
  expect(errors('cert.pem', 'key.pem')).toEqual(['4:8 tls.key: others can read the key']);
});

test('a listener with TLS needs a certificate', () => {
  expect(errorsOf('listeners: [{ port: 465, tls: implicit }]')).toEqual([
    '1:31 listeners[0].tls: `tls: implicit` needs a certificate',
  ]);
});

test('secrets come from the environment and from files', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'token'), 'from a file\n');
  const file = write(
    `admin: { token: "\${file:./token}" }\nredis: { url: "redis://:\${env:PASS}@r:6379" }`,
    folder,
  );
  expect(loadSettings({ file, environment: { PASS: 'x' } })).toMatchObject({
    settings: { admin: { token: 'from a file' }, redisUrl: 'redis://:x@r:6379' },
  });
});

test('a secret that is not set is one error, where it stands', () => {
  expect(errorsOf(`redis: { url: "\${env:NOWHERE}" }\nadmin: { token: "\${file:gone}" }`)).toEqual([
    '1:15 redis.url: the environment variable NOWHERE is not set',
    '2:17 admin.token: cannot read gone',
  ]);
});

test('a small file cannot fill the memory', () => {
  const lines = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 9; i++) {
    const [name, before] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
    lines.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`);
  }
  expect(errorsOf(lines.join('\n')).some((error) => /alias/i.test(error))).toBe(true);
});
