// `sendoff quota` over the admin interface: what it prints of full, open and rolling windows.
// Runs the command in process against the real server, with operations in memory.
// Never counts anything.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../src/cli/program.ts';
import type { QuotaView } from '../../../src/operations/operations.ts';
import { adminUnderTest } from '../../harness/admin.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { testTerminal } from '../../harness/terminal.ts';

const open: QuotaView = {
  of: 'route',
  name: 'provider',
  quota: '3000/day',
  count: 'recipients',
  max: 3000,
  used: 1200,
  left: 1800,
  over: null,
  ends: '2026-11-23T00:00:00.000Z',
  opens: null,
  runsOut: '2026-11-22T15:00:00.000Z',
};
const full: QuotaView = {
  ...open,
  quota: '200/hour',
  used: 200,
  left: 0,
  opens: '2026-11-22T13:00:00.000Z',
  runsOut: null,
};
const rolling: QuotaView = {
  ...open,
  name: 'ses',
  quota: '50000/1d rolling',
  used: 7,
  left: 49_993,
  ends: null,
  runsOut: null,
};
const sender: QuotaView = {
  ...full,
  of: 'sender',
  name: 'ann@example.net',
  quota: '500/day',
  used: 500,
  over: 'hold',
};

async function quota(views: readonly QuotaView[], ...more: string[]): Promise<{ code: number; out: string }> {
  const admin = await adminUnderTest();
  admin.operations.quotaViews = [...views];
  const file = join(temporaryFolder(), 'sendoff.yaml');
  writeFileSync(file, `hostname: relay.example.net\nadmin: { address: 127.0.0.1, port: ${admin.port} }\n`);
  const terminal = testTerminal({ now: '2026-11-22T12:00:00Z' });
  const code = await run(['quota', '--config', file, ...more], terminal);
  return { code, out: terminal.printed.out };
}

test('tells what is used, what is left, when it opens and when it runs out', async () => {
  const { code, out } = await quota([full, open, rolling, sender]);
  expect(code).toBe(0);
  expect(out.split('\n').map((line) => line.replace(/ {2,}/g, '  '))).toEqual([
    'OF  NAME  QUOTA  USED  LEFT  WINDOW  RUNS OUT',
    'route  provider  200/hour  200  0  opens in 1h  used up',
    '  mail takes the next route of its list, or waits until 2026-11-22 13:00:00Z',
    'route  provider  3000/day  1200  1800  ends in 12h  in 3h',
    'route  ses  50000/1d rolling  7  49993  rolling  lasts',
    'sender  ann@example.net  500/day  500  0  opens in 1h  used up',
    '  mail is held until it is released; it opens 2026-11-22 13:00:00Z',
    '',
  ]);
});

test('prints JSON as the daemon gives it, and says when there is none', async () => {
  expect(JSON.parse((await quota([open], '--json')).out)).toEqual({ quotas: [open] });
  expect((await quota([])).out).toMatch(/^no quotas/);
});
