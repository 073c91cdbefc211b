// Transactions as peers see them: recipients, connections, parameters, what a peer cannot take.
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { MESSAGE } from '../harness/running-sendoff.ts';
import { sendoffForFile } from '../harness/sendoff.ts';
import type { Peer } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, mxPort: network().mxPort }));

const commands = (peer: Peer, verb: string): string[] =>
  peer.commands.filter((line) => line.split(' ')[1] === verb);

test('recipients of one transaction fare differently: delivered, deferred, bounced with a report', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  peer.setScript({
    rcpt: ({ line, count }) => {
      if (line.includes('<later@') && count <= 3) return '450 4.2.1 Mailbox busy';
      return line.includes('<nobody@') ? '550-5.1.1 No such user\n550 5.1.1 here' : null;
    },
  });
  const from = network().sender();
  const to = ['ann', 'later', 'nobody'].map((name) => `${name}@${domain}`);
  const id = await sendoff.send({ from, to });
  await ledger.shows({ accepted: 4, delivered: 2, bounced: 1, queued: 1 });
  expect(peer.messages.map((message) => message.to)).toEqual([[`ann@${domain}`]]);
  expect(commands(peer, 'MAIL')).toHaveLength(1);

  const report = await network().report(from);
  expect(report.recipients).toHaveLength(1);
  expect(Object.fromEntries(report.recipients[0] ?? [])).toMatchObject({
    'final-recipient': `rfc822; nobody@${domain}`,
    action: 'failed',
    status: '5.1.1',
  });
  const attempts = await sendoff.about(id, 'attempt', 3);
  expect(attempts.map(({ to, result, status, attempt }) => [to, result, status, attempt])).toEqual([
    [`ann@${domain}`, 'delivered', '2.0.0', 1],
    [`later@${domain}`, 'deferred', '4.2.1', 1],
    [`nobody@${domain}`, 'bounced', '5.1.1', 1],
  ]);

  const deferred = await sendoff.event('deferred', (line) => line.id === id);
  await sendoff.advanceTo(deferred.next);
  await ledger.shows({ accepted: 4, delivered: 3, bounced: 1 });
  expect(peer.messages.map((message) => message.to)).toEqual([[`ann@${domain}`], [`later@${domain}`]]);
});

test('local parts keep their case: c@d and C@d are two recipients', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  await sendoff.send({ from: network().sender(), to: [`c@${domain}`, `C@${domain}`] });
  await ledger.shows({ accepted: 2, delivered: 2 });
  expect(peer.messages.map(({ to }) => to)).toEqual([[`c@${domain}`, `C@${domain}`]]);
});

test('1000 recipients go in transactions of 50, each of them once', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  const to = Array.from({ length: 1000 }, (_, i) => `r${i}@${domain}`);
  await sendoff.send({ from: network().sender(), to });
  await ledger.shows({ accepted: 1000, delivered: 1000 });
  expect(peer.messages.flatMap((message) => message.to)).toEqual(to);
  expect(peer.messages).toHaveLength(20);
  expect(peer.connectionsSeen).toBe(1);
});

test('a peer that wants fewer recipients a transaction gets the others at once', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver({ maxRecipients: 3 });
  const to = Array.from({ length: 10 }, (_, i) => `r${i}@${domain}`);
  const id = await sendoff.send({ from: network().sender(), to });
  await ledger.shows({ accepted: 10, delivered: 10 });
  expect(peer.messages.map((message) => message.to.length)).toEqual([3, 3, 3, 1]);
  expect(peer.messages.flatMap((message) => message.to).sort()).toEqual([...to].sort());
  const attempts = await sendoff.about(id, 'attempt', 10);
  expect(sendoff.soFar(id, 'deferred')).toEqual([]);
  expect(new Set(attempts.map(({ attempt }) => attempt))).toEqual(new Set([1]));
});

test('452 for a full mailbox is that recipient alone, and no loop', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  peer.setScript({ rcpt: ({ line }) => (line.includes('<full@') ? '452 4.2.2 Mailbox full' : null) });
  const id = await sendoff.send({ from: '', to: [`ann@${domain}`, `full@${domain}`, `bob@${domain}`] });
  await ledger.shows({ accepted: 3, delivered: 2, queued: 1 });
  expect(peer.messages.map(({ to }) => to)).toEqual([[`ann@${domain}`, `bob@${domain}`]]);
  expect(commands(peer, 'RCPT').filter((line) => line.includes('<full@'))).toHaveLength(1);
  const [deferred] = await sendoff.about(id, 'deferred');
  expect(deferred).toMatchObject({ to: `full@${domain}`, class: 'mailbox-full' });
  peer.setScript({});
  await sendoff.advanceTo(deferred?.next);
  await ledger.shows({ accepted: 3, delivered: 3 });
});

test('a connection serves message after message, and one that the peer closed costs nothing', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  const send = (): Promise<string> => sendoff.send({ from: '', to: `ann@${domain}` });
  for (const n of [1, 2, 3]) {
    await send();
    await peer.received(n);
  }
  expect(peer.connectionsSeen).toBe(1);
  expect(commands(peer, 'EHLO')).toHaveLength(1);

  peer.dropConnections();
  await until('no connection', () => peer.connectionsOpen === 0);
  const afterClose = await send();
  await peer.received(4);
  peer.setScript({ mail: [{ do: 'close', reply: '421 4.4.2 Idle for too long' }] });
  const after421 = await send();
  await ledger.shows({ accepted: 5, delivered: 5 });
  expect(peer.connectionsSeen).toBe(3);
  for (const id of [afterClose, after421]) {
    expect(await sendoff.about(id, 'attempt')).toMatchObject([{ result: 'delivered', attempt: 1 }]);
    expect(sendoff.soFar(id, 'deferred')).toEqual([]);
  }
});

const EIGHT_BIT = 'Subject: 8 bit\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n';

test('SIZE and BODY=8BITMIME are said where the peer offers them', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const able = await network().receiver();
  const plain = await network().receiver({ extensions: [] });
  await sendoff.send({ from: '', to: `ann@${able.domain}`, content: EIGHT_BIT });
  await sendoff.send({ from: '', to: `ann@${plain.domain}` });
  await ledger.shows({ accepted: 2, delivered: 2 });
  expect(able.peer.messages[0]?.parameters).toBe(`SIZE=${able.peer.messages[0]?.size} BODY=8BITMIME`);
  expect(able.peer.messages[0]?.data.includes(Buffer.from('Grüße'))).toBe(true);
  expect(plain.peer.messages[0]?.parameters).toBe('');
  expect(plain.peer.violations).toEqual([]);
});

test.each([
  { what: '8-bit content', extensions: ['SIZE'], content: EIGHT_BIT, status: '5.6.3' },
  {
    what: 'a message over its SIZE',
    extensions: ['SIZE 200', '8BITMIME'],
    content: MESSAGE.repeat(9),
    status: '5.3.4',
  },
])('$what that the peer cannot take is returned with $status', async ({ extensions, content, status }) => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver({ extensions });
  const from = network().sender();
  const id = await sendoff.send({ from, to: `ann@${domain}`, content });
  await ledger.shows({ accepted: 2, delivered: 1, bounced: 1 });
  expect(commands(peer, 'MAIL')).toEqual([]);
  const { recipients, headers } = await network().report(from);
  expect(recipients[0]?.get('status')).toBe(status);
  expect(headers.get('auto-submitted')).toBe('auto-replied');
  expect(await sendoff.about(id, 'bounced')).toMatchObject([{ status }]);
});
