// What `check --print` shows: the effective configuration in the words of the files, without secrets.
// Runs printable.ts on settings and policies that were loaded.
// Never compares whole dumps: the schema's tests know the defaults.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSettings } from '../../../src/config/load.ts';
import { printable, printableText } from '../../../src/config/printable.ts';
import type { Settings } from '../../../src/config/settings.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { policyFrom } from '../../harness/policy.ts';

function settingsFrom(yaml: string): Settings {
  const file = join(temporaryFolder(), 'sendoff.yaml');
  writeFileSync(file, yaml);
  const loaded = loadSettings({ file, environment: {} });
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
}

const policy = policyFrom(`
routes:
  provider: { via: smarthost, hosts: ["smtps://a.example", "[::1]"], auth: { user: u, password: s3cret } }
  mailbox:
    via: smarthost
    service: gmail
    auth: { user: u, oauth2: { clientId: id, clientSecret: s3cret, refreshToken: s3cret } }
  isp:
    via: smarthost
    hosts: a.example
    auth: { popBeforeSmtp: { host: pop.example, user: u, password: s3cret } }
retry: { default: { classes: { greylisted: { after: 5m } } } }
sites:
  google: { mx: "*.google.com", rate: 300/minute }
  strict: { domains: a.example, backoff: [{ reply: "*no*", suspend: 1h }, { reply: "*slow*", slow: half, for: 30m }] }
rules:
  - { name: bad, when: { to: "*.invalid", from: "<>" }, reject: {} }
  - { name: rest, route: [direct, provider], fallback: { on: blocked }, retry: { expire: 1d } }
`);

test('quantities come out as they are written', () => {
  const { settings } = printable(settingsFrom('limits: { messageSize: 20MB, rate: 5/second }'), policy);
  expect(settings).toMatchObject({
    shutdownTimeout: '30s',
    clients: { trusted: ['127.0.0.0/8', '::1/128'] },
    limits: { messageSize: '20MB', rate: '5/second', recipients: 1000 },
    spool: { kind: 'disk', minFree: '1GB' },
  });
});

test('the policy comes out with its defaults and merges', () => {
  const { policy: printed } = printable(settingsFrom(''), policy);
  expect(printed).toMatchObject({
    routes: {
      direct: { via: 'mx', tls: 'opportunistic', connectTimeout: '1m' },
      provider: { via: 'smarthost', tls: 'verified', hosts: ['smtps://a.example:465', '[::1]:587'] },
      mailbox: {
        auth: { user: 'u', oauth2: { clientId: 'id', tokenUrl: 'https://oauth2.googleapis.com/token' } },
      },
      isp: { auth: { popBeforeSmtp: { host: 'pop.example', port: 995, user: 'u', tls: 'verified' } } },
    },
    retry: {
      default: { expire: '5d', warn: ['4h', '1d'], classes: { greylisted: { after: ['5m'], expire: '5d' } } },
    },
    sites: {
      google: { rate: '300/minute', connections: 10 },
      outlook: { shipped: true },
      strict: {
        backoff: [
          { reply: '*no*', suspend: '1h' },
          { reply: '*slow*', slow: '50%', for: '30m' },
        ],
      },
      default: { rate: null },
    },
    rules: [
      { name: 'bad', when: ['from is <>', 'to is *.invalid'], reject: { code: 550, enhanced: '5.7.1' } },
      { name: 'rest', when: 'any', route: ['direct', 'provider'], fallback: { on: ['blocked'], after: 2 } },
      { name: 'everything else', when: 'any', route: ['direct'] },
    ],
  });
});

test('no secret is in it, and JSON and YAML can carry it', () => {
  const settings = settingsFrom(
    'admin: { token: s3cret }\nredis: { url: "redis://user:s3cret@r.example:6379/0" }',
  );
  const json = JSON.stringify(printable(settings, policy));
  expect(json).toContain('redis://user:***@r.example:6379/0');
  for (const text of [json, printableText(settings, policy)]) {
    expect(text).not.toContain('s3cret');
    expect(text).toContain('***');
  }
});
