// An operator moves queued mail to another route: now, for good, and nobody else's.
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile, type Receiver } from '../harness/network.ts';
import { type Sendoff, startSendoff } from '../harness/sendoff.ts';
import type { Peer, PeerOptions } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const BUSY = '450 4.2.1 Mailbox busy';
const DIRECT = [{ name: 'all', when: 'any', route: 'direct' }];

const network = networkForFile();

interface World {
  readonly sendoff: Sendoff;
  /** Behind the route `provider`. */
  readonly provider: Peer;
  readonly policy: Readonly<Record<string, unknown>>;
}

async function world(): Promise<World> {
  const { dns, mxPort } = network();
  const provider = await network().peer({ port: 0 });
  const hosts = [`${provider.address}:${provider.port}`];
  const nowhere = { via: 'discard' };
  const routes = { direct: { via: 'mx' }, provider: { via: 'smarthost', hosts, tls: 'none' }, nowhere };
  const policy = { routes, rules: DIRECT };
  return { sendoff: await startSendoff({ dns, mxPort, policy }), provider, policy };
}

/** A message that its MX host did not take yet. */
async function waiting(
  sendoff: Sendoff,
  script: PeerOptions['script'] = { rcpt: BUSY },
): Promise<Receiver & { id: string }> {
  const receiver = await network().receiver({ ...(script && { script }) });
  const id = await sendoff.send({ from: '', to: `ann@${receiver.domain}` });
  await sendoff.about(id, 'deferred');
  return { ...receiver, id };
}

async function entry(sendoff: Sendoff, id: string): Promise<unknown> {
  const { entries } = (await sendoff.api(`/api/queue?id=${id}`)) as { entries: unknown[] };
  return entries[0];
}

test('mail that waits goes by the other route at once; what the filter does not name stays', async () => {
  const { sendoff, provider } = await world();
  const ledger = await openLedger(sendoff);
  const moved = await waiting(sendoff);
  const other = await waiting(sendoff);
  const answer = await sendoff.change('reroute', { to: 'provider', domain: moved.domain });
  expect(answer).toEqual({ changed: 1, busy: 0, inDoubt: 0 });
  await ledger.shows({ accepted: 2, delivered: 1, queued: 1 });
  expect(provider.messages).toMatchObject([{ to: [`ann@${moved.domain}`] }]);
  expect(moved.peer.messages).toEqual([]);
  expect(await entry(sendoff, other.id)).toMatchObject({ route: 'direct', forcedRoute: null });
});

test('the route stays forced over refusals, reloads and restarts', async () => {
  const { sendoff, provider, policy } = await world();
  provider.setScript({ rcpt: BUSY });
  const { id } = await waiting(sendoff);
  await sendoff.change('reroute', { to: 'provider', id });
  await sendoff.about(id, 'deferred', 2);
  const attempted = [
    { rule: 'all', route: 'direct', reason: 'first in the list' },
    { rule: 'all', route: 'provider', reason: 'the operator chose it' },
  ];
  const forced = { route: 'provider', forcedRoute: 'provider', attempts: 2, attempted };
  expect(await entry(sendoff, id)).toMatchObject(forced);
  expect(await sendoff.change('reroute', { to: 'provider', id })).toMatchObject({ changed: 0 });
  expect(await sendoff.setPolicy({ ...policy, rules: [{ when: { to: '*.no.test' }, reject: {} }] })).toEqual(
    [],
  );
  expect(await entry(sendoff, id)).toMatchObject(forced);
  const ahead = sendoff.now - Date.now();
  const { folder } = sendoff;
  await sendoff.stop();

  const { dns, mxPort } = network();
  const again = await startSendoff({ dns, mxPort, policy, folder, offset: ahead });
  expect(await entry(again, id)).toMatchObject(forced);
  provider.setScript({});
  await again.change('retry', { id });
  expect(await again.settled()).toMatchObject({ accepted: 1, delivered: 1 });
  expect(provider.messages).toHaveLength(1);
});

test('held mail stays held, and is released by the route that it was given', async () => {
  const { sendoff, provider } = await world();
  const { id } = await waiting(sendoff);
  await sendoff.change('hold', { id });
  expect(await sendoff.change('reroute', { to: 'provider', id })).toMatchObject({ changed: 1 });
  expect(await entry(sendoff, id)).toMatchObject({ state: 'held', forcedRoute: 'provider' });
  await sendoff.change('release', { id });
  expect(await sendoff.settled()).toMatchObject({ accepted: 1, delivered: 1 });
  expect(provider.messages).toHaveLength(1);
});

test('what is in doubt is moved and counted; what is being delivered is left alone', async () => {
  const { sendoff, provider } = await world();
  const doubtful = await waiting(sendoff, { dot: { do: 'close' } });
  expect(await sendoff.change('reroute', { to: 'provider', id: doubtful.id })).toEqual({
    changed: 1,
    busy: 0,
    inDoubt: 1,
  });
  await sendoff.about(doubtful.id, 'delivered');
  expect(provider.messages).toHaveLength(1);

  const go = Promise.withResolvers<void>();
  const { domain, peer } = await network().receiver({ script: { dot: { do: 'wait', for: go.promise } } });
  const id = await sendoff.send({ from: '', to: `ann@${domain}` });
  await until('the transaction', () => peer.commands.some((line) => line.endsWith('DATA')));
  expect(await sendoff.change('reroute', { to: 'provider', id })).toMatchObject({ changed: 0, busy: 1 });
  go.resolve();
  await sendoff.about(id, 'delivered');
  expect(peer.messages).toHaveLength(1);
});

test('a route that is not there, one that throws mail away, and no filter are refused', async () => {
  const { sendoff } = await world();
  const { id } = await waiting(sendoff);
  const refused = async (body: Readonly<Record<string, string>>, why: string) =>
    expect(await sendoff.change('reroute', body)).toEqual({ error: expect.stringContaining(why) });
  await refused({ to: 'elsewhere', id }, 'no route "elsewhere"');
  await refused({ to: 'nowhere', id }, 'discards mail');
  await refused({ to: 'provider' }, 'filter');
  await refused({ id }, 'to');
  expect(await entry(sendoff, id)).toMatchObject({ route: 'direct', forcedRoute: null });
});
