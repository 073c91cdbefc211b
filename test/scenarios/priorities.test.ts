// Urgent mail overtakes what waits, newsletters get on beside it, and a reload moves what is queued.
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, startSendoff } from '../harness/sendoff.ts';
import { SmtpClient } from '../harness/smtp-client.ts';

const RECEIPTS = 'receipts@shop.example';
const NEWS = 'news@shop.example';
const INVOICES = 'invoices@shop.example';
const CLIENTS = 20;
const CONTENT = 'Subject: yours\r\n\r\nHello\r\n';

const network = networkForFile();

/** Puts `count` messages in, over several connections. */
async function sendMany(sendoff: Sendoff, from: string, to: string, count: number): Promise<void> {
  let left = count;
  const one = async (): Promise<void> => {
    const client = await SmtpClient.ready({ port: sendoff.port });
    while (left-- > 0) expect(await client.message(from, [to], CONTENT)).toMatchObject({ code: 250 });
    client.destroy();
  };
  await Promise.all(Array.from({ length: CLIENTS }, one));
}

function post(sendoff: Sendoff, path: string, body: object): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  return sendoff.api(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

async function prioritiesOf(sendoff: Sendoff, sender: string): Promise<Set<string>> {
  const path = `/api/queue?limit=10000&sender=${encodeURIComponent(sender)}`;
  const { entries } = (await sendoff.api(path)) as { entries: { priority: string }[] };
  return new Set(entries.map(({ priority }) => priority));
}

test('600 urgent messages leave low ones a tenth of one connection, and everything is delivered', async () => {
  const { dns, mxPort } = network();
  const { domain, peer } = await network().receiver({ keepData: false });
  const sites = { shop: { domains: [domain], connections: 1, messagesPerConnection: 1000 } };
  const rules = [
    { when: { from: RECEIPTS }, priority: 'high' },
    { when: { from: NEWS }, priority: 'low' },
  ];
  const sendoff = await startSendoff({ dns, mxPort, policy: { sites, rules } });
  const ledger = await openLedger(sendoff);
  await post(sendoff, '/api/suspend', { domain, for: '1h' });
  const to = `ann@${domain}`;
  await sendMany(sendoff, NEWS, to, 120);
  await sendMany(sendoff, INVOICES, to, 30);
  await sendMany(sendoff, RECEIPTS, to, 600);
  expect(await prioritiesOf(sendoff, INVOICES)).toEqual(new Set(['normal']));

  const urgentToo = [...rules, { when: { from: INVOICES }, priority: 'high' }];
  expect(await sendoff.setPolicy({ sites, rules: urgentToo })).toEqual([]);
  await expect.poll(() => prioritiesOf(sendoff, INVOICES)).toEqual(new Set(['high']));
  expect(await prioritiesOf(sendoff, NEWS)).toEqual(new Set(['low']));
  expect(await sendoff.api('/api/destinations')).toMatchObject({
    total: 1,
    destinations: [{ entries: 750 }],
  });

  await post(sendoff, '/api/resume', { domain });
  await peer.received(750, 20_000);
  await ledger.shows({ accepted: 750, delivered: 750 });
  const senders = peer.messages.map(({ from }) => from);
  expect(senders).toHaveLength(750);
  expect(peer.maxConnectionsSeen).toBe(1);
  for (let start = 0; start < 600; start += 100) {
    const low = senders.slice(start, start + 100).filter((from) => from === NEWS).length;
    expect(low).toBeGreaterThanOrEqual(9);
    expect(low).toBeLessThanOrEqual(11);
  }
  // They came before the receipts, and are as urgent by now.
  expect(senders.slice(0, 36).filter((from) => from === INVOICES)).toHaveLength(30);
});
