// Decisions of a running daemon explained: for mail that is not there yet, and for mail that waits.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/cli/program.ts';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { sendoffForFile } from '../harness/sendoff.ts';
import { testTerminal } from '../harness/terminal.ts';

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, mxPort: network().mxPort, policy: {} }));

test('explain looks up the site and tells its limits; queue show tells the same of mail that waits', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { domain } = await network().receiver({ script: { rcpt: '450 4.2.1 Mailbox busy' } });
  const sites = { slow: { mx: [`mx1.${domain}`], connections: 3, rate: '600/minute' } };
  const rule = { name: 'patience', when: { to: domain }, retry: { after: '2h' } };
  expect(await sendoff.setPolicy({ sites, rules: [rule, { name: 'all', route: 'direct' }] })).toEqual([]);
  const query = new URLSearchParams({ from: 'me@example.net', to: `ann@${domain}` });
  expect(await sendoff.api(`/api/explain?${query}`)).toMatchObject({
    rule: 'all',
    trace: [
      { rule: 'patience', held: [`to is ${domain}`], gave: ['retry of rule "patience"'] },
      { rule: 'all', gave: ['route direct'] },
    ],
    retry: { after: ['2h'] },
    site: { name: 'slow', by: 'mx', rate: '600/minute' },
    present: { route: 'direct', state: 'new', limits: [{ of: 'site slow', open: 0, connections: 3 }] },
  });

  const id = await sendoff.send({ from: 'me@example.net', to: `ann@${domain}` });
  const [deferred] = await sendoff.about(id, 'deferred');
  expect(await sendoff.api(`/api/queue/${id}`)).toMatchObject({
    decisions: [
      {
        to: `ann@${domain}`,
        rule: 'all',
        site: { name: 'slow' },
        present: { state: 'live', next: deferred?.next },
      },
    ],
  });
  await sendoff.change('remove', { id });
  await ledger.shows({ accepted: 1, removed: 1 });
});

test('explain says of a message with its header, size and client what then becomes of it', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { domain } = await network().receiver();
  const policy = (bulk: string) => ({
    rules: [
      { name: 'ours', when: { client: '127.0.0.0/8', not: { headerFrom: '*.example.org' } }, tag: 'ours' },
      { name: 'bulk', when: { tag: 'ours', size: '>1KB', header: { Precedence: bulk } }, hold: 'big bulk' },
      { name: 'rest', when: { any: [{ to: domain }, { user: 'nobody' }] }, route: 'direct' },
    ],
  });
  expect(await sendoff.setPolicy(policy('bu*'))).toEqual([]);
  const mail = { from: 'me@example.net', to: `ann@${domain}`, client: '127.0.0.1' };
  const header: [string, string][] = [
    ['header', 'From: Me <me@example.net>'],
    ['header', 'Precedence: Bulk'],
  ];
  const ask = (more: [string, string][]) =>
    sendoff.api(`/api/explain?${new URLSearchParams([...Object.entries(mail), ...more])}`);
  expect(await ask([...header, ['size', '3000']])).toMatchObject({
    rule: 'bulk',
    hold: 'big bulk',
    arrival: { tags: ['ours'], assumedMissing: [] },
    present: null,
  });
  expect(await ask(header)).toMatchObject({
    rule: 'rest',
    trace: [{ matched: true }, { matched: false, open: 'size is >1KB' }, { matched: true }],
  });

  const content = `From: Me <me@example.net>\r\nPrecedence: Bulk\r\n\r\n${'x'.repeat(70)}\r\n`;
  const big = await sendoff.send({ ...mail, content: content + `${'y'.repeat(70)}\r\n`.repeat(50) });
  const [held] = await sendoff.about(big, 'held');
  expect(held).toMatchObject({ reason: 'rule "bulk": big bulk' });
  await sendoff.about(await sendoff.send({ ...mail, content }), 'delivered');
  expect(await sendoff.api(`/api/queue/${big}`)).toMatchObject({
    decisions: [{ rule: 'bulk', hold: 'big bulk', arrival: null }],
  });
  // The field was kept, so another rule by it decides anew.
  expect(await sendoff.setPolicy(policy('list'))).toEqual([]);
  await sendoff.about(big, 'delivered');
  await ledger.shows({ accepted: 2, delivered: 2 });
});

test('simulate tells the story that the daemon then lives', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const refuses = '554 5.7.1 Blocked by our reputation list';
  const { peer, domain } = await network().receiver({ script: { rcpt: '450 4.2.1 Mailbox busy' } });
  const policy = {
    routes: { second: { via: 'mx' } },
    rules: [{ name: 'all', route: ['direct', 'second'], retry: { after: ['7m', '30m'] } }],
  };
  expect(await sendoff.setPolicy(policy)).toEqual([]);
  const terminal = testTerminal();
  const replies = `'450 4.2.1 Mailbox busy','450 4.2.1 Mailbox busy','${refuses}',250`;
  const mail = ['--from', 'me@example.net', '--to', `ann@${domain}`, '--replies', replies];
  const config = ['--config', join(sendoff.folder, 'sendoff.yaml')];
  expect(await run(['simulate', ...mail, ...config, '--json'], terminal)).toBe(0);
  const { steps } = JSON.parse(terminal.printed.out) as {
    steps: { what: string; route: string; at: string }[];
  };
  const planned = steps.filter(({ what }) => what === 'attempt');

  const id = await sendoff.send({ from: 'me@example.net', to: `ann@${domain}` });
  const first = await sendoff.about(id, 'deferred', 1);
  await sendoff.advanceTo(first[0]?.next);
  const second = await sendoff.about(id, 'deferred', 2);
  peer.setScript({ rcpt: [refuses, null] });
  await sendoff.advanceTo(second[1]?.next);
  await sendoff.about(id, 'delivered');
  const lived = sendoff.soFar(id, 'attempt');
  expect(lived.map(({ route }) => route)).toEqual(planned.map(({ route }) => route));
  expect(lived.map(({ result }) => result)).toEqual(['deferred', 'deferred', 'deferred', 'delivered']);
  const pauses = (times: unknown[]): number[] =>
    times.slice(1).map((time, i) => Date.parse(String(time)) - Date.parse(String(times[i])));
  const [wanted, had] = [planned.map(({ at }) => at), lived.map(({ time }) => time)].map(pauses);
  // Retries are spread by a tenth; the daemon needs a moment for each.
  for (const [i, pause] of wanted?.entries() ?? []) {
    expect(Math.abs((had?.[i] ?? 0) - pause)).toBeLessThan(pause * 0.101 + 10_000);
  }
  await ledger.shows({ accepted: 1, delivered: 1 });
});

test('a policy whose own tests fail does not take force, and the reload says which', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const rules = [{ name: 'all', route: 'direct' }];
  const mail = { from: 'a@example.net', to: 'b@closed.example' };
  expect(await sendoff.setPolicy({ rules, tests: [{ mail, expect: { rule: 'all' } }] })).toEqual([]);
  const closed = { name: 'closed', when: { to: 'closed.example' }, reject: {} };
  const refused = await sendoff.setPolicy({
    rules: [closed, ...rules],
    tests: [{ mail, expect: { rule: 'all', route: 'direct' } }],
  });
  expect(refused).toEqual([
    expect.stringMatching(
      /policy\.yaml:1:\d+: tests\[0\]\.expect\.rule: the test fails: .*"closed", not "all"/,
    ),
    expect.stringMatching(
      /policy\.yaml:1:\d+: tests\[0\]\.expect\.route: .*"none: reject 550 5.7.1", not "direct"/,
    ),
  ]);
  const query = new URLSearchParams(mail);
  expect(await sendoff.api(`/api/explain?${query}`)).toMatchObject({ rule: 'all', reject: null });
  expect(await sendoff.setPolicy({ rules })).toEqual([]);
  await ledger.shows({ accepted: 0 });
});
