// Logins with OAuth2 through the whole daemon: tokens that end, that are rotated, that are wrong.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../harness/folder.ts';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, startSendoff } from '../harness/sendoff.ts';
import { type Peer, startPeer } from '../harness/smtp-peer.ts';
import { startTokenServer, type TokenServer } from '../harness/token-server.ts';

const HOUR = 3_600_000;

const network = networkForFile();
const user = 'someone@example.net';

const smarthost = (tokens: TokenServer): Promise<Peer> =>
  startPeer({ auth: { user, mechanisms: ['PLAIN', 'XOAUTH2'], accepts: tokens.accepts } });

const policyFor = (peer: Peer, tokens: TokenServer, refreshToken: string) => ({
  routes: {
    mailbox: {
      via: 'smarthost',
      hosts: [`${peer.address}:${peer.port}`],
      tls: 'none',
      auth: {
        user,
        cleartext: true,
        oauth2: { clientId: 'sendoff', clientSecret: 'client-secret', refreshToken, tokenUrl: tokens.url },
      },
    },
  },
  rules: [{ when: 'any', route: 'mailbox' }],
});

/** Nothing that logs in, nor what it was made of. */
function tellsNoSecret({ log }: Sendoff): void {
  const text = JSON.stringify(log);
  expect(log.length).toBeGreaterThan(0);
  for (const secret of ['client-secret', 'refresh-', 'access-', 'stale-token'])
    expect(text).not.toContain(secret);
}

test('tokens are fetched, renewed when they end, and kept across a restart', async () => {
  const tokens = await startTokenServer();
  const peer = await smarthost(tokens);
  const folder = temporaryFolder();
  const options = { folder, dns: network().dns, policy: policyFor(peer, tokens, 'refresh-0') };
  const first = await startSendoff(options);
  const send = (sendoff: Sendoff): Promise<string> =>
    sendoff.send({ from: 'a@example.net', to: 'ann@example.org' });
  await send(first);
  await peer.received(1);
  peer.dropConnections();
  await first.advance(2 * HOUR);
  await send(first);
  await peer.received(2);
  expect(await first.stop()).toBe(0);
  expect(statSync(join(folder, 'data', 'oauth-tokens.json')).mode & 0o777).toBe(0o600);

  const second = await startSendoff({ ...options, offset: 4 * HOUR });
  await send(second);
  await peer.received(3);
  expect(peer.messages.map(({ authUser }) => authUser)).toEqual([user, user, user]);
  expect(tokens.requests.map(({ refresh_token }) => refresh_token)).toEqual([
    'refresh-0',
    'refresh-1',
    'refresh-2',
  ]);
  for (const sendoff of [first, second]) tellsNoSecret(sendoff);
});

test('a wrong token defers and alarms once; the right one lets the mail go', async () => {
  const tokens = await startTokenServer();
  const peer = await smarthost(tokens);
  const sendoff = await startSendoff({
    dns: network().dns,
    policy: policyFor(peer, tokens, 'stale-token'),
  });
  const ledger = await openLedger(sendoff);
  const id = await sendoff.send({ from: 'a@example.net', to: 'ann@example.org' });
  for (const nth of [1, 2, 3]) {
    const deferred = (await sendoff.about(id, 'deferred', nth))[nth - 1];
    expect(deferred).toMatchObject({ class: 'auth', route: 'mailbox' });
    if (nth < 3) await sendoff.advanceTo(deferred?.next);
  }
  expect(sendoff.events('alarm').filter(({ alarm }) => alarm === 'auth-failed')).toMatchObject([
    { about: 'mailbox', text: expect.stringContaining('invalid_grant: revoked: ***') },
  ]);
  expect(peer.connectionsSeen, 'no host is asked without a token').toBe(0);
  const { entries } = (await sendoff.api(`/api/queue?id=${id}`)) as { entries: { attempts: number }[] };
  expect(entries).toMatchObject([{ attempts: 0 }]);

  expect(await sendoff.setPolicy(policyFor(peer, tokens, 'refresh-0'))).toEqual([]);
  await sendoff.advanceTo(sendoff.soFar(id, 'deferred').at(-1)?.next);
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(peer.messages).toMatchObject([{ authUser: user }]);
  tellsNoSecret(sendoff);
});
