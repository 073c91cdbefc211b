// Logins with OAuth2: tokens from a server that expires and rotates them, given to a smarthost.
// Real sockets on both sides; the clock is moved.
// Never asks a provider's server.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Delivery } from '../../../src/delivery/session.ts';
import type { GrantBook } from '../../../src/delivery/tokens.ts';
import { openGrantFile } from '../../../src/grant-file.ts';
import type { TokenAuth } from '../../../src/policy/auth.ts';
import { MovableClock } from '../../harness/clock.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { startPeer } from '../../harness/smtp-peer.ts';
import { startTokenServer, type TokenServerOptions } from '../../harness/token-server.ts';
import { until } from '../../harness/until.ts';
import {
  approachTo,
  deliveryOf,
  failureInShort,
  hello,
  mailOf,
  never,
  resolverOf,
  silent,
  smarthostRoute,
} from './setting.ts';

const MINUTE = 60_000;

async function setting(mechanism = 'XOAUTH2', options: TokenServerOptions = {}) {
  const tokens = await startTokenServer(options);
  const peer = await startPeer({
    auth: { user: 'ann@example.net', mechanisms: ['PLAIN', mechanism], accepts: tokens.accepts },
  });
  const clock = new MovableClock();
  const file = join(temporaryFolder(), 'oauth-tokens.json');
  const restart = (): Delivery =>
    deliveryOf(resolverOf({}), {}, { clock, grants: openGrantFile(file, clock, silent) });
  let delivery = restart();
  const authOf = (changes: Partial<TokenAuth['oauth2']> = {}): TokenAuth => ({
    kind: 'oauth2',
    user: 'ann@example.net',
    cleartext: true,
    oauth2: {
      clientId: 'sendoff',
      clientSecret: 'client-secret',
      refreshToken: 'refresh-0',
      tokenUrl: tokens.url,
      ...changes,
    },
  });
  /** One message over a connection of its own: `sent`, or the failure in short. */
  const send = async (auth = authOf(), signal = never): Promise<string> => {
    const approach = await approachTo(delivery, smarthostRoute(peer.port, { auth }), null);
    const next = await approach.next(signal);
    if ('failure' in next) return `${failureInShort(next.failure)}: ${next.failure.text}`;
    await next.session.send(mailOf(hello), never);
    await next.session.close();
    return 'sent';
  };
  return {
    tokens,
    peer,
    clock,
    file,
    authOf,
    send,
    restart: () => {
      delivery = restart();
    },
  };
}

test.each(['XOAUTH2', 'OAUTHBEARER'])('AUTH %s, with one token for many connections', async (mechanism) => {
  const { tokens, peer, send } = await setting(mechanism);
  expect(await Promise.all([send(), send(), send()])).toEqual(['sent', 'sent', 'sent']);
  expect(await send()).toBe('sent');
  expect(peer.messages.map(({ authUser }) => authUser)).toEqual(Array(4).fill('ann@example.net'));
  expect(peer.commands.filter((line) => line.includes(`AUTH ${mechanism}`))).toHaveLength(4);
  expect(tokens.requests).toEqual([
    {
      grant_type: 'refresh_token',
      refresh_token: 'refresh-0',
      client_id: 'sendoff',
      client_secret: 'client-secret',
    },
  ]);
});

test('a token is replaced shortly before it ends', async () => {
  const { tokens, clock, send } = await setting('XOAUTH2', { expiresIn: 600 });
  await send();
  clock.advance(8 * MINUTE);
  await send();
  expect(tokens.requests).toHaveLength(1);
  clock.advance(1.5 * MINUTE);
  expect(await send()).toBe('sent');
  expect(tokens.requests.map(({ refresh_token }) => refresh_token)).toEqual(['refresh-0', 'refresh-1']);
});

test.each(['XOAUTH2', 'OAUTHBEARER'])(
  'AUTH %s: a token that the host refuses is replaced once',
  async (how) => {
    const { tokens, peer, send } = await setting(how);
    await send();
    tokens.takeBack();
    expect(await send()).toBe('sent');
    expect(tokens.requests).toHaveLength(2);
    peer.setScript({ auth: '535 5.7.8 Not you' });
    expect(await send()).toMatch(/^destination 4.7.8 auth ours: refused at auth: 535/);
    expect(tokens.requests, 'a host that takes none is not asked for ever').toHaveLength(3);
  },
);

test('a refused token that cannot be replaced is told by the reason of its server', async () => {
  const { tokens, peer, send } = await setting();
  await send();
  tokens.takeBack();
  tokens.trouble = [400, '{"error":"invalid_grant"}'];
  expect(await send()).toMatch(/^destination 4.7.8 auth ours: no token from .*: invalid_grant$/);
  expect(peer.connectionsSeen).toBe(2);
});

describe('across a restart', () => {
  test('the rotated token is there, in a file for its owner alone', async () => {
    const { tokens, clock, file, send, restart } = await setting();
    await send();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    restart();
    expect(await send(), 'the access token is good still').toBe('sent');
    expect(tokens.requests).toHaveLength(1);
    clock.advance(60 * MINUTE);
    restart();
    expect(await send()).toBe('sent');
    expect(tokens.requests.at(-1)).toMatchObject({ refresh_token: 'refresh-1' });
    expect(readFileSync(file, 'utf8')).not.toContain('client-secret');
  });

  test('a refresh token that the operator changed stands above it', async () => {
    const { tokens, send, authOf, restart } = await setting();
    await send();
    tokens.refreshToken = 'a new one';
    restart();
    expect(await send(authOf({ refreshToken: 'a new one' }))).toBe('sent');
    expect(tokens.requests.at(-1)).toMatchObject({ refresh_token: 'a new one' });
  });

  test('a broken file is no reason not to send, and is made anew', async () => {
    const { file, send, restart } = await setting();
    writeFileSync(file, 'half a f');
    restart();
    expect(await send()).toBe('sent');
    expect(Object.values(JSON.parse(readFileSync(file, 'utf8')))).toMatchObject([
      { refreshToken: 'refresh-1' },
    ]);
  });

  test('a file that cannot be written is warned of, and mail goes on', async () => {
    const warnings: string[] = [];
    const observer = { ...silent, warn: (text: string) => void warnings.push(text) };
    const clock = new MovableClock();
    const book: GrantBook = openGrantFile('/nowhere/tokens.json', clock, observer);
    await book.keep('k', { accessToken: 'a', refreshToken: 'r', expires: clock.now() });
    expect(warnings).toEqual(['a rotated login token could not be kept for the next start']);
    expect(book.recall('k')).toMatchObject({ refreshToken: 'r' });
  });
});

describe('no token', () => {
  const failed = 'destination 4.7.8 auth ours: no token from 127.0.0.1:';

  test.each<[string, readonly [number, string], string]>([
    [
      'a refusal',
      [400, '{"error":"invalid_grant","error_description":"gone: refresh-0"}'],
      'invalid_grant: gone: ***',
    ],
    ['a broken server', [503, '<html>'], 'HTTP 503'],
    ['nonsense', [200, '{"access_token":"a\\r\\nb"}'], 'HTTP 200'],
  ])('%s defers, with a reason that tells no secret, and no host is asked', async (_, trouble, reason) => {
    const { tokens, peer, send } = await setting();
    tokens.trouble = trouble;
    const outcome = await send();
    expect(outcome.startsWith(failed)).toBe(true);
    expect(outcome.endsWith(`: ${reason}`)).toBe(true);
    expect(peer.connectionsSeen).toBe(0);
    tokens.trouble = null;
    expect(await send(), 'the next attempt asks again').toBe('sent');
  });

  test('a server that does not answer is given up after half a minute', async () => {
    const { tokens, clock, send } = await setting();
    tokens.silent = true;
    const outcome = send();
    await until('the request', () => tokens.requests.length === 1);
    clock.advance(30_000);
    expect(await outcome).toContain('no answer within 30 s');
  });

  test('a stop does not wait for the server', async () => {
    const { tokens, clock, send, authOf } = await setting();
    tokens.silent = true;
    const stop = new AbortController();
    const outcome = send(authOf(), stop.signal);
    await until('the request', () => tokens.requests.length === 1);
    stop.abort();
    expect(await outcome).toContain('stopping');
    clock.advance(30_000);
  });

  test('without the mechanism in the offers there is no login', async () => {
    const { send } = await setting('PLAIN');
    expect(await send()).toBe(
      'destination 4.7.8 auth ours: the host offers none of AUTH XOAUTH2, OAUTHBEARER',
    );
  });

  test('in clear only with leave', async () => {
    const { peer, send, authOf } = await setting();
    expect(await send({ ...authOf(), cleartext: false })).toContain('a login in clear is not allowed');
    expect(peer.commands.some((line) => line.includes('AUTH'))).toBe(false);
  });
});
