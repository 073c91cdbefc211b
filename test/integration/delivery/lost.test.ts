import { describe, expect, test } from 'vitest';
import { MovableClock } from '../../harness/clock.ts';
import {
  close,
  dropRecorded,
  hang,
  type Point,
  reset,
  type Step,
  startPeer,
} from '../../harness/smtp-peer.ts';
import { until } from '../../harness/until.ts';
import { deliveryOf, hello, inShort, mailOf, never, openSession, resolverOf } from './setting.ts';

const MINUTE = 60_000;
const pipelined = ['PIPELINING'];
const stepwise = ['SIZE'];

/** The first message to a peer with this step at this point. */
async function send(point: Point, step: Step, extensions: readonly string[]) {
  const peer = await startPeer({ extensions, script: { [point]: step } });
  const session = await openSession(peer.port);
  const result = await session.send(mailOf(hello), never);
  expect(session.usable).toBe(false);
  await session.close();
  return { peer, result };
}

describe.each([
  ['close', close],
  ['reset', reset],
])('%s', (_, step) => {
  test.each([
    ['mail', pipelined],
    ['rcpt', pipelined],
    ['data', pipelined],
    ['mail', stepwise],
    ['rcpt', stepwise],
    ['data', stepwise],
  ] as const)('at %s is the host’s failure', async (point, extensions) => {
    const { result } = await send(point, step, extensions);
    expect(inShort(result)).toEqual(['host 4.4.2 unreachable']);
    expect(result.hostFailure).toMatchObject({ phase: point, host: '127.0.0.1', ip: '127.0.0.1' });
  });

  test('after the dot is doubt, and no other host is tried', async () => {
    const { result } = await send('dot', step, pipelined);
    expect(inShort(result)).toEqual(['message 4.4.2 unreachable in-doubt']);
    expect(result.hostFailure).toBeNull();
  });
});

test('a peer that keeps the message and says nothing leaves doubt', async () => {
  const { peer, result } = await send('dot', dropRecorded, pipelined);
  expect(inShort(result)).toEqual(['message 4.4.2 unreachable in-doubt']);
  expect(peer.messages).toHaveLength(1);
});

test('what was refused before the connection was lost stays refused', async () => {
  const peer = await startPeer({ script: { rcpt: ['550 5.1.1 No', null, close] } });
  const session = await openSession(peer.port);
  const recipients = ['a@x.test', 'b@x.test', 'c@x.test'];
  const result = await session.send(mailOf(hello, { recipients }), never);
  expect(inShort(result)).toEqual([
    'recipient 5.1.1 unknown-user permanent',
    'host 4.4.2 unreachable',
    'host 4.4.2 unreachable',
  ]);
});

test.each(['mail', 'rcpt', 'data', 'dot'] as const)(
  '421 at %s is the host’s, and no doubt',
  async (point) => {
    const { result } = await send(point, '421 4.3.2 Going down', pipelined);
    expect(inShort(result)).toEqual(['host 4.3.2 unreachable']);
  },
);

test.each([
  ['mail', 'host 4.5.0 protocol'],
  ['rcpt', 'host 4.5.0 protocol'],
  ['data', 'host 4.5.0 protocol'],
  ['dot', 'message 4.5.0 protocol in-doubt'],
] as const)('garbage at %s', async (point, expected) => {
  const { result } = await send(point, 'what was that?', pipelined);
  expect(inShort(result)).toEqual([expected]);
});

test('a positive answer to DATA is no invitation', async () => {
  const { peer, result } = await send('data', '250 Ok', pipelined);
  expect(inShort(result)).toEqual(['host 4.5.0 protocol']);
  expect(peer.messages).toHaveLength(0);
});

describe('a peer that falls silent', () => {
  test.each([
    ['mail', 5, 'host 4.4.2 unreachable'],
    ['rcpt', 5, 'host 4.4.2 unreachable'],
    ['data', 2, 'host 4.4.2 unreachable'],
    ['dot', 10, 'message 4.4.2 unreachable in-doubt'],
  ] as const)('at %s is given up after %i minutes, not before', async (point, minutes, expected) => {
    const clock = new MovableClock();
    const peer = await startPeer({ extensions: stepwise, script: { [point]: hang } });
    const session = await openSession(peer.port, {}, deliveryOf(resolverOf({}), {}, { clock }));
    let announced = false;
    const sending = session.send(mailOf(hello, { dotSent: () => (announced = true) }), never);
    const verb = point.toUpperCase();
    await until('the step', () => announced || (point !== 'dot' && peer.commands.at(-1)?.includes(verb)));
    clock.advance(minutes * MINUTE - 1000);
    const early = await Promise.race([sending, new Promise((resolve) => setImmediate(resolve, 'waiting'))]);
    expect(early).toBe('waiting');
    clock.advance(1000);
    expect(inShort(await sending)).toEqual([expected]);
    await session.close();
  });

  test('in the content is given up after 3 minutes without progress', async () => {
    const clock = new MovableClock();
    const peer = await startPeer({ script: { body: hang } });
    const session = await openSession(peer.port, {}, deliveryOf(resolverOf({}), {}, { clock }));
    const data = Buffer.alloc(20_000_000, 'x');
    let settled = false;
    const sending = session.send(mailOf(data), never).finally(() => (settled = true));
    await until('the end of the attempt', () => {
      clock.advance(1 * MINUTE);
      return settled;
    });
    expect(inShort(await sending)).toEqual(['host 4.4.2 unreachable']);
    await session.close();
  });
});

describe('a kept connection', () => {
  test('that the peer closed while it was idle costs the next message nothing', async () => {
    const peer = await startPeer();
    const session = await openSession(peer.port);
    await session.send(mailOf(hello), never);
    peer.dropConnections();
    await until('the peer’s end', () => peer.connectionsOpen === 0);
    const result = await session.send(mailOf(hello), never);
    expect(result).toMatchObject({ stale: true, hostFailure: null });
    expect(session.usable).toBe(false);
    await session.close();
  });

  test.each([
    ['421', '421 4.7.0 Enough'],
    ['a close', close],
  ])('that ends with %s at the next MAIL costs nothing either', async (_, step) => {
    const peer = await startPeer({ script: { mail: [null, step] } });
    const session = await openSession(peer.port);
    await session.send(mailOf(hello), never);
    const result = await session.send(mailOf(hello), never);
    expect(result).toMatchObject({ stale: true, hostFailure: null });
    await session.close();
  });

  test('that ends later in the transaction is a lost one', async () => {
    const peer = await startPeer({ script: { rcpt: [null, close] } });
    const session = await openSession(peer.port);
    await session.send(mailOf(hello), never);
    const result = await session.send(mailOf(hello), never);
    expect(result.stale).toBe(false);
    expect(inShort(result)).toEqual(['host 4.4.2 unreachable']);
    await session.close();
  });

  test('is closed with QUIT, and a peer that does not answer it is not waited for', async () => {
    const clock = new MovableClock();
    const peer = await startPeer({ script: { quit: hang } });
    const session = await openSession(peer.port, {}, deliveryOf(resolverOf({}), {}, { clock }));
    await session.send(mailOf(hello), never);
    const closing = session.close();
    await until('QUIT', () => peer.commands.at(-1) === '1 QUIT');
    clock.advance(3_000);
    await closing;
    expect(session.usable).toBe(false);
  });
});
