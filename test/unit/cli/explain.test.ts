// `sendoff explain` where no daemon answers: the files alone, and it says so.
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../src/cli/program.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { testTerminal } from '../../harness/terminal.ts';

/** A port that was free a moment ago: nobody listens on it. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

async function explain(policy: string, ...options: string[]) {
  const folder = temporaryFolder();
  const file = join(folder, 'sendoff.yaml');
  writeFileSync(file, `hostname: relay.example.net\nadmin: { port: ${await closedPort()} }\n`);
  writeFileSync(join(folder, 'policy.yaml'), policy);
  const terminal = testTerminal();
  const code = await run(['explain', ...options, '--config', file], terminal);
  return { code, ...terminal.printed };
}

const POLICY = `
routes: { provider: { via: smarthost, hosts: [smtp.example] } }
rules:
  - { name: no test mail, when: { to: "*.invalid" }, reject: { enhanced: 5.1.2, text: No such domain here } }
  - { name: rest, route: [direct, provider] }
`;

test('without a daemon the files answer, and it is said what they cannot know', async () => {
  const { code, out } = await explain(POLICY, '--from', '<>', '--to', 'bob@example.org');
  expect(code).toBe(0);
  expect(out).toBe(`<> to bob@example.org: rule "rest"
  source    the files alone (no daemon answers at 127.0.0.1:${/:(\d+) /.exec(out)?.[1]} (connection refused)): no MX hosts, no present levels
  no        no test mail: to is not *.invalid
  yes       rest: every mail; gives route direct, provider
  routes    direct: mx, tls opportunistic
            provider: smarthost smtp.example:587, tls opportunistic, 20 connections
  fallback  on unreachable, blocked; after 2 attempts
  retry     default: after 1m, 5m, 10m, 20m, 40m, 1h, 2h, 4h; expires after 5d
  warnings  after 4h, 1d
  site      not known: nobody looked up its MX hosts
`);
});

test('a fallback with a memory tells it', async () => {
  const fallback = (keys: string) =>
    `routes: { provider: { via: smarthost, hosts: [smtp.example] } }
rules: [{ name: all, route: [direct, provider], fallback: { on: blocked${keys} } }]`;
  const of = async (keys: string) =>
    (await explain(fallback(keys), '--from', '<>', '--to', 'bob@example.org', '--offline')).out;
  const all = await of(', siteAfter: 3, remember: 6h, canary: 0.5%');
  expect(all).toContain(
    'gives route direct, provider, fallback on blocked after 2, site after 3 for 6h, canary 0.5%',
  );
  expect(all).toContain(
    '  fallback  on blocked; after 2 attempts; all mail of a site after 3 messages in a row, for 6h; meanwhile 0.5% tries it\n',
  );
  expect(await of(', siteAfter: 1')).toContain('all mail of a site after 1 message, for 1h\n');
  expect(await of(', remember: 2h')).toContain('after 5 messages in a row, for 2h\n');
  expect(await of(', canary: 100%')).toContain('for 1h; meanwhile 100% tries it\n');
});

test('a route that does not bounce says so, and what its quotas are', async () => {
  const quota = '[200/hour, { max: 9, per: 24h, window: rolling, count: messages }]';
  const policy = `routes: { direct: { via: mx, softBounce: true, quota: ${quota} } }`;
  const { out } = await explain(policy, '--from', '<>', '--to', 'bob@example.org', '--offline');
  expect(out).toContain(
    'routes    direct: mx, tls opportunistic, 200/hour, 9/1d rolling messages, bounces wait\n',
  );
});

test('what is rejected is told with its answer; --json says who answered', async () => {
  const mail = ['--from', 'ann@example.net', '--to', 'bob@some.invalid', '--offline'];
  const { out } = await explain(POLICY, ...mail);
  expect(out).toContain('  answer  550 5.1.2 No such domain here\n');
  const { out: json } = await explain(POLICY, ...mail, '--json');
  expect(JSON.parse(json)).toMatchObject({
    source: 'files',
    rule: 'no test mail',
    reject: { code: 550, enhanced: '5.1.2' },
    present: null,
  });
});

const STAGING = `
rewrite:
  senders: { "*@office.lan": "*@example.net" }
  recipients: { team@example.net: [qa@example.net, ann@example.net] }
rules:
  - { name: archive, copy: archive@example.net }
  - { name: mark, when: { from: example.net }, tag: outside, header: { add: { X-Relay: sendoff }, remove: X-Id } }
  - { name: big, when: { size: ">20MB" }, hold: too big }
  - { name: bulk, when: { header: { Precedence: bulk } }, priority: low }
  - { name: junk, when: { headerFrom: junk.example }, discard: true }
  - { name: not out, when: { client: 10.0.0.0/8, not: { to: qa@example.net } }, redirect: qa@example.net }
  - { name: ours, when: { headerFrom: office.lan }, hold: rewritten by now }
  - { name: rest, when: { tag: outside }, route: direct, window: { hours: 07:00-20:00, zone: UTC } }
  - { name: others, reject: {} }
`;

const rules = (out: string): string => out.slice(out.indexOf('\n', out.indexOf('source')) + 1);

test('what acceptance does is told: other addresses, copies, tags, header, and the way after a redirect', async () => {
  const mail = ['--from', 'bob@office.lan', '--to', 'cat@example.org', '--client', '10.1.1.1', '--offline'];
  const fields = ['--header', 'Precedence: bulk', '--header', 'From: Bob <bob@office.lan>'];
  const { out } = await explain(STAGING, ...mail, '--size', '1MB', ...fields);
  expect(rules(out)).toBe(`  rewritten  bob@example.net to cat@example.org
  yes        archive: every mail; gives copy to archive@example.net, once a message
  yes        mark: from is example.net; gives tag outside, header +X-Relay, -x-id
  no         big: size is not >20MB
  yes        bulk: header Precedence is bulk; gives priority low
  no         junk: headerFrom is not junk.example
  yes        not out: client is 10.0.0.0/8 and not (to is qa@example.net); gives redirect to qa@example.net
  tags       outside
  header     + X-Relay: sendoff
             - x-id
  copies     to archive@example.net, once a message
  redirect   to qa@example.net: rule "rest"
  yes        archive: every mail
  yes        mark: from is example.net
  no         big: size is not >20MB
  yes        bulk: header Precedence is bulk; gives priority low
  no         ours: headerFrom is not office.lan
  yes        rest: tag is outside; gives route direct, window 07:00-20:00 UTC
  routes     direct: mx, tls opportunistic
  retry      default: after 1m, 5m, 10m, 20m, 40m, 1h, 2h, 4h; expires after 5d
  warnings   after 4h, 1d
  priority   low
  window     07:00-20:00 UTC
  site       not known: nobody looked up its MX hosts
`);
});

test('what is not given is told: no header is one without fields, the rest is not known', async () => {
  const mail = ['--from', 'bob@example.net', '--to', 'team@example.net', '--offline'];
  const { out } = await explain(STAGING, ...mail);
  expect(out).toContain(
    'rewritten  bob@example.net to qa@example.net, ann@example.net; what follows is of the first',
  );
  expect(out).toContain('open       big: cannot be told without more: size is >20MB\n');
  expect(out).toContain('no header  none is given: taken as one without precedence, from\n');
  const { out: json } = await explain(STAGING, ...mail, '--json');
  expect(JSON.parse(json)).toMatchObject({
    rule: 'rest',
    arrival: {
      rewritten: { to: ['qa@example.net', 'ann@example.net'] },
      redirect: null,
      tags: ['outside'],
      copies: [{ to: 'archive@example.net', per: 'message' }],
    },
  });
  const junk = await explain(STAGING, ...mail, '--header', 'From: x <y@junk.example>');
  expect(junk.out).toContain('discarded  taken, and thrown away\n');
});

test('a rule that does not fit is told with the condition that failed, as a sentence', async () => {
  const policy = `
rules:
  - { name: away, when: { not: { to: example.org } }, hold: x }
  - { name: either, when: { any: [{ from: a.example }, { from: b.example, to: c.example }] }, hold: x }
  - { name: bulk, when: { header: { Precedence: bulk } }, hold: x }
`;
  const { out } = await explain(policy, '--from', '<>', '--to', 'bob@example.org', '--offline');
  expect(out).toContain('away: to is example.org\n');
  expect(out).toContain('either: not so: from is a.example; or from is b.example and to is c.example\n');
  expect(out).toContain('bulk: header Precedence is not bulk\n');
});

test('a broken policy explains nothing: exit 78 with its mistakes', async () => {
  const { code, err } = await explain('rules: [{ route: nowhere }]', '--from', '<>', '--to', 'b@example.org');
  expect(code).toBe(78);
  expect(err).toMatch(/policy\.yaml:1:18: .*nowhere/);
});
