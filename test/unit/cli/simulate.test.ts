// `sendoff simulate` on files of its own: the time line for people, and as data.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../src/cli/program.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { testTerminal } from '../../harness/terminal.ts';

async function simulate(...options: string[]) {
  return simulateWith('', ...options);
}

/** `settings`: lines of sendoff.yaml. */
async function simulateWith(settings: string, ...options: string[]) {
  const folder = temporaryFolder();
  const file = join(folder, 'sendoff.yaml');
  writeFileSync(file, `hostname: relay.example.net\n${settings}`);
  writeFileSync(
    join(folder, 'policy.yaml'),
    'routes: { provider: { via: smarthost, hosts: [smtp.example] } }\nrules: [{ name: rest, route: [direct, provider] }]\n',
  );
  const terminal = testTerminal();
  const code = await run(['simulate', ...options, '--config', file], terminal);
  return { code, ...terminal.printed };
}

test('the time line', async () => {
  const { code, out } = await simulate(
    '--to',
    'bob@example.org',
    '--replies',
    "451,timeout,'550 5.1.1 unknown'",
  );
  expect(code).toBe(0);
  expect(out).toBe(`postmaster@relay.example.net to bob@example.org: rule "rest"

TIME                  AFTER  ROUTE     WHAT
2026-11-22 12:00:00Z     0s  direct    attempt 1, 451: deferred (unknown 4.0.0)
2026-11-22 12:01:00Z     1m  direct    attempt 2, timeout: deferred (unreachable 4.4.1)
2026-11-22 12:01:00Z     1m            moves to provider: fallback from direct: unreachable, 2 times
2026-11-22 12:01:00Z     1m  provider  attempt 3, 550 5.1.1 unknown: bounced, returned to the sender (unknown-user 5.1.1)
`);
});

test('what is not counted as an attempt has no number', async () => {
  const { out } = await simulate('--to', 'bob@example.org', '--replies', 'timeout,timeout,535,250');
  expect(out).toContain('attempt, 535: deferred (auth 4.0.0, not counted)\n');
  expect(out).toContain('attempt 3, 250: delivered\n');
});

test('with delivery.softBounce in the settings a refusal for good is one among others', async () => {
  const settings = 'delivery: { softBounce: true }\n';
  const { out } = await simulateWith(
    settings,
    '--to',
    'bob@example.org',
    '--replies',
    "'550 5.1.1 unknown',250",
  );
  const attempts = out.split('\n').filter((line) => line.includes('attempt'));
  expect(attempts).toEqual([
    expect.stringMatching(
      / direct +attempt 1, .*: deferred, not bounced \(softBounce\) \(unknown-user 5.1.1\)$/,
    ),
    expect.stringMatching(/ 1m +direct +attempt 2, 250: delivered$/),
  ]);
});

test('--json', async () => {
  const mail = ['--from', 'ann@example.net', '--to', 'bob@example.org', '--replies', '421,250', '--json'];
  const { out } = await simulate(...mail);
  expect(JSON.parse(out)).toMatchObject({
    from: 'ann@example.net',
    rule: 'rest',
    ended: true,
    steps: [
      {
        at: '2026-11-22T12:00:00.000Z',
        what: 'attempt',
        failure: { scope: 'host', class: 'unreachable' },
        next: '2026-11-22T12:01:00.000Z',
      },
      { at: '2026-11-22T12:01:00.000Z', result: 'delivered', next: null },
    ],
  });
});

test('replies that are none are a usage error that names them', async () => {
  const { code, err } = await simulate('--to', 'bob@example.org', '--replies', '451,later');
  expect(code).toBe(64);
  expect(err).toMatch(/^sendoff: --replies: "later" is none of a code .*lost\n$/);
});
