// Decisions of a running daemon explained: for mail that is not there yet, and for mail that waits.
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { sendoffForFile } from '../harness/sendoff.ts';

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
