// TLS under each setting of a route, against peers that do it well, badly or not at all.
import { expect, test } from 'vitest';
import { authority } from '../harness/certificates.ts';
import { type Ledger, openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, sendoffForFile } from '../harness/sendoff.ts';
import type { Peer, PeerOptions } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const { cert } = await authority();
const SECOND = 1000;

const settings = ['none', 'opportunistic', 'required', 'verified'] as const;
type Setting = (typeof settings)[number];

const network = networkForFile();
const daemon = sendoffForFile(() => ({
  dns: network().dns,
  mxPort: network().mxPort,
  authority: cert,
  policy: {
    routes: Object.fromEntries(settings.map((tls) => [tls, { via: 'mx', tls }])),
    rules: settings.map((route) => ({ when: { to: `*.${route}.test` }, route })),
  },
}));

/** Peers by what their TLS is like; `wrong name` has a good certificate of somebody else. */
const peers: Readonly<Record<string, PeerOptions>> = {
  'not offered': {},
  good: { tls: { mode: 'starttls' } },
  'self-signed': { tls: { mode: 'starttls', certificate: 'self-signed' } },
  expired: { tls: { mode: 'starttls', certificate: 'expired' } },
  'wrong name': { tls: { mode: 'starttls', names: ['mx.elsewhere.test'] } },
  refused: { tls: { mode: 'starttls' }, script: { starttls: '454 4.7.0 TLS not available' } },
  broken: { tls: { mode: 'starttls', handshake: 'broken' } },
  hanging: { tls: { mode: 'starttls', handshake: 'hang' } },
};
const kinds = Object.keys(peers);
const secure = ['good', 'self-signed', 'expired', 'wrong name'];

/** How the mail of each kind of peer arrives: in TLS, in plain text, or not at all. */
type Arrival = 'TLSv1.3' | 'plain' | 'waits';
const expected: Readonly<Record<Setting, (kind: string) => Arrival>> = {
  none: () => 'plain',
  opportunistic: (kind) => (secure.includes(kind) ? 'TLSv1.3' : 'plain'),
  required: (kind) => (secure.includes(kind) ? 'TLSv1.3' : 'waits'),
  verified: (kind) => (kind === 'good' ? 'TLSv1.3' : 'waits'),
};

interface Sent {
  readonly kind: string;
  readonly id: string;
  readonly peer: Peer;
}

async function sendToAll(sendoff: Sendoff, setting: Setting): Promise<Sent[]> {
  const sent: Sent[] = [];
  for (const kind of kinds) {
    const { peer, domain } = await network().receiver(peers[kind], `${setting}.test`);
    sent.push({ kind, peer, id: await sendoff.send({ from: '', to: `ann@${domain}` }) });
  }
  return sent;
}

function arrivalOf({ peer }: Sent): Arrival {
  const [message] = peer.messages;
  return message ? ((message.tls ?? 'plain') as Arrival) : 'waits';
}

/** What waits is taken out, so that the next test finds the queue empty; attempts that hang end first. */
async function clear(sendoff: Sendoff, ledger: Ledger, setting: Setting, waiting: number): Promise<void> {
  await until('nothing to be left', async () => {
    await sendoff.change('remove', { route: setting });
    await sendoff.advance(20 * SECOND);
    const { entries } = (await sendoff.api(`/api/queue?route=${setting}`)) as { entries: object[] };
    return entries.length === 0;
  });
  await ledger.shows({ accepted: kinds.length, delivered: kinds.length - waiting, removed: waiting });
}

test.each(settings)('tls: %s', async (setting) => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const sent = await sendToAll(sendoff, setting);
  for (const { id, kind } of sent) if (kind !== 'hanging') await sendoff.about(id, 'attempt');
  // The handshake has a minute; what waits for another attempt gets one, with the same outcome.
  await until('the end of the handshakes that hang', async () => {
    await sendoff.advance(20 * SECOND);
    return sent.every(({ id }) => sendoff.soFar(id, 'attempt').length > 0);
  });
  const lines = sent.map(({ id }) => sendoff.soFar(id, 'attempt'));

  const planned = sent.map(({ kind }) => [kind, expected[setting](kind)]);
  expect(sent.map((one) => [one.kind, arrivalOf(one)])).toEqual(planned);
  for (const [i, [line]] of lines.entries()) {
    const arrival = expected[setting](kinds[i] ?? '');
    const outcome =
      arrival === 'waits'
        ? { result: 'deferred', class: 'tls' }
        : { result: 'delivered', tls: arrival === 'plain' ? null : arrival };
    expect(line, kinds[i]).toMatchObject({ ...outcome, attempt: 1 });
  }
  const upgrades = sent.flatMap(({ peer }) => peer.commands).filter((line) => line.includes('STARTTLS'));
  expect(upgrades.length > 0).toBe(setting !== 'none');
  await clear(sendoff, ledger, setting, planned.filter(([, arrival]) => arrival === 'waits').length);
});

test('a route that insists never says MAIL on a connection without TLS', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  for (const setting of ['required', 'verified'] as const) {
    const { peer, domain } = await network().receiver({}, `${setting}.test`);
    const id = await sendoff.send({ from: '', to: `ann@${domain}` });
    await sendoff.about(id, 'deferred');
    expect(peer.commands.filter((line) => /MAIL|RCPT|DATA/.test(line))).toEqual([]);
    await sendoff.change('remove', { domain });
  }
  await ledger.shows({ accepted: 2, removed: 2 });
});

test('smtps:// begins with the handshake, and its certificate is verified where the route says so', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const good = await network().peer({ tls: { mode: 'implicit' }, address: network().address(), port: 0 });
  const bad = await network().peer({
    tls: { mode: 'implicit', certificate: 'self-signed' },
    address: network().address(),
    port: 0,
  });
  const via = ({ address, port }: Peer, tls: string) => ({
    via: 'smarthost',
    hosts: [`smtps://${address}:${port}`],
    tls,
  });
  const problems = await sendoff.setPolicy({
    routes: { good: via(good, 'verified'), bad: via(bad, 'verified'), lax: via(bad, 'opportunistic') },
    rules: ['good', 'bad', 'lax'].map((route) => ({ when: { to: `${route}.example` }, route })),
  });
  expect(problems).toEqual([]);
  await sendoff.send({ from: '', to: 'ann@good.example' });
  await sendoff.send({ from: '', to: 'ann@lax.example' });
  const id = await sendoff.send({ from: '', to: 'ann@bad.example' });
  expect(await sendoff.about(id, 'deferred')).toMatchObject([{ class: 'tls' }]);
  await ledger.shows({ accepted: 3, delivered: 2, queued: 1 });
  expect([good, bad].map(({ messages }) => messages.map(({ tls, to }) => [tls, to[0]]))).toEqual([
    [['TLSv1.3', 'ann@good.example']],
    [['TLSv1.3', 'ann@lax.example']],
  ]);
  await sendoff.change('remove', { route: 'bad' });
  await ledger.shows({ accepted: 3, delivered: 2, removed: 1 });
});
