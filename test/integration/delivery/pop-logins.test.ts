// POP before SMTP: a login at a POP3 server that opens a smarthost for the address that it came from.
// Real sockets on both sides; the clock is moved.
// Never a provider's server.
import { describe, expect, test } from 'vitest';
import type { PopServer as PopSetting } from '../../../src/policy/auth.ts';
import type { SmarthostRoute } from '../../../src/policy/policy.ts';
import { authority } from '../../harness/certificates.ts';
import { MovableClock } from '../../harness/clock.ts';
import {
  type PopFault,
  type PopPoint,
  type PopServerOptions,
  startPopServer,
} from '../../harness/pop3-server.ts';
import { startPeer } from '../../harness/smtp-peer.ts';
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

const MINUTE = 60_000;
const SECRET = 'p0p secret';

async function setting(
  options: PopServerOptions = {},
  changes: Partial<PopSetting> = {},
  more: Partial<SmarthostRoute> = {},
) {
  const pop = await startPopServer(options);
  const peer = await startPeer({
    script: {
      rcpt: () =>
        pop.logins.some(({ from }) => pop.knows(from))
          ? null
          : '550 5.7.1 Relaying denied: read your mail first',
    },
  });
  const clock = new MovableClock();
  const { cert } = await authority();
  const delivery = deliveryOf(resolverOf({}), { ca: cert }, { clock });
  const popBeforeSmtp: PopSetting = {
    host: '127.0.0.1',
    port: pop.port,
    implicitTls: options.tls === 'implicit',
    tls: 'verified',
    user: 'someone',
    password: SECRET,
    cleartext: false,
    ...changes,
  };
  const route = smarthostRoute(peer.port, { ...more, auth: { kind: 'pop', popBeforeSmtp } });
  /** One message, as an attempt sends it: `sent`, or the failure that ends it. */
  const send = async (signal = never): Promise<string> => {
    const approach = await approachTo(delivery, route, null);
    for (;;) {
      const next = await approach.next(signal);
      if ('failure' in next) return `${failureInShort(next.failure)}: ${next.failure.text}`;
      const { hostFailure } = await next.session.send(mailOf(hello), never);
      await next.session.close();
      if (!hostFailure) return 'sent';
      approach.note(hostFailure);
    }
  };
  const next = async () => (await approachTo(delivery, route, null)).next(never);
  return { pop, peer, clock, send, next };
}

/** In clear, with leave. */
const inClear = { tls: 'opportunistic', cleartext: true } as const;

describe('how it logs in', () => {
  test.each<[string, PopServerOptions, Partial<PopSetting>, object]>([
    ['STLS', { tls: 'stls', timestamp: '<1.2@pop.test>' }, {}, { how: 'USER', secure: true }],
    ['TLS from the start', { tls: 'implicit' }, {}, { how: 'USER', secure: true }],
    ['STLS where it is offered', { tls: 'stls' }, inClear, { how: 'USER', secure: true }],
    ['APOP in clear', { timestamp: '<1.2@pop.test>' }, inClear, { how: 'APOP', secure: false }],
    ['USER and PASS in clear, with leave', {}, inClear, { how: 'USER', secure: false }],
    ['without asking for TLS', { tls: 'stls' }, { ...inClear, tls: 'none' }, { how: 'USER', secure: false }],
  ])('%s', async (_, options, changes, login) => {
    const { pop, peer, send } = await setting(options, changes);
    expect(await send()).toBe('sent');
    expect(pop.logins).toMatchObject([{ from: '127.0.0.1', ...login }]);
    expect(pop.commands.at(-1)).toBe('1 QUIT');
    expect(peer.messages).toHaveLength(1);
    expect(peer.commands.some((line) => line.includes('AUTH'))).toBe(false);
  });

  test('USER and PASS behind an APOP that the server does not take', async () => {
    const { pop, send } = await setting({ timestamp: '<1.2@pop.test>' }, inClear);
    pop.faults.apop = '-ERR no such method\r\n';
    expect(await send()).toBe('sent');
    expect(pop.commands.map((line) => line.split(' ')[1])).toEqual(['STLS', 'APOP', 'USER', 'PASS', 'QUIT']);
  });

  test('from the address that the mail leaves from', async () => {
    const sources = ['127.0.0.8', '::1'].map((address) => ({ address, ehlo: null, weight: 1 }));
    const { pop, send } = await setting({ tls: 'stls' }, {}, { sources });
    expect(await send()).toBe('sent');
    expect(pop.logins).toMatchObject([{ from: '127.0.0.8' }]);
  });

  test.each([
    [
      'that the machine does not have',
      '192.0.2.77',
      '127.0.0.1',
      { class: 'unreachable', sourceTrouble: 'missing' },
    ],
    ['that the server cannot be reached from', '::1', '::1', { class: 'auth', sourceTrouble: 'unfit' }],
  ])('not from an address %s: another one may do', async (_, address, host, failure) => {
    const hosts = [{ host, port: 25, implicitTls: false, weight: 1 }];
    const { next } = await setting({}, {}, { hosts, sources: [{ address, ehlo: null, weight: 1 }] });
    expect(await next()).toMatchObject({ failure: { ...failure, ours: true, scope: 'destination' } });
  });

  test('in clear when the handshake fails, with leave', async () => {
    const { pop, send } = await setting({}, inClear);
    pop.faults.stls = '+OK but what comes is no handshake\r\nnonsense\r\n';
    expect(await send()).toBe('sent');
    expect(pop.logins).toMatchObject([{ secure: false }]);
    expect(pop.connectionsSeen).toBe(2);
  });

  test.each(['[LOGIN-DELAY] minimum is 10 minutes', '[IN-USE] somebody is reading'])(
    '-ERR %s is a login that was right',
    async (answer) => {
      const { pop, peer, send } = await setting({ tls: 'stls' });
      pop.faults.pass = `-ERR ${answer}\r\n`;
      peer.setScript({});
      expect(await send()).toBe('sent');
    },
  );
});

describe('how long it is remembered', () => {
  test('for 5 minutes, for all connections, and one login at a time', async () => {
    const { pop, peer, clock, send } = await setting({ tls: 'stls' });
    expect(await Promise.all([send(), send(), send()])).toEqual(['sent', 'sent', 'sent']);
    clock.advance(4 * MINUTE);
    expect(await send()).toBe('sent');
    expect(pop.connectionsSeen).toBe(1);
    clock.advance(MINUTE);
    expect(await send()).toBe('sent');
    expect(pop.connectionsSeen).toBe(2);
    expect(peer.messages).toHaveLength(5);
  });

  test('a host that forgot it gets another one within the attempt, once', async () => {
    const { pop, peer, clock, send } = await setting({ tls: 'stls' });
    await send();
    pop.forget();
    clock.advance(MINUTE);
    expect(await send()).toBe('sent');
    expect([pop.logins.length, peer.connectionsSeen]).toEqual([2, 3]);
    clock.advance(MINUTE);
    peer.setScript({ rcpt: '554 5.7.1 Relay access denied' });
    expect(await send()).toMatch(/^destination 4.7.1 auth ours: refused at rcpt: 554/);
    expect([pop.logins.length, peer.connectionsSeen]).toEqual([3, 5]);
    expect(await send(), 'right after a login there is another reason').toContain('554');
    expect([pop.logins.length, peer.connectionsSeen]).toEqual([3, 6]);
  });

  test('a host that says so in its greeting gets another one too', async () => {
    const { pop, peer, clock, send } = await setting({ tls: 'stls' });
    await send();
    clock.advance(MINUTE);
    peer.setScript({ greeting: ['554 5.7.1 Relaying denied, read your mail first'] });
    expect(await send()).toBe('sent');
    expect(pop.logins).toHaveLength(2);
  });
});

describe('no login', () => {
  const failed = 'destination 4.7.8 auth ours: no login at the POP3 server 127.0.0.1: ';

  test.each<[string, PopPoint, PopFault, string]>([
    ['a server that has enough', 'greeting', '-ERR busy\r\n', 'greeting was refused: busy'],
    [
      'another protocol',
      'greeting',
      '220 smtp.test ESMTP\r\n',
      'greeting: not a POP3 reply: 220 smtp.test ESMTP',
    ],
    [
      'a line without an end',
      'greeting',
      '+OK '.padEnd(5_000, 'x'),
      'greeting: not a POP3 reply: the line has no end',
    ],
    ['a connection that is closed', 'user', 'close', 'USER: the server closed the connection'],
    ['answers that nobody asked for', 'user', '+OK\r\n+OK\r\n', 'PASS: the server speaks unasked'],
    ['an unknown user', 'user', '-ERR who?\r\n', 'USER was refused: who?'],
    [
      'text in clear before the handshake',
      'stls',
      '+OK\r\n+OK in clear\r\n',
      'TLS: octets in clear before the handshake',
    ],
    ['no STLS', 'stls', '-ERR not here\r\n', 'it does not start TLS: not here'],
  ])('%s: the mail waits, and no host is asked', async (_, point, fault, reason) => {
    const { pop, peer, send } = await setting({ tls: 'stls' });
    pop.faults[point] = fault;
    expect(await send()).toBe(`${failed}${reason}`);
    expect(peer.connectionsSeen).toBe(0);
    expect(
      pop.commands.some((line) => line.includes('PASS')),
      'no secret before it is asked for',
    ).toBe(false);
    delete pop.faults[point];
    expect(await send(), 'the next attempt logs in').toBe('sent');
  });

  test('a wrong password is told without the password, and not tried twice', async () => {
    const { pop, peer, send } = await setting({ tls: 'stls', password: 'another' });
    const outcome = await send();
    expect(outcome).toBe(`${failed}PASS was refused: [AUTH] wrong: 1 PASS ***`);
    expect([pop.connectionsSeen, peer.connectionsSeen]).toEqual([1, 0]);
  });

  test.each<[string, PopServerOptions, Partial<PopSetting>, string]>([
    ['no TLS at all', {}, {}, 'it does not start TLS: unknown command'],
    [
      'no TLS, though it need not be verified',
      {},
      { tls: 'opportunistic' },
      'it offers no TLS, and a password in clear is not allowed',
    ],
    [
      'a name that the certificate has not',
      { tls: 'stls' },
      { host: 'localhost' },
      'TLS: Hostname/IP does not match',
    ],
  ])('%s: no password goes out', async (_, options, changes, reason) => {
    const { pop, send } = await setting(options, changes);
    expect(await send()).toContain(reason);
    expect(pop.commands.some((line) => /USER|PASS|APOP/.test(line))).toBe(false);
  });

  test('a server that says nothing is given up after half a minute', async () => {
    const { pop, clock, send } = await setting({ tls: 'stls' });
    pop.faults.pass = 'hang';
    const outcome = send();
    await until('the password', () => pop.commands.at(-1)?.includes('PASS'));
    clock.advance(30_000);
    expect(await outcome).toBe(`${failed}PASS: no answer within 30 s`);
  });

  test('an answer to QUIT is not waited for long', async () => {
    const { pop, clock, send } = await setting({ tls: 'stls' });
    pop.faults.quit = 'hang';
    const outcome = send();
    await until('QUIT', () => pop.commands.at(-1)?.includes('QUIT'));
    clock.advance(3_000);
    expect(await outcome).toBe('sent');
  });

  test('a stop ends it, when nobody waits any more', async () => {
    const { pop, peer, send } = await setting();
    pop.faults.greeting = 'hang';
    const stop = new AbortController();
    const outcome = send(stop.signal);
    await until('a connection', () => pop.open.size === 1);
    stop.abort();
    expect(await outcome).toContain('stopping');
    await until('its end', () => pop.open.size === 0);
    expect(peer.connectionsSeen).toBe(0);
  });

  test('a server without an address of the host’s family', async () => {
    const { send } = await setting({}, { host: 'pop.test' });
    expect(await send()).toContain('no login at the POP3 server pop.test: it has no IPv4 address');
  });
});
