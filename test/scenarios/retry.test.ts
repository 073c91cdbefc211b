// Mail that does not get through at once: schedules, reports, warnings, expiry, closed doors.
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, sendoffForFile, startSendoff } from '../harness/sendoff.ts';
import { until } from '../harness/until.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const policy = {
  rules: [
    { when: { to: '*.short.test' }, route: 'direct', retry: { after: '10m', expire: '1h', warn: [] } },
    { when: { to: '*.thrice.test' }, route: 'direct', retry: { after: '1h', attempts: 3, warn: [] } },
  ],
  retry: { default: { classes: { greylisted: { after: ['5m', '5m', '15m'] } } } },
};

const network = networkForFile();
const daemon = sendoffForFile(() => ({
  dns: network().dns,
  mxPort: network().mxPort,
  policy,
  settings: { postmaster: 'postmaster@home.test' },
}));

/** The last deferral of a message, when it is the nth. */
async function deferral(sendoff: Sendoff, id: string, nth: number) {
  const lines = await sendoff.about(id, 'deferred', nth);
  const { time, next, class: failureClass } = lines[nth - 1] ?? {};
  return { next: String(next), pause: Date.parse(String(next)) - Date.parse(String(time)), failureClass };
}

/** Lets `count` attempts fail, each at its time; the pauses that followed. */
async function failures(sendoff: Sendoff, id: string, count: number): Promise<number[]> {
  const pauses: number[] = [];
  for (let nth = 1; nth <= count; nth++) {
    const { next, pause } = await deferral(sendoff, id, nth);
    pauses.push(pause);
    await sendoff.advanceTo(next);
  }
  return pauses;
}

const within = (pause: number, planned: number): boolean => Math.abs(pause / planned - 1) <= 0.101;

test.each<{ what: string; reply: string; planned: number[]; failureClass: string }>([
  {
    what: 'the default schedule',
    reply: '451 4.3.2 System not accepting messages',
    planned: [1, 5, 10, 20, 40],
    failureClass: 'unreachable',
  },
  {
    what: "its class's schedule",
    reply: '450 4.7.1 Greylisted, come back later',
    planned: [5, 5, 15, 15],
    failureClass: 'greylisted',
  },
])(
  'a temporary refusal is tried again by $what until it is taken',
  async ({ reply, planned, failureClass }) => {
    const sendoff = daemon();
    const ledger = await openLedger(sendoff);
    const { peer, domain } = await network().receiver();
    peer.setScript({ rcpt: planned.map(() => reply) });
    const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
    const pauses = await failures(sendoff, id, planned.length);
    expect(pauses.map((pause, i) => within(pause, (planned[i] ?? 0) * MINUTE) || pause)).toEqual(
      planned.map(() => true),
    );
    await ledger.shows({ accepted: 1, delivered: 1 });

    const attempts = await sendoff.about(id, 'attempt', planned.length + 1);
    expect(attempts.map(({ attempt }) => attempt)).toEqual([...planned, 0].map((_, i) => i + 1));
    expect(attempts.slice(0, -1).every((line) => line.class === failureClass && line.reply === reply)).toBe(
      true,
    );
    for (const [i, { next }] of sendoff.soFar(id, 'deferred').entries()) {
      expect(Date.parse(String(attempts[i + 1]?.time))).toBeGreaterThanOrEqual(Date.parse(String(next)));
    }
  },
);

test('a host that names a time shuts its door until then, for all mail of the destination', async () => {
  const sendoff = daemon();
  const { peer, domain } = await network().receiver();
  peer.setScript({ greeting: ['421 4.7.0 Too busy, please try again in 30 minutes'] });
  const ids = [await sendoff.send({ from: '', to: `ann@${domain}` })];
  const [deferred] = await sendoff.about(ids[0] ?? '', 'deferred');
  expect(deferred).toMatchObject({ retryAfter: 30 * MINUTE });
  ids.push(await sendoff.send({ from: '', to: `bob@${domain}` }));
  await sendoff.advance(29 * MINUTE);
  await sendoff.books();
  expect(peer.connectionsSeen).toBe(1);
  await sendoff.advance(4 * MINUTE);
  for (const id of ids) await sendoff.about(id, 'delivered');
});

test('a permanent refusal is reported to the sender, with the words and the message', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  peer.setScript({ dot: '554-5.6.0 We do not like\n554 5.6.0 what you wrote' });
  const from = network().sender();
  const id = await sendoff.send({ from, to: [`ann@${domain}`, `bob@${domain}`] });
  await ledger.shows({ accepted: 3, delivered: 1, bounced: 2 });

  const { headers, human, perMessage, recipients, returned } = await network().report(from);
  expect(headers.get('to')).toContain(from);
  expect(headers.get('from')).toMatch(/MAILER-DAEMON@relay\.example\.net/i);
  expect(headers.get('auto-submitted')).toBe('auto-replied');
  expect(perMessage.get('reporting-mta')).toBe('dns; relay.example.net');
  expect(recipients.map((fields) => fields.get('final-recipient'))).toEqual([
    `rfc822; ann@${domain}`,
    `rfc822; bob@${domain}`,
  ]);
  for (const fields of recipients) {
    expect(fields.get('action')).toBe('failed');
    expect(fields.get('status')).toBe('5.6.0');
    expect(fields.get('remote-mta')).toBe(`dns; mx1.${domain}`);
    expect(fields.get('diagnostic-code')).toBe('smtp; 554-5.6.0 We do not like 554 5.6.0 what you wrote');
  }
  expect(human).toContain('what you wrote');
  expect(returned.type).toBe('message/rfc822');
  expect(returned.content).toContain('\r\nHello\r\n');
  const bounced = await sendoff.about(id, 'bounced', 2);
  expect(bounced).toMatchObject([{ status: '5.6.0' }, { dsn: bounced[0]?.dsn }]);
});

test('of a large message the report gives back the header alone', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  peer.setScript({ rcpt: '550 5.1.1 No such user' });
  const from = network().sender();
  const content = `Subject: large\r\n\r\n${'0123456789\r\n'.repeat(5000)}`;
  await sendoff.send({ from, to: `ann@${domain}`, content });
  await ledger.shows({ accepted: 2, delivered: 1, bounced: 1 });
  const { returned } = await network().report(from);
  expect(returned.type).toBe('text/rfc822-headers');
  expect(returned.content).toContain('Subject: large');
  expect(returned.content).not.toContain('0123456789');
});

test('mail that never gets through expires, with a last attempt at the end and a report', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver({}, 'short.test');
  peer.setScript({ rcpt: '450 4.2.1 Mailbox busy' });
  const from = network().sender();
  const id = await sendoff.send({ from, to: `ann@${domain}` });
  const arrived = sendoff.now;
  await failures(sendoff, id, 6);
  const expired = await until('the end', async () => {
    const [line] = sendoff.soFar(id, 'expired');
    if (!line) await sendoff.advanceTo(sendoff.soFar(id, 'deferred').at(-1)?.next);
    return line;
  });
  await ledger.shows({ accepted: 2, delivered: 1, expired: 1 });
  expect(expired).toMatchObject({ to: `ann@${domain}`, status: '4.2.1' });
  const last = Date.parse(String(sendoff.soFar(id, 'attempt').at(-1)?.time));
  expect(Math.abs(last - arrived - HOUR)).toBeLessThan(10_000);
  const { recipients } = await network().report(from);
  expect(recipients[0]?.get('action')).toBe('failed');
  expect(recipients[0]?.get('status')).toBe('4.2.1');
});

test('a schedule with `attempts` gives up after that many', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver({}, 'thrice.test');
  peer.setScript({ rcpt: '450 4.2.1 Mailbox busy' });
  const from = network().sender();
  const id = await sendoff.send({ from, to: `ann@${domain}` });
  await failures(sendoff, id, 2);
  await ledger.shows({ accepted: 2, delivered: 1, expired: 1 });
  expect(await sendoff.about(id, 'attempt', 3)).toHaveLength(3);
  expect((await network().report(from)).recipients[0]?.get('action')).toBe('failed');
});

test('the sender is warned after 4 hours and after a day, a null sender never', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  peer.setScript({ rcpt: '450 4.2.1 Mailbox busy' });
  const from = network().sender();
  const id = await sendoff.send({ from, to: `ann@${domain}` });
  const ofNobody = await sendoff.send({ from: '', to: `ann@${domain}` });
  await sendoff.about(id, 'deferred');
  await sendoff.about(ofNobody, 'deferred');
  await sendoff.advance(4 * HOUR);
  const first = await network().report(from);
  expect(Object.fromEntries(first.recipients[0] ?? [])).toMatchObject({
    action: 'delayed',
    status: '4.2.1',
    'final-recipient': `rfc822; ann@${domain}`,
    'will-retry-until': expect.stringMatching(/\d{4}/),
  });
  await sendoff.advance(20 * HOUR);
  expect((await network().report(from, 2)).recipients[0]?.get('action')).toBe('delayed');
  await ledger.shows({ accepted: 4, delivered: 2, queued: 2 });
  // An attempt may be under way: the script changes between attempts, not within one.
  await until('both attempts of the second day', () =>
    [id, ofNobody].every((one) => sendoff.soFar(one, 'deferred').length >= 3),
  );
  peer.setScript({});
  await sendoff.advance(5 * HOUR);
  await ledger.shows({ accepted: 4, delivered: 4 });
});

test('nobody is told of a bounce from the null sender', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  peer.setScript({ rcpt: '550 5.1.1 No such user' });
  const id = await sendoff.send({ from: '', to: `ann@${domain}` });
  await ledger.shows({ accepted: 1, bounced: 1 });
  expect(await sendoff.about(id, 'bounced')).toMatchObject([{ dsn: null }]);
});

test('a report that bounces goes to the postmaster, and ends there', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  peer.setScript({ rcpt: '550 5.1.1 No such user' });
  await sendoff.send({ from: `gone@${domain}`, to: `ann@${domain}` });
  await ledger.shows({ accepted: 3, bounced: 2, delivered: 1 });
  const { recipients } = await network().report('postmaster@home.test');
  expect(recipients[0]?.get('final-recipient')).toBe(`rfc822; gone@${domain}`);

  network().home.setScript({ rcpt: '550 5.1.1 No such user' });
  await sendoff.send({ from: `gone@${domain}`, to: `ann@${domain}` });
  await ledger.shows({ accepted: 6, bounced: 5, delivered: 1 });
  network().home.setScript({});
});

test('after a jump of the clock past the expiry there is one more attempt', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  peer.setScript({ rcpt: ['450 4.2.1 Mailbox busy'] });
  const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  await sendoff.about(id, 'deferred');
  await sendoff.advance(6 * DAY);
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(await sendoff.about(id, 'attempt', 2)).toHaveLength(2);
});

test('without a postmaster a report that bounces is dropped and counted; a last attempt that fails expires', async () => {
  const { dns, mxPort } = network();
  const { peer, domain } = await network().receiver();
  peer.setScript({
    rcpt: ({ line }) => (line.includes('busy') ? '450 4.2.1 Busy' : '550 5.1.1 No such user'),
  });
  const sendoff = await startSendoff({ dns, mxPort });
  await sendoff.send({ from: `gone@${domain}`, to: `ann@${domain}` });
  expect(await sendoff.settled()).toMatchObject({ accepted: 2, bounced: 2, queued: 0 });
  const from = network().sender();
  const id = await sendoff.send({ from, to: `busy@${domain}` });
  await sendoff.about(id, 'deferred');
  await sendoff.stop();

  const late = await startSendoff({ dns, mxPort, folder: sendoff.folder, offset: 6 * DAY });
  expect(await late.settled()).toMatchObject({
    accepted: 4,
    bounced: 2,
    expired: 1,
    delivered: 1,
    queued: 0,
  });
  expect(await late.about(id, 'attempt')).toMatchObject([{ attempt: 2, result: 'deferred' }]);
  expect((await network().report(from)).recipients[0]?.get('action')).toBe('failed');
});
