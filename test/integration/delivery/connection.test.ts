import { describe, expect, test } from 'vitest';
import type { Failure } from '../../../src/delivery/failure.ts';
import type { Session } from '../../../src/delivery/session.ts';
import type { SmarthostRoute, TlsPolicy } from '../../../src/policy/policy.ts';
import { authority, type CertificateKind } from '../../harness/certificates.ts';
import { MovableClock } from '../../harness/clock.ts';
import { close, hang, type Peer, type PeerOptions, reset, startPeer } from '../../harness/smtp-peer.ts';
import { until } from '../../harness/until.ts';
import {
  approachTo,
  deliveryOf,
  failureInShort,
  hello,
  mailOf,
  never,
  resolverOf,
  smarthostRoute,
} from './setting.ts';

const hostname = 'mx.peer.test';

interface Attempt {
  readonly peer: Peer;
  /** `TLSv1.3` or `plain` for a session, else the failure in short. */
  readonly outcome: string;
  readonly failure: Failure | null;
}

/** One attempt at a peer that is known as mx.peer.test, with one message if a session opens. */
async function attempt(options: PeerOptions, changes: Partial<SmarthostRoute> = {}): Promise<Attempt> {
  const peer = await startPeer({ hostname, ...options });
  const implicitTls = options.tls?.mode === 'implicit';
  const ca = (await authority()).cert;
  const delivery = deliveryOf(resolverOf({ a: { [hostname]: ['127.0.0.1'] } }), { ca });
  const hosts = [{ host: hostname, port: peer.port, implicitTls, weight: 1 }];
  const approach = await approachTo(delivery, smarthostRoute(peer.port, { hosts, ...changes }), null);
  const next = await approach.next(never);
  if ('failure' in next) return { peer, outcome: failureInShort(next.failure), failure: next.failure };
  return { peer, outcome: await use(next.session), failure: null };
}

async function use(session: Session): Promise<string> {
  const { results } = await session.send(mailOf(hello), never);
  expect(results[0]?.kind).toBe('delivered');
  await session.close();
  return session.tls ?? 'plain';
}

const noTls = 'destination 4.7.5 tls';

describe('TLS', () => {
  const offered = (certificate: CertificateKind): PeerOptions => ({ tls: { mode: 'starttls', certificate } });
  const otherName: PeerOptions = { tls: { mode: 'starttls', names: ['other.test'] } };
  const broken: PeerOptions = { tls: { mode: 'starttls', handshake: 'broken' } };
  const refused: PeerOptions = { tls: { mode: 'starttls' }, script: { starttls: '454 4.7.0 Not now' } };

  test.each<[TlsPolicy, string, PeerOptions, string]>([
    ['none', 'offered', offered('good'), 'plain'],
    ['opportunistic', 'offered', offered('good'), 'TLSv1.3'],
    ['opportunistic', 'self-signed', offered('self-signed'), 'TLSv1.3'],
    ['opportunistic', 'expired', offered('expired'), 'TLSv1.3'],
    ['opportunistic', 'of another name', otherName, 'TLSv1.3'],
    ['opportunistic', 'not offered', {}, 'plain'],
    ['opportunistic', 'refused', refused, 'plain'],
    ['opportunistic', 'broken', broken, 'plain'],
    ['required', 'self-signed', offered('self-signed'), 'TLSv1.3'],
    ['required', 'not offered', {}, noTls],
    ['required', 'refused', refused, noTls],
    ['required', 'broken', broken, noTls],
    ['verified', 'offered', offered('good'), 'TLSv1.3'],
    ['verified', 'self-signed', offered('self-signed'), noTls],
    ['verified', 'expired', offered('expired'), noTls],
    ['verified', 'of another name', otherName, noTls],
    ['verified', 'not offered', {}, noTls],
    ['verified', 'broken', broken, noTls],
  ])('%s, %s', async (tls, _, options, expected) => {
    const { peer, outcome } = await attempt(options, { tls });
    expect(outcome).toBe(expected);
    expect(peer.messages).toHaveLength(expected === noTls ? 0 : 1);
    expect(peer.messages[0]?.tls ?? 'plain').toBe(expected === noTls ? 'plain' : expected);
  });

  test('the host’s name is asked for in the handshake', async () => {
    const { peer } = await attempt(offered('good'), { tls: 'verified' });
    expect(peer.messages[0]?.serverName).toBe(hostname);
  });

  test('EHLO is said again inside, and what was offered outside is forgotten', async () => {
    const ehlo = [`250-${hostname}\n250-SIZE 10\n250 STARTTLS`];
    const { peer } = await attempt({ tls: { mode: 'starttls' }, script: { ehlo } }, { tls: 'required' });
    expect(peer.commands.slice(0, 3)).toEqual(['1 EHLO sendoff.test', '1 STARTTLS', '1 EHLO sendoff.test']);
    expect(peer.messages).toHaveLength(1);
  });

  test('a broken handshake is followed by plain text on a second connection to the same address', async () => {
    const { peer } = await attempt(broken, { tls: 'opportunistic' });
    expect(peer.connectionsSeen).toBe(2);
  });

  test.each<[TlsPolicy, CertificateKind, string]>([
    ['verified', 'good', 'TLSv1.3'],
    ['verified', 'self-signed', noTls],
    ['none', 'self-signed', 'TLSv1.3'],
    ['opportunistic', 'expired', 'TLSv1.3'],
  ])('implicit: %s, %s', async (tls, certificate, expected) => {
    const { outcome } = await attempt({ tls: { mode: 'implicit', certificate } }, { tls });
    expect(outcome).toBe(expected);
  });

  test('implicit and broken has nothing to fall back to', async () => {
    const options: PeerOptions = { tls: { mode: 'implicit', handshake: 'broken' } };
    expect((await attempt(options, { tls: 'opportunistic' })).outcome).toBe(noTls);
  });
});

describe('login', () => {
  const auth = { kind: 'password', user: 'ann', password: 'secret ü', cleartext: false } as const;
  const open = { ...auth, cleartext: true };
  const server = { user: 'ann', password: 'secret ü' };
  const secure: PeerOptions = { tls: { mode: 'starttls' }, auth: server };
  const refused = 'destination 4.7.8 auth ours';

  test.each(['PLAIN', 'LOGIN'])('AUTH %s inside TLS', async (mechanism) => {
    const options = { ...secure, auth: { ...server, mechanisms: ['CRAM-MD5', mechanism] } };
    const { peer, outcome } = await attempt(options, { tls: 'verified', auth });
    expect(outcome).toBe('TLSv1.3');
    expect(peer.messages[0]?.authUser).toBe('ann');
  });

  test.each<[string, readonly string[], PeerOptions, string]>([
    ['in TLS, where nothing else is offered', ['CRAM-MD5'], { tls: { mode: 'starttls' } }, 'CRAM-MD5'],
    ['in clear, for it hides the password', ['PLAIN', 'LOGIN', 'CRAM-MD5'], {}, 'CRAM-MD5'],
    ['not in TLS beside the others', ['CRAM-MD5', 'LOGIN'], { tls: { mode: 'starttls' } }, 'LOGIN'],
  ])('AUTH CRAM-MD5: %s', async (_, mechanisms, options, expected) => {
    const { peer } = await attempt(
      { ...options, auth: { ...server, mechanisms } },
      { tls: 'opportunistic', auth: open },
    );
    expect(peer.messages[0]?.authUser).toBe('ann');
    expect(peer.commands.find((line) => line.includes('AUTH'))).toContain(`AUTH ${expected}`);
  });

  test('a wrong password fails with CRAM-MD5 too', async () => {
    const options = { ...secure, auth: { ...server, mechanisms: ['CRAM-MD5'] } };
    const { outcome } = await attempt(options, { tls: 'verified', auth: { ...auth, password: 'old' } });
    expect(outcome).toBe(refused);
  });

  test('a wrong password is ours, and temporary', async () => {
    const wrong = { ...auth, password: 'old' };
    const { outcome, failure } = await attempt(secure, { tls: 'verified', auth: wrong });
    expect(outcome).toBe(refused);
    expect(failure?.reply).toBe('535 5.7.8 Bad credentials');
  });

  test('without AUTH in the offers there is no mail', async () => {
    const { outcome, peer } = await attempt({ tls: { mode: 'starttls' } }, { tls: 'verified', auth });
    expect(outcome).toBe(refused);
    expect(peer.commands.some((line) => line.includes('MAIL'))).toBe(false);
  });

  test.each<[TlsPolicy, PeerOptions]>([
    ['none', { auth: server }],
    ['none', secure],
    ['opportunistic', { auth: server }],
    ['opportunistic', { ...secure, script: { starttls: '454 4.7.0 Not now' } }],
    ['opportunistic', { ...secure, tls: { mode: 'starttls', handshake: 'broken' } }],
    ['required', { auth: server }],
  ])('no password in clear without leave: %s', async (tls, options) => {
    const { peer, failure } = await attempt(options, { tls, auth });
    expect(failure).not.toBeNull();
    expect(failure?.permanent).toBe(false);
    expect(peer.commands.some((line) => line.includes('AUTH'))).toBe(false);
  });

  test.each<[TlsPolicy, PeerOptions]>([
    ['none', { auth: server }],
    ['opportunistic', { ...secure, script: { starttls: '454 4.7.0 Not now' } }],
    ['opportunistic', { ...secure, tls: { mode: 'starttls', handshake: 'broken' } }],
  ])('in clear with leave: %s', async (tls, options) => {
    const { peer, outcome } = await attempt(options, { tls, auth: open });
    expect(outcome).toBe('plain');
    expect(peer.messages[0]?.authUser).toBe('ann');
  });
});

describe('before MAIL', () => {
  test.each<[string, PeerOptions, string]>([
    ['554 at the greeting', { script: { greeting: '554 5.7.1 No' } }, 'destination 4.7.1 blocked'],
    [
      '521 at the greeting',
      { script: { greeting: '521 No mail' } },
      'destination 5.0.0 unreachable permanent',
    ],
    ['421 at the greeting', { maxConnections: 0 }, 'destination 4.7.0 throttled'],
    ['garbage at the greeting', { script: { greeting: 'SSH-2.0-OpenSSH' } }, 'destination 4.5.0 protocol'],
    ['a close at the greeting', { script: { greeting: close } }, 'destination 4.4.2 unreachable'],
    ['a close at EHLO', { script: { ehlo: close } }, 'destination 4.4.2 unreachable'],
    ['421 at EHLO', { script: { ehlo: '421 4.3.2 Down' } }, 'destination 4.3.2 unreachable'],
    ['EHLO and HELO refused', { script: { ehlo: '550 No', helo: '550 No' } }, 'destination 4.0.0 blocked'],
  ])('%s', async (_, options, expected) => {
    expect((await attempt(options)).outcome).toBe(expected);
  });

  test('a reset at the greeting', async () => {
    // It may overtake the news that the connection is open.
    expect((await attempt({ script: { greeting: reset } })).outcome).toMatch(
      /^destination 4\.4\.[12] unreachable$/,
    );
  });

  test('HELO follows a refused EHLO, and no extension is used', async () => {
    const { peer, outcome } = await attempt({ script: { ehlo: '502 5.5.1 What?' }, extensions: [] });
    expect(outcome).toBe('plain');
    expect(peer.messages[0]?.parameters).toBe('');
    expect(peer.violations).toEqual([]);
  });

  test('a port where nobody listens', async () => {
    const peer = await startPeer();
    await peer.close();
    const approach = await approachTo(deliveryOf(resolverOf({})), smarthostRoute(peer.port), null);
    const next = await approach.next(never);
    expect('failure' in next && failureInShort(next.failure)).toBe('destination 4.4.1 unreachable');
  });

  test('the local address and its EHLO name are the route’s', async () => {
    const sources = [{ address: '127.0.0.9', ehlo: 'nine.test', weight: 1 }];
    const { peer } = await attempt({}, { sources });
    expect(peer.messages[0]).toMatchObject({ helo: 'nine.test', clientAddress: '127.0.0.9' });
  });

  test('a local address that this machine does not have is our fault', async () => {
    const sources = [{ address: '192.0.2.77', ehlo: 'far.test', weight: 1 }];
    expect((await attempt({}, { sources })).outcome).toBe('destination 4.4.4 unreachable ours');
  });

  test('an abort ends the opening at once', async () => {
    const peer = await startPeer({ script: { greeting: hang } });
    const stop = new AbortController();
    const approach = await approachTo(deliveryOf(resolverOf({})), smarthostRoute(peer.port), null);
    const next = approach.next(stop.signal);
    await until('the connection', () => peer.connectionsOpen === 1);
    stop.abort();
    expect(await next).toMatchObject({ failure: { aborted: true, permanent: false } });
    await until('its end', () => peer.connectionsOpen === 0);
  });

  test.each<[string, PeerOptions, Partial<SmarthostRoute>, number, string]>([
    ['greeting', { script: { greeting: hang } }, {}, 30, 'destination 4.4.2 unreachable'],
    [
      'greeting, in a longer connectTimeout',
      { script: { greeting: hang } },
      { connectTimeout: 600_000 },
      300,
      'destination 4.4.2 unreachable',
    ],
    ['EHLO', { script: { ehlo: hang } }, {}, 300, 'destination 4.4.2 unreachable'],
    ['handshake', { tls: { mode: 'starttls', handshake: 'hang' } }, { tls: 'required' }, 60, noTls],
  ])(
    'a peer silent at %s is given up in its time, not before',
    async (_, options, changes, seconds, expected) => {
      const clock = new MovableClock();
      const peer = await startPeer(options);
      const delivery = deliveryOf(resolverOf({}), {}, { clock });
      const approach = await approachTo(delivery, smarthostRoute(peer.port, changes), null);
      const next = approach.next(never);
      const last = options.tls ? 'client hello' : options.script?.ehlo ? 'EHLO' : null;
      await until('silence', () =>
        last ? peer.commands.at(-1)?.includes(last) : peer.connectionsOpen === 1,
      );
      clock.advance(seconds * 1000 - 2_000);
      expect(await Promise.race([next, new Promise((resolve) => setImmediate(resolve, 'waiting'))])).toBe(
        'waiting',
      );
      clock.advance(2_000);
      const opened = await next;
      expect('failure' in opened && failureInShort(opened.failure)).toBe(expected);
    },
  );
});
