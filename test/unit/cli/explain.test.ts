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
  no        no test mail: not to is *.invalid
  yes       rest: every mail; gives route direct, provider
  routes    direct: mx, tls opportunistic
            provider: smarthost smtp.example:587, tls opportunistic, 20 connections
  fallback  on unreachable, blocked; after 2 attempts
  retry     default: after 1m, 5m, 10m, 20m, 40m, 1h, 2h, 4h; expires after 5d
  warnings  after 4h, 1d
  site      not known: nobody looked up its MX hosts
`);
});

test('a route that does not bounce says so', async () => {
  const policy = 'routes: { direct: { via: mx, softBounce: true } }';
  const { out } = await explain(policy, '--from', '<>', '--to', 'bob@example.org', '--offline');
  expect(out).toContain('routes    direct: mx, tls opportunistic, bounces wait\n');
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

test('a broken policy explains nothing: exit 78 with its mistakes', async () => {
  const { code, err } = await explain('rules: [{ route: nowhere }]', '--from', '<>', '--to', 'b@example.org');
  expect(code).toBe(78);
  expect(err).toMatch(/policy\.yaml:1:18: .*nowhere/);
});
