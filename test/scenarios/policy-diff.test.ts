// `policy diff` against a running daemon: what it foretells is what a reload then does, and by itself it does nothing.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { networkForFile } from '../harness/network.ts';
import { startSendoff } from '../harness/sendoff.ts';
import { testTerminal } from '../harness/terminal.ts';
import { until } from '../harness/until.ts';

const network = networkForFile();

/** The command line with settings that lead to this admin port. */
async function policyDiff(admin: number, policy: unknown, ...options: string[]) {
  const folder = temporaryFolder();
  const config = join(folder, 'sendoff.yaml');
  const file = join(folder, 'other.yaml');
  writeFileSync(config, JSON.stringify({ hostname: 'relay.example.net', admin: { port: admin } }));
  writeFileSync(file, typeof policy === 'string' ? policy : JSON.stringify(policy));
  const terminal = testTerminal();
  const code = await run(['policy', 'diff', file, '--config', config, ...options], terminal);
  return { code, file, ...terminal.printed };
}

test('rules, and queued mail by what would become of it', async () => {
  const { peer, domain } = await network().receiver();
  const other = await network().receiver();
  for (const one of [peer, other.peer]) one.setScript({ rcpt: '450 4.2.1 Mailbox busy' });
  const provider = { via: 'smarthost', hosts: [`${other.peer.address}:${network().mxPort}`] };
  const held = { name: 'held', when: { to: `held@${domain}` }, hold: 'we look first' };
  const policy = { routes: { provider }, rules: [held, { name: 'rest', route: 'direct' }] };
  const { dns, mxPort } = network();
  const sendoff = await startSendoff({ dns, mxPort, policy });
  const from = network().sender();
  const ids = [
    await sendoff.send({ from, to: `ann@${domain}` }),
    await sendoff.send({ from, to: `bob@${domain}` }),
    await sendoff.send({ from, to: `ann@${other.domain}` }),
  ];
  for (const id of ids) await sendoff.about(id, 'deferred');
  const kept = await sendoff.send({ from, to: `held@${domain}` });
  const before = await sendoff.api('/api/queue');

  const rest = { name: 'rest', route: ['direct', 'provider'], retry: { after: ['2h'] } };
  const next = {
    routes: { provider: { ...provider, connections: 3 } },
    rules: [
      { name: 'big ones', when: { to: domain }, route: 'provider' },
      { name: 'stop', when: { to: other.domain }, hold: 'until they are back' },
      rest,
    ],
  };
  const { code, out } = await policyDiff(sendoff.admin, next);
  expect(code).toBe(0);
  expect(out).toContain(`  ~ rest\n      route: direct → direct, provider\n`);
  expect(out).toContain(`  - held\n      when: to is held@${domain}\n      hold: we look first\n`);
  expect(out).toContain(`  + big ones\n      when: to is ${domain}\n      route: provider\n`);
  expect(out).toContain('routes\n  ~ provider\n      connections: 20 → 3\n');
  expect(out).toContain('4 recipients queued, 0 unchanged\n');
  expect(out).toMatch(new RegExp(` 2 {2}route +direct +provider +${ids[0]} ${ids[1]}\n`));
  expect(out).toMatch(new RegExp(` 1 {2}let go +held +provider +${kept}\n`));
  expect(out).toMatch(new RegExp(` 1 {2}held +direct +stop +${ids[2]}\n`));
  expect(await sendoff.api('/api/queue')).toEqual(before);

  expect(await sendoff.setPolicy(next)).toEqual([]);
  await until('what was foretold', async () => {
    const { entries } = (await sendoff.api('/api/queue')) as {
      entries: { route: string; hold: string | null }[];
    };
    const routes = entries.filter(({ hold }) => hold === null).map(({ route }) => route);
    return (
      routes.join() === 'provider,provider,provider' && entries.some(({ hold }) => hold?.includes('stop'))
    );
  });
  const same = await policyDiff(sendoff.admin, next, '--json');
  expect(JSON.parse(same.out)).toEqual({
    source: 'daemon',
    differences: [],
    queue: { recipients: 4, unchanged: 4, changes: [] },
  });
});

test('a file with mistakes is told with its lines, exit 78; without a daemon the rules alone are compared', async () => {
  const sendoff = await startSendoff({ policy: { rules: [{ name: 'rest', route: 'direct' }] } });
  const broken = await policyDiff(
    sendoff.admin,
    'rules:\n  - { name: a, route: nowhere }\n  - { name: b, hld: x }\n',
  );
  expect(broken.code).toBe(78);
  expect(broken.err).toContain('other.yaml:2:');
  expect(broken.err).toContain('2 |   - { name: a, route: nowhere }');
  expect(broken.err).toContain('other.yaml:3:');
  const relative = await sendoff.api('/api/policy/diff', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"file":"policy.yaml"}',
  });
  expect(relative).toMatchObject({ error: expect.stringContaining('absolute') });
  await sendoff.stop();
  const { code, out } = await policyDiff(sendoff.admin, { rules: [{ name: 'new', route: 'direct' }] });
  expect(code).toBe(0);
  expect(out).toMatch(
    /^rules\n {2}\+ new\n {6}when: any\n {6}route: direct\n\ncompared with the files alone \(no daemon answers at /,
  );
});
