// Routes through a smarthost: logins, host lists, and what falls back on one.
import { expect, test } from 'vitest';
import { authority } from '../harness/certificates.ts';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, sendoffForFile } from '../harness/sendoff.ts';
import type { Peer, PeerOptions } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const { cert } = await authority();

const network = networkForFile();
const daemon = sendoffForFile(() => ({
  dns: network().dns,
  mxPort: network().mxPort,
  authority: cert,
  policy: {},
}));

const login = { user: 'relay@example.net', password: 'open sesame' };

/** A smarthost is no MX host: it has a port of its own. */
const smarthost = (options: PeerOptions = {}): Promise<Peer> => network().peer({ port: 0, ...options });
const place = ({ address, port }: Peer): string => `${address}:${port}`;
const through = (peer: Peer, more: object = {}): object => ({
  via: 'smarthost',
  hosts: [place(peer)],
  tls: 'none',
  ...more,
});

async function inForce(sendoff: Sendoff, policy: Readonly<Record<string, unknown>>): Promise<void> {
  expect(await sendoff.setPolicy(policy)).toEqual([]);
}

const attempts = async (sendoff: Sendoff, id: string): Promise<unknown> => {
  const { entries } = (await sendoff.api(`/api/queue?id=${id}`)) as { entries: { attempts: number }[] };
  return entries[0]?.attempts;
};

test.each(['PLAIN', 'LOGIN', 'CRAM-MD5'])(
  'a login with AUTH %s, after TLS that is verified',
  async (mechanism) => {
    const sendoff = daemon();
    const ledger = await openLedger(sendoff);
    const peer = await smarthost({ tls: { mode: 'starttls' }, auth: { ...login, mechanisms: [mechanism] } });
    await inForce(sendoff, {
      routes: { provider: { via: 'smarthost', hosts: [place(peer)], auth: login } },
      rules: [{ when: 'any', route: 'provider' }],
    });
    const domain = network().name();
    await sendoff.send({ from: 'a@example.net', to: `ann@${domain}` });
    await ledger.shows({ accepted: 1, delivered: 1 });
    expect(peer.messages).toMatchObject([{ authUser: login.user, tls: 'TLSv1.3', to: [`ann@${domain}`] }]);
    expect(peer.commands.some((line) => line.includes(`AUTH ${mechanism}`))).toBe(true);
    expect(network().dns.count(domain), "the recipient's domain is never looked up").toBe(0);
  },
);

test('a wrong password defers, alarms once and charges nobody; the right one lets the mail go', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const peer = await smarthost({ tls: { mode: 'starttls' }, auth: login });
  const policy = (password: string) => ({
    routes: { locked: { via: 'smarthost', hosts: [place(peer)], auth: { ...login, password } } },
    rules: [{ when: 'any', route: 'locked' }],
  });
  await inForce(sendoff, policy('wrong'));
  const ids = [await sendoff.send({ from: 'a@example.net', to: 'ann@example.org' })];
  for (const nth of [1, 2, 3]) {
    const deferred = (await sendoff.about(ids[0] ?? '', 'deferred', nth))[nth - 1];
    expect(deferred).toMatchObject({ class: 'auth', route: 'locked' });
    if (nth < 3) await sendoff.advanceTo(deferred?.next);
  }
  ids.push(await sendoff.send({ from: 'a@example.net', to: 'bob@example.org' }));
  await ledger.shows({ accepted: 2, queued: 2 });
  expect(await Promise.all(ids.map((id) => attempts(sendoff, id)))).toEqual([0, 0]);
  expect(sendoff.events('alarm').filter(({ about }) => about === 'locked')).toMatchObject([
    { alarm: 'auth-failed' },
  ]);

  await inForce(sendoff, policy(login.password));
  // What was no probe goes at once; the probes have a time of their own.
  await sendoff.about(ids[1] ?? '', 'delivered');
  await sendoff.advanceTo(sendoff.soFar(ids[0] ?? '', 'deferred').at(-1)?.next);
  await ledger.shows({ accepted: 2, delivered: 2 });
  expect(peer.messages.map(({ authUser }) => authUser)).toEqual([login.user, login.user]);
});

test('a password never goes in clear without leave', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const peer = await smarthost({ auth: login });
  const policy = (more: object) => ({
    routes: { clear: { ...through(peer), tls: 'opportunistic', auth: { ...login, ...more } } },
    rules: [{ when: 'any', route: 'clear' }],
  });
  await inForce(sendoff, policy({}));
  const id = await sendoff.send({ from: 'a@example.net', to: 'ann@example.org' });
  const [deferred] = await sendoff.about(id, 'deferred');
  expect(deferred).toMatchObject({ class: 'auth' });
  expect(peer.commands.filter((line) => /AUTH|MAIL/.test(line))).toEqual([]);
  await inForce(sendoff, policy({ cleartext: true }));
  await sendoff.advanceTo(deferred?.next);
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(peer.messages).toMatchObject([{ authUser: login.user, tls: null }]);
});

test('a smarthost that knows us no more defers the mail instead of bouncing it', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const peer = await smarthost({
    script: { rcpt: ['554 5.7.1 Relay access denied'], mail: [null, '530 5.7.0 Authentication required'] },
  });
  await inForce(sendoff, {
    routes: { provider: through(peer) },
    rules: [{ when: 'any', route: 'provider' }],
  });
  const id = await sendoff.send({ from: 'a@example.net', to: 'ann@example.org' });
  for (const nth of [1, 2]) {
    const deferred = (await sendoff.about(id, 'deferred', nth))[nth - 1];
    expect(deferred).toMatchObject({ class: 'auth' });
    await sendoff.advanceTo(deferred?.next);
  }
  await ledger.shows({ accepted: 1, delivered: 1 });
});

test('the hosts of a route are tried in their order', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const [first, second] = [await smarthost(), await smarthost()];
  const route = { via: 'smarthost', hosts: ['127.0.0.1:9', place(first), place(second)], tls: 'none' };
  await inForce(sendoff, { routes: { listed: route }, rules: [{ when: 'any', route: 'listed' }] });
  await sendoff.send({ from: 'a@example.net', to: 'ann@example.org' });
  await first.received(1);
  first.setScript({ mail: '421 4.3.2 Not now' });
  await sendoff.send({ from: 'a@example.net', to: 'bob@example.org' });
  await ledger.shows({ accepted: 2, delivered: 2 });
  expect([first, second].map(({ messages }) => messages.flatMap(({ to }) => to))).toEqual([
    ['ann@example.org'],
    ['bob@example.org'],
  ]);
});

test('a host that failed three times in a row rests, and one message finds out when it is back', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const away = { greeting: '421 4.3.2 Not now' } as const;
  const [first, second] = [await smarthost({ script: away }), await smarthost()];
  const hosts = [place(first), place(second)];
  const route = { via: 'smarthost', hosts, tls: 'none', messagesPerConnection: 1 };
  const policy = (name: string) => ({
    routes: { pair: { ...route, displayName: name } },
    rules: [{ when: 'any', route: 'pair' }],
  });
  await inForce(sendoff, policy('before'));
  const sendOne = async (n: number): Promise<void> => {
    await sendoff.send({ from: 'a@example.net', to: `n${n}@example.org` });
    await ledger.shows({ accepted: n, delivered: n });
  };
  for (const n of [1, 2, 3, 4]) await sendOne(n);
  expect(first.connectionsSeen).toBe(3);
  first.setScript({});
  await inForce(sendoff, policy('after a reload'));
  await sendOne(5);
  expect(first.connectionsSeen, 'still at rest').toBe(3);
  await sendoff.advance(60_000);
  for (const n of [6, 7]) await sendOne(n);
  expect([first, second].map(({ messages }) => messages.length)).toEqual([2, 5]);
});

test('connections are spread over the hosts of a route by their weights', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const [heavy, light] = [await smarthost(), await smarthost()];
  const hosts = [{ host: place(heavy), weight: 3 }, place(light)];
  const route = { via: 'smarthost', hosts, choose: 'weighted', tls: 'none', messagesPerConnection: 1 };
  await inForce(sendoff, { routes: { spread: route }, rules: [{ when: 'any', route: 'spread' }] });
  for (let n = 1; n <= 8; n++) await sendoff.send({ from: 'a@example.net', to: `n${n}@example.org` });
  await ledger.shows({ accepted: 8, delivered: 8 });
  expect([heavy, light].map(({ messages }) => messages.length)).toEqual([6, 2]);
});

test('a provider is known by its name', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  // One of those whose port every user may open.
  const host = 'smtp.spacepost.dev';
  const address = network().address();
  network().dns.set(host, { a: [address] });
  const peer = await smarthost({
    address,
    port: 25976,
    hostname: host,
    tls: { mode: 'starttls' },
    auth: login,
  });
  await inForce(sendoff, {
    routes: { named: { via: 'smarthost', service: 'SpacePost', auth: login } },
    rules: [{ when: 'any', route: 'named' }],
  });
  await sendoff.send({ from: 'a@example.net', to: 'ann@example.org' });
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(peer.messages).toMatchObject([{ serverName: host, tls: 'TLSv1.3', authUser: login.user }]);
});

test('after two failures direct mail goes to the provider: what was tried, what waits and what comes', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const provider = await smarthost();
  await inForce(sendoff, {
    routes: { provider: through(provider) },
    rules: [{ when: 'any', route: ['direct', 'provider'] }],
  });
  const domain = network().name();
  const address = network().address();
  network().domain(domain, address);
  const send = (name: string): Promise<string> => sendoff.send({ from: '', to: `${name}@${domain}` });
  const tried = await send('tried');
  const [deferred] = await sendoff.about(tried, 'deferred');
  for (const name of ['w1', 'w2', 'w3']) await send(name);
  await ledger.shows({ accepted: 4, queued: 4 });
  expect(provider.messages).toEqual([]);

  await sendoff.advanceTo(deferred?.next);
  await provider.received(4);
  // The door to the MX host is still closed: no need to knock.
  const late = await send('late');
  await ledger.shows({ accepted: 5, delivered: 5 });
  expect(provider.messages.flatMap(({ to }) => to).sort()).toEqual(
    ['late', 'tried', 'w1', 'w2', 'w3'].map((name) => `${name}@${domain}`),
  );
  expect(await sendoff.about(late, 'attempt')).toMatchObject([
    { route: 'provider', attempt: 1, result: 'delivered' },
  ]);
});

const BLOCKED = '550 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org';

test('a refusal of our address goes to the fallback instead of bouncing', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const provider = await smarthost();
  await inForce(sendoff, {
    routes: { provider: through(provider) },
    rules: [{ when: 'any', route: ['direct', 'provider'] }],
  });
  const { domain } = await network().receiver({ script: { rcpt: BLOCKED } });
  const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(provider.messages).toMatchObject([{ to: [`ann@${domain}`] }]);
  expect(await sendoff.about(id, 'attempt', 2)).toMatchObject([
    { route: 'direct', class: 'blocked', result: 'deferred', attempt: 1 },
    { route: 'provider', result: 'delivered', attempt: 2 },
  ]);

  // The last in the list has nobody behind it.
  provider.setScript({ dot: '554 5.6.0 Message content rejected' });
  const from = network().sender();
  await sendoff.send({ from, to: `bob@${domain}` });
  await ledger.shows({ accepted: 3, delivered: 2, bounced: 1 });
  expect((await network().report(from)).recipients[0]?.get('remote-mta')).toBe(`dns; ${provider.address}`);
});

test('`on: any, after: 1` falls back at once, but never for a user who does not exist', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const provider = await smarthost();
  await inForce(sendoff, {
    routes: { provider: through(provider) },
    rules: [
      { when: { from: '<>' }, route: 'direct' },
      { when: 'any', route: ['direct', 'provider'], fallback: { on: 'any', after: 1 } },
    ],
  });
  const { domain } = await network().receiver({
    script: {
      rcpt: ({ line }) => {
        if (line.includes('<nobody@')) return '550 5.1.1 No such user';
        return line.includes('<grey@') ? '450 4.7.1 Greylisted' : '451 4.3.0 Not now';
      },
    },
  });
  const from = network().sender();
  const id = await sendoff.send({ from, to: ['ann', 'nobody', 'grey'].map((name) => `${name}@${domain}`) });
  await ledger.shows({ accepted: 4, delivered: 2, bounced: 1, queued: 1 });
  expect(provider.messages).toMatchObject([{ to: [`ann@${domain}`] }]);
  expect((await network().report(from)).recipients[0]?.get('final-recipient')).toBe(
    `rfc822; nobody@${domain}`,
  );
  const deferred = await sendoff.about(id, 'deferred', 2);
  expect(deferred.filter(({ to }) => to === `grey@${domain}`)).toMatchObject([{ class: 'greylisted' }]);
  await sendoff.change('remove', { domain });
  await ledger.shows({ accepted: 4, delivered: 2, bounced: 1, removed: 1 });
});

test('a discard route takes mail and throws it away, and says so', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const domain = network().name();
  await inForce(sendoff, {
    routes: { nowhere: { via: 'discard' } },
    rules: [{ when: { to: domain }, route: 'nowhere' }],
  });
  const { peer, domain: other } = await network().receiver();
  const id = await sendoff.send({ from: '', to: [`ann@${domain}`, `bob@${other}`] });
  await ledger.shows({ accepted: 2, discarded: 1, delivered: 1 });
  expect(await sendoff.about(id, 'discarded')).toMatchObject([{ to: `ann@${domain}`, route: 'nowhere' }]);
  expect(peer.messages.map(({ to }) => to)).toEqual([[`bob@${other}`]]);
  await until('nothing looked up', () => network().dns.count(domain) === 0);
});
