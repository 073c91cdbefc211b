// An operator suspends what mail is for and resumes it: nothing is tried meanwhile, nothing is charged.
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, sendoffForFile, startSendoff } from '../harness/sendoff.ts';
import { until } from '../harness/until.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, mxPort: network().mxPort, policy: {} }));

type Body = Readonly<Record<string, string>>;

async function post(sendoff: Sendoff, path: string, body: Body): Promise<Record<string, unknown>> {
  const headers = { 'content-type': 'application/json' };
  const answer = await sendoff.api(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return answer as Record<string, unknown>;
}

const suspend = (sendoff: Sendoff, body: Body) => post(sendoff, '/api/suspend', body);
const resume = (sendoff: Sendoff, body: Body) => post(sendoff, '/api/resume', body);

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly attempts: number;
  readonly suspended: { reason: string; until: string } | null;
}

async function listed(sendoff: Sendoff, id: string): Promise<Listed | undefined> {
  const { entries } = (await sendoff.api(`/api/queue?id=${id}`)) as { entries: Listed[] };
  return entries[0];
}

/** Lets the daemon's sweeps pass: whatever it would try by now is on its way. */
async function sweeps(sendoff: Sendoff): Promise<void> {
  for (let n = 0; n < 3; n++) await sendoff.advance(1000);
  await sendoff.books();
}

test('mail to a suspended domain waits, others go, a restart keeps it, its time ends it', async () => {
  const { dns, mxPort } = network();
  const sendoff = await startSendoff({ dns, mxPort, policy: {} });
  const suspended = await network().receiver();
  const other = await network().receiver();
  const { domain } = suspended;
  const order = await suspend(sendoff, { domain: domain.toUpperCase(), for: '2h', reason: 'they move' });
  expect(order).toMatchObject({ domain, route: null, site: null, reason: 'they move' });
  await sendoff.event('suspended', (line) => line.domain === domain && line.until === order.until);
  const id = await sendoff.send({ from: '', to: `ann@${domain}` });
  const passing = await sendoff.send({ from: '', to: `ann@${other.domain}` });
  await sendoff.about(passing, 'delivered');
  await sweeps(sendoff);
  const until = order.until;
  const waiting = { state: 'suspended', attempts: 0, suspended: { reason: 'they move', until }, next: until };
  expect(await listed(sendoff, id)).toMatchObject(waiting);
  expect(await sendoff.api('/api/destinations')).toMatchObject({
    destinations: [{ domain, state: 'suspended', suspended: { reason: 'they move', until }, entries: 1 }],
  });
  expect(String(await sendoff.api('/metrics'))).toContain('sendoff_destinations{state="suspended"} 1');

  const { folder } = sendoff;
  const ahead = sendoff.now - Date.now();
  await sendoff.stop();
  const again = await startSendoff({ dns, mxPort, policy: {}, folder, offset: ahead });
  await sweeps(again);
  expect(await listed(again, id)).toMatchObject(waiting);
  expect(await again.books()).toMatchObject({ accepted: 2, delivered: 1, queued: 1 });
  expect(suspended.peer.connectionsSeen).toBe(0);
  await again.advanceTo(until);
  expect(await again.settled()).toMatchObject({ accepted: 2, delivered: 2 });
  await again.event('resumed', (line) => line.domain === domain && line.by === 'time');
  expect(await again.about(id, 'attempt')).toMatchObject([{ attempt: 1 }]);
});

test('a site is suspended though nobody knew it yet, and resumed before its time', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { domain, peer } = await network().receiver();
  const site = `mx1.${domain}`;
  await suspend(sendoff, { site, for: '1d' });
  const id = await sendoff.send({ from: '', to: `ann@${domain}` });
  await until('the look at its hosts', async () => (await listed(sendoff, id))?.state === 'suspended');
  await sweeps(sendoff);
  await ledger.shows({ accepted: 1, queued: 1 });
  expect(peer.connectionsSeen).toBe(0);
  expect(await sendoff.change('retry', { id })).toEqual({ changed: 1, busy: 0 });
  await sweeps(sendoff);
  expect(peer.connectionsSeen).toBe(0);
  expect(await resume(sendoff, { site })).toEqual({ resumed: 1 });
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(await resume(sendoff, { site })).toEqual({ resumed: 0 });
});

test('what is under way when a suspension begins is finished, and nothing after it', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const go = Promise.withResolvers<void>();
  const { domain, peer } = await network().receiver({ script: { dot: { do: 'wait', for: go.promise } } });
  const first = await sendoff.send({ from: '', to: `ann@${domain}` });
  await until('the transaction', () => peer.commands.some((line) => line.endsWith('DATA')));
  const second = await sendoff.send({ from: '', to: `ann@${domain}` });
  await suspend(sendoff, { route: 'direct', domain });
  go.resolve();
  await sendoff.about(first, 'delivered');
  peer.setScript({});
  await sweeps(sendoff);
  expect(await listed(sendoff, second)).toMatchObject({ state: 'suspended', attempts: 0 });
  expect(peer.messages).toHaveLength(1);
  await until('the end of the run', () => peer.connectionsOpen === 0);
  await resume(sendoff, { route: 'direct' });
  await ledger.shows({ accepted: 2, delivered: 2 });
});

test('a suspended domain waits on a smarthost too, and the others of the same message do not', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const peer = await network().peer({ port: 0 });
  const hosts = [`${peer.address}:${peer.port}`];
  const rules = [{ when: { to: '*.office.test' }, route: 'office' }];
  const routes = { office: { via: 'smarthost', hosts, tls: 'none' } };
  expect(await sendoff.setPolicy({ routes, rules })).toEqual([]);
  const [one, two] = [network().name('office.test'), network().name('office.test')];
  await suspend(sendoff, { domain: one, for: '3h' });
  const id = await sendoff.send({ from: '', to: [`ann@${one}`, `bob@${two}`] });
  await ledger.shows({ accepted: 2, delivered: 1, queued: 1 });
  expect(peer.messages).toMatchObject([{ to: [`bob@${two}`] }]);
  expect(await listed(sendoff, id)).toMatchObject({ state: 'suspended', attempts: 0, to: [`ann@${one}`] });
  // Another end for the same scope takes the place of the first.
  await suspend(sendoff, { domain: one, for: '4h' });
  await sendoff.advance(3 * HOUR + MINUTE);
  await sweeps(sendoff);
  await ledger.shows({ accepted: 2, delivered: 1, queued: 1 });
  await resume(sendoff, { domain: one });
  await ledger.shows({ accepted: 2, delivered: 2 });
  expect(peer.messages).toHaveLength(2);
});

test('suspended mail expires in its time, and its report says why', async () => {
  const { dns, mxPort } = network();
  const rules = [{ when: { to: '*.short.test' }, route: 'direct', retry: { expire: '4h', warn: [] } }];
  const sendoff = await startSendoff({ dns, mxPort, policy: { rules } });
  const { domain, peer } = await network().receiver({}, 'short.test');
  const from = network().sender();
  await suspend(sendoff, { domain, for: '30d', reason: 'a quarrel of ours' });
  const id = await sendoff.send({ from, to: `ann@${domain}` });
  await sendoff.advance(4 * HOUR + MINUTE);
  await sendoff.about(id, 'expired');
  const { recipients, human } = await network().report(from);
  expect(recipients[0]?.get('status')).toBe('4.3.2');
  expect(human.replace(/\s+/g, ' ')).toContain('delivery to this destination is suspended');
  expect(human).not.toContain('quarrel');
  expect(peer.connectionsSeen).toBe(0);
  expect(await sendoff.settled()).toMatchObject({ accepted: 2, expired: 1, delivered: 1 });
});

test('what cannot be suspended is refused by the field', async () => {
  const sendoff = daemon();
  const error = (field: string) => ({ error: expect.stringContaining(field) });
  expect(await suspend(sendoff, {})).toMatchObject(error('scope'));
  expect(await resume(sendoff, {})).toMatchObject(error('scope'));
  expect(await suspend(sendoff, { route: 'nowhere' })).toMatchObject(error('route'));
  expect(await suspend(sendoff, { domain: 'a.test', for: 'long' })).toMatchObject(error('for'));
  expect(await sendoff.api('/api/suspensions')).toEqual({ suspensions: [] });
});
