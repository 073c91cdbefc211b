// POP before SMTP through the whole daemon: a smarthost that takes mail from whoever just read theirs.
import { expect, test } from 'vitest';
import { authority } from '../harness/certificates.ts';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type PopServer, startPopServer } from '../harness/pop3-server.ts';
import { type Sendoff, sendoffForFile } from '../harness/sendoff.ts';
import type { Peer } from '../harness/smtp-peer.ts';

const MINUTE = 60_000;

const { cert } = await authority();

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, authority: cert, policy: {} }));

/** Refuses the client's address at RCPT until a login at `pop` came from it. */
const smarthost = (pop: PopServer, client: string): Promise<Peer> =>
  network().peer({
    port: 0,
    script: { rcpt: () => (pop.knows(client) ? null : '550 5.7.1 Relaying denied, check your mail first') },
  });

const policyFor = (route: string, peer: Peer, pop: PopServer, client: string, login: object) => ({
  routes: {
    [route]: {
      via: 'smarthost',
      hosts: [`${peer.address}:${peer.port}`],
      sources: [{ address: client }],
      auth: { popBeforeSmtp: { host: pop.address, port: pop.port, user: pop.user, ...login } },
    },
  },
  rules: [{ when: 'any', route }],
});

const send = (sendoff: Sendoff): Promise<string> =>
  sendoff.send({ from: 'a@example.net', to: 'ann@example.org' });

test('a login from the source address opens the host, is remembered, and made again when it is forgotten', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const pop = await startPopServer({ tls: 'stls' });
  const client = network().address();
  const peer = await smarthost(pop, client);
  const policy = policyFor('isp', peer, pop, client, { password: pop.password });
  expect(await sendoff.setPolicy(policy)).toEqual([]);
  await send(sendoff);
  await peer.received(1);
  peer.dropConnections();
  await send(sendoff);
  await peer.received(2);
  expect(pop.logins, 'one login for both').toEqual([{ from: client, how: 'USER', secure: true }]);

  pop.forget();
  peer.dropConnections();
  await sendoff.advance(MINUTE);
  const id = await send(sendoff);
  await ledger.shows({ accepted: 3, delivered: 3 });
  expect(pop.logins).toHaveLength(2);
  expect(sendoff.soFar(id, 'deferred'), 'within the same attempt').toEqual([]);
  expect(JSON.stringify(sendoff.log)).not.toContain(pop.password);
});

test('a wrong password defers and alarms once; the right one lets the mail go', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const pop = await startPopServer();
  const client = network().address();
  const peer = await smarthost(pop, client);
  const policy = (login: object) => policyFor('mailbox', peer, pop, client, login);
  expect(await sendoff.setPolicy(policy({ password: pop.password }))).toEqual([]);
  const id = await send(sendoff);
  const mistakes = [{}, { password: 'a wrong one', cleartext: true }, { password: 'worse', cleartext: true }];
  for (const [n, login] of mistakes.entries()) {
    if (n > 0) expect(await sendoff.setPolicy(policy(login))).toEqual([]);
    const deferred = (await sendoff.about(id, 'deferred', n + 1))[n];
    expect(deferred).toMatchObject({ class: 'auth', route: 'mailbox' });
    if (n === 0) expect(deferred?.reason).toContain('it does not start TLS');
    if (n < mistakes.length - 1) await sendoff.advanceTo(deferred?.next);
  }
  expect(sendoff.events('alarm').filter(({ about }) => about === 'mailbox')).toMatchObject([
    { alarm: 'auth-failed', text: expect.stringContaining('no login at the POP3 server') },
  ]);
  expect(peer.connectionsSeen, 'no host is asked without a login').toBe(0);
  const { entries } = (await sendoff.api(`/api/queue?id=${id}`)) as { entries: { attempts: number }[] };
  expect(entries).toMatchObject([{ attempts: 0 }]);
  await ledger.shows({ accepted: 1, queued: 1 });

  expect(await sendoff.setPolicy(policy({ password: pop.password, cleartext: true }))).toEqual([]);
  await sendoff.advanceTo(sendoff.soFar(id, 'deferred').at(-1)?.next);
  await ledger.shows({ accepted: 1, delivered: 1 });
  const log = JSON.stringify(sendoff.log);
  for (const secret of [pop.password, 'a wrong one', 'worse']) expect(log).not.toContain(secret);
});
