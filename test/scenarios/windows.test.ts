// Rules by the time of day with a whole daemon: mail that may leave by day only, mail that waits for the night.
import { expect, test } from 'vitest';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, startSendoff } from '../harness/sendoff.ts';
import { until } from '../harness/until.ts';

const HOUR = 3_600_000;
const network = networkForFile();

/** Zones whose hours are known without a calendar: they have no summer time. */
const DAY = { hours: '07:00-20:00', zone: 'Etc/GMT-1' };
const NIGHT = { hours: '21:00-05:00', zone: 'UTC' };

/** How far a clock is ahead that shows this time of a day to come, in UTC. */
function aheadTo(hour: number): number {
  const noon = new Date();
  noon.setUTCDate(noon.getUTCDate() + 1);
  return noon.setUTCHours(hour, 0, 0, 0) - Date.now();
}

interface Listed {
  readonly state: string;
  readonly attempts: number;
  readonly window: string | null;
  readonly next: string | null;
  readonly hold: string | null;
}

async function listed(sendoff: Sendoff, id: string): Promise<Listed | undefined> {
  const { entries } = (await sendoff.api(`/api/queue?id=${id}`)) as { entries: Listed[] };
  return entries[0];
}

/** The next moment at which a clock shows this hour in UTC. */
function nextAt(sendoff: Sendoff, hour: number): string {
  const moment = new Date(sendoff.now);
  if (moment.getUTCHours() >= hour) moment.setUTCDate(moment.getUTCDate() + 1);
  return new Date(moment.setUTCHours(hour, 0, 0, 0)).toISOString();
}

test('mail with a window leaves at its opening: untried, unwarned, not expired, also when it came at night', async () => {
  const { peer, domain } = await network().receiver();
  const other = await network().receiver();
  const customers = { name: 'by day', when: { to: domain }, window: DAY, route: 'direct' };
  const policy = {
    retry: { default: { expire: '1h', warn: ['10m'] } },
    rules: [customers, { name: 'rest', route: 'direct' }],
  };
  const { dns, mxPort } = network();
  const sendoff = await startSendoff({ dns, mxPort, policy, offset: aheadTo(20) });
  const from = network().sender();
  const id = await sendoff.send({ from, to: `ann@${domain}` });
  await sendoff.about(await sendoff.send({ from, to: `ann@${other.domain}` }), 'delivered');
  const opening = nextAt(sendoff, 6);
  expect(await listed(sendoff, id)).toMatchObject({
    state: 'queued',
    attempts: 0,
    window: opening,
    next: opening,
  });

  await sendoff.advance(5 * HOUR);
  expect(await sendoff.books()).toMatchObject({ accepted: 2, queued: 1 });
  expect(peer.connectionsSeen).toBe(0);
  peer.setScript({ rcpt: ['450 4.2.1 Busy, try again in 20 minutes'] });
  await sendoff.advanceTo(opening);
  const [deferred] = await sendoff.about(id, 'deferred');
  expect(deferred).toMatchObject({ retryAfter: 20 * 60_000 });
  const pause = Date.parse(String(deferred?.next)) - Date.parse(String(deferred?.time));
  expect(Math.round(pause / 60_000)).toBeGreaterThanOrEqual(20);
  expect(Math.round(pause / 60_000)).toBeLessThanOrEqual(22);
  await sendoff.advanceTo(deferred?.next);
  await sendoff.about(id, 'delivered');
  // The 10 minutes of its warning had begun with the opening.
  await until('its warning', () => sendoff.events('accepted').some(({ origin }) => origin === 'dsn'));
});

test('a window that shuts keeps what is not under way; a reload without it lets all of it go', async () => {
  const { peer, domain } = await network().receiver();
  const policy = { rules: [{ name: 'by day', window: DAY, route: 'direct' }] };
  const { dns, mxPort } = network();
  const sendoff = await startSendoff({ dns, mxPort, policy, offset: aheadTo(18) });
  peer.setScript({ rcpt: ['450 4.2.1 Mailbox busy', '450 4.2.1 Mailbox busy'] });
  const ids = [
    await sendoff.send({ from: '', to: `ann@${domain}` }),
    await sendoff.send({ from: '', to: `bob@${domain}` }),
  ];
  for (const id of ids) await sendoff.about(id, 'deferred');
  await sendoff.advance(HOUR);
  await until('both wait for the morning', async () => {
    const views = await Promise.all(ids.map((id) => listed(sendoff, id)));
    return views.every((view) => view?.window === nextAt(sendoff, 6));
  });
  expect(peer.messages).toHaveLength(0);
  expect(await sendoff.setPolicy({ rules: [{ name: 'by day', route: 'direct' }] })).toEqual([]);
  expect(await sendoff.settled()).toMatchObject({ delivered: 2 });
});

test('what a rule holds by day is let go at night, by the route of the night, also after a restart', async () => {
  const { peer, domain } = await network().receiver();
  const relay = await network().receiver();
  const policy = {
    routes: {
      direct: { via: 'mx' },
      relay: { via: 'smarthost', hosts: [`${relay.peer.address}:${network().mxPort}`] },
    },
    rules: [
      { name: 'big', when: { size: '>10KB', not: { time: NIGHT } }, hold: 'too big for the day' },
      { name: 'nights', when: { time: NIGHT }, route: 'relay' },
      { name: 'days', route: 'direct' },
    ],
  };
  const { dns, mxPort } = network();
  const sendoff = await startSendoff({ dns, mxPort, policy, offset: aheadTo(12) });
  const big = await sendoff.send({
    from: '',
    to: `ann@${domain}`,
    content: `Subject: big\r\n\r\n${'0123456789\r\n'.repeat(1000)}`,
  });
  const small = await sendoff.send({ from: '', to: `ann@${domain}` });
  await sendoff.about(small, 'delivered');
  expect(await listed(sendoff, big)).toMatchObject({
    state: 'held',
    hold: 'rule "big": too big for the day',
  });
  await sendoff.advance(HOUR);
  expect(await sendoff.books()).toMatchObject({ queued: 1, held: 1 });

  const { folder } = sendoff;
  const night = Date.parse(nextAt(sendoff, 21)) - Date.now();
  await sendoff.stop();
  const again = await startSendoff({ dns, mxPort, policy, folder, offset: night });
  await again.about(big, 'delivered');
  expect([peer.messages.length, relay.peer.messages.length]).toEqual([1, 1]);
  const late = await again.send({ from: '', to: `ann@${domain}` });
  await again.about(late, 'delivered');
  expect(relay.peer.messages).toHaveLength(2);
});

test('at the boundary itself, without a restart: held mail leaves', async () => {
  const { domain } = await network().receiver();
  const rules = [
    { name: 'days', when: { not: { time: NIGHT } }, hold: 'only at night' },
    { name: 'nights', route: 'direct' },
  ];
  const { dns, mxPort } = network();
  const sendoff = await startSendoff({ dns, mxPort, policy: { rules }, offset: aheadTo(20) });
  const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  await sendoff.about(id, 'held');
  await sendoff.advance(HOUR + 1000);
  await sendoff.about(id, 'delivered');
  expect(sendoff.events('accepted')).toHaveLength(1);
});

test('warnings follow the policy that is in force when they are due', async () => {
  const { peer, domain } = await network().receiver();
  peer.setScript({ rcpt: '450 4.2.1 Mailbox busy' });
  const from = network().sender();
  const rule = { name: 'all', route: 'direct', retry: { after: ['10h'] } };
  const { dns, mxPort } = network();
  const sendoff = await startSendoff({ dns, mxPort, policy: { rules: [{ ...rule, warn: ['1h'] }] } });
  const id = await sendoff.send({ from, to: `ann@${domain}` });
  await sendoff.about(id, 'deferred');
  expect(await sendoff.setPolicy({ rules: [{ ...rule, warn: [] }] })).toEqual([]);
  await sendoff.advance(5 * HOUR);
  expect(await sendoff.setPolicy({ rules: [{ ...rule, warn: ['3h', '9h'] }] })).toEqual([]);
  const report = await network().report(from);
  expect(report.recipients[0]?.get('action')).toBe('delayed');
  // The log may come some milliseconds after the mail.
  await sendoff.event('accepted', ({ origin }) => origin === 'dsn');
  expect(sendoff.events('accepted')).toHaveLength(2);
});

test('reports go to whom policy names: nobody, an address, or the sender', async () => {
  const { peer, domain } = await network().receiver();
  peer.setScript({ rcpt: ['550 5.1.1 No such user', '550 5.1.1 No such user', '550 5.1.1 No such user'] });
  const desk = network().sender();
  const from = network().sender();
  const policy = {
    rules: [
      { name: 'silent', when: { to: `silent@${domain}` }, bounces: 'none', route: 'direct' },
      { name: 'desk', when: { to: `desk@${domain}` }, bounces: desk, route: 'direct' },
      { name: 'rest', route: 'direct' },
    ],
  };
  const { dns, mxPort } = network();
  const sendoff = await startSendoff({ dns, mxPort, policy });
  const id = await sendoff.send({ from, to: ['silent', 'desk', 'rest'].map((name) => `${name}@${domain}`) });
  expect(await sendoff.settled()).toMatchObject({ accepted: 5, bounced: 3, delivered: 2 });
  const bounced = await sendoff.about(id, 'bounced', 3);
  expect(bounced.map(({ to, dsn }) => `${to} ${dsn !== null}`).sort()).toEqual([
    `desk@${domain} true`,
    `rest@${domain} true`,
    `silent@${domain} false`,
  ]);
  const toDesk = await network().report(desk);
  expect(toDesk.headers.get('to')).toBe(`<${desk}>`);
  expect(toDesk.human.replaceAll('\n', ' ')).toContain(`from ${from} could not be delivered`);
  expect(toDesk.recipients.map((fields) => fields.get('final-recipient'))).toEqual([
    `rfc822; desk@${domain}`,
  ]);
  expect((await network().report(from)).recipients.map((fields) => fields.get('final-recipient'))).toEqual([
    `rfc822; rest@${domain}`,
  ]);
});
