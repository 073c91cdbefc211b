import { describe, expect, test } from 'vitest';
import type { Milestone } from '../../../src/clock/milestones.ts';
import { hang, startPeer } from '../../harness/smtp-peer.ts';
import { until } from '../../harness/until.ts';
import { deliveryOf, hello, inShort, mailOf, never, openSession, resolverOf } from './setting.ts';

const three = ['a@x.test', 'b@x.test', 'c@x.test'];

test('a message arrives as it is, in one pipelined envelope', async () => {
  const peer = await startPeer();
  const session = await openSession(peer.port);
  const result = await session.send(mailOf('.one\r\n..two\r\n\r\n.\r\nend\r\n'), never);
  await session.close();
  expect(inShort(result)).toEqual(['delivered']);
  expect(peer.messages).toMatchObject([
    { from: 'ann@example.org', to: ['bob@example.net'], helo: 'sendoff.test', parameters: 'SIZE=23' },
  ]);
  expect(peer.messages[0]?.data.toString()).toBe('.one\r\n..two\r\n\r\n.\r\nend\r\n');
  expect(peer.commands.at(-1)).toBe('1 QUIT');
});

test('a body without an end of line gets one, and nothing else', async () => {
  const peer = await startPeer();
  const session = await openSession(peer.port);
  await session.send(mailOf('Subject: x\r\n\r\nno end'), never);
  await session.close();
  expect(peer.messages[0]?.data.toString()).toBe('Subject: x\r\n\r\nno end\r\n');
});

test('the null reverse path is sent as <>', async () => {
  const peer = await startPeer();
  const session = await openSession(peer.port);
  await session.send(mailOf(hello, { from: '' }), never);
  await session.close();
  expect(peer.commands).toContain(`1 MAIL FROM:<> SIZE=${hello.length}`);
});

test('the milestones come in their order, and the dot is announced before it is sent', async () => {
  const peer = await startPeer();
  const seen: string[] = [];
  const reached = (milestone: Milestone): unknown => seen.push(milestone);
  const session = await openSession(peer.port, {}, deliveryOf(resolverOf({}), {}, { reached }));
  await session.send(mailOf(hello, { dotSent: () => seen.push(`dot, ${peer.messages.length}`) }), never);
  await session.close();
  expect(seen).toEqual(['mail-sent', 'dot, 0', 'dot-sent', 'reply-read']);
});

describe.each([
  ['with pipelining', undefined],
  ['without pipelining', ['SIZE 1000000', '8BITMIME']],
])('replies %s', (_, extensions) => {
  const options = extensions ? { extensions } : {};

  test('recipients keep their own answers', async () => {
    const rcpt = [null, '550 5.1.1 No such user', '450-4.2.2 wait\n450 4.2.2 mailbox full'];
    const peer = await startPeer({ ...options, script: { rcpt } });
    const session = await openSession(peer.port);
    const result = await session.send(mailOf(hello, { recipients: three }), never);
    await session.close();
    expect(inShort(result)).toEqual([
      'delivered',
      'recipient 5.1.1 unknown-user permanent',
      'recipient 4.2.2 mailbox-full',
    ]);
    expect(result.hostFailure).toBeNull();
    expect(peer.messages[0]?.to).toEqual(['a@x.test']);
    expect(peer.violations).toEqual([]);
  });

  test('a refused sender fails everybody, and the connection goes on', async () => {
    const peer = await startPeer({ ...options, script: { mail: ['550 5.1.8 Bad sender'] } });
    const session = await openSession(peer.port);
    const refused = await session.send(mailOf(hello, { recipients: three }), never);
    const next = await session.send(mailOf(hello), never);
    await session.close();
    expect(new Set(inShort(refused))).toEqual(new Set(['message 5.1.8 policy permanent']));
    expect(inShort(next)).toEqual(['delivered']);
    expect(peer.connectionsSeen).toBe(1);
  });

  test('when no recipient is taken nothing is sent, and RSET precedes the next message', async () => {
    const peer = await startPeer({ ...options, script: { rcpt: ['550 5.1.1 No'] } });
    const session = await openSession(peer.port);
    await session.send(mailOf(hello), never);
    const next = await session.send(mailOf(hello), never);
    await session.close();
    expect(inShort(next)).toEqual(['delivered']);
    expect(peer.messages).toHaveLength(1);
    expect(peer.commands.filter((line) => line === '1 RSET')).toHaveLength(1);
  });

  test('refused DATA fails the message', async () => {
    const peer = await startPeer({ ...options, script: { data: ['451 4.3.0 Later'] } });
    const session = await openSession(peer.port);
    const result = await session.send(mailOf(hello), never);
    expect(inShort(result)).toEqual(['message 4.3.0 unknown']);
    expect(session.usable).toBe(true);
    await session.close();
  });

  test('a refused message fails all who were accepted', async () => {
    const script = { rcpt: ['550 5.1.1 No'], dot: ['554 5.7.1 Looks like spam'] };
    const peer = await startPeer({ ...options, script });
    const session = await openSession(peer.port);
    const result = await session.send(mailOf(hello, { recipients: three }), never);
    await session.close();
    const spam = 'message 5.7.1 content permanent';
    expect(inShort(result)).toEqual(['recipient 5.1.1 unknown-user permanent', spam, spam]);
  });

  test('the first digit decides', async () => {
    const script = { mail: '299 why not', rcpt: '252 maybe', data: '399 say', dot: '222 fine' };
    const peer = await startPeer({ ...options, script });
    const session = await openSession(peer.port);
    const result = await session.send(mailOf(hello), never);
    await session.close();
    expect(result.results).toEqual([{ kind: 'delivered', reply: '222 fine' }]);
  });

  test('too many recipients: the rest goes in another transaction', async () => {
    const peer = await startPeer({ ...options, maxRecipients: 2 });
    const session = await openSession(peer.port);
    const result = await session.send(mailOf(hello, { recipients: [...three, 'd@x.test'] }), never);
    await session.close();
    expect(inShort(result)).toEqual(['delivered', 'delivered', 'next-transaction', 'next-transaction']);
  });

  test('452 is one recipient’s trouble for another reason, or when nobody was accepted', async () => {
    const rcpt = ['452 4.5.3 Too many recipients', null, '452 4.2.2 Over quota'];
    const peer = await startPeer({ ...options, script: { rcpt } });
    const session = await openSession(peer.port);
    const result = await session.send(mailOf(hello, { recipients: three }), never);
    await session.close();
    expect(inShort(result)).toEqual([
      'recipient 4.5.3 throttled',
      'delivered',
      'recipient 4.2.2 mailbox-full',
    ]);
  });
});

test('recipients over the route’s limit are for the next transaction', async () => {
  const peer = await startPeer();
  const session = await openSession(peer.port, { recipients: 2 });
  const result = await session.send(mailOf(hello, { recipients: three }), never);
  await session.close();
  expect(inShort(result)).toEqual(['delivered', 'delivered', 'next-transaction']);
});

test('a peer that takes DATA without recipients gets an empty message (RFC 2920)', async () => {
  const script = { rcpt: ['550 5.1.1 No'], data: ['354 Go on all the same'] };
  const peer = await startPeer({ script });
  const session = await openSession(peer.port);
  const refused = await session.send(mailOf(hello), never);
  const next = await session.send(mailOf(hello), never);
  await session.close();
  expect(inShort(refused)).toEqual(['recipient 5.1.1 unknown-user permanent']);
  expect(inShort(next)).toEqual(['delivered']);
  expect(peer.messages).toHaveLength(1);
});

test('a peer that refused the sender and takes DATA gets no content', async () => {
  const peer = await startPeer({ script: { mail: ['550 5.7.1 No'], data: ['354 Go on'] } });
  const session = await openSession(peer.port);
  await session.send(mailOf(hello), never);
  expect(session.usable).toBe(false);
  await until('the end of the connection', () => peer.connectionsOpen === 0);
  expect(peer.messages).toHaveLength(0);
});

describe('what EHLO rules out is not tried', () => {
  test('a message over SIZE', async () => {
    const peer = await startPeer({ extensions: ['SIZE 20'] });
    const session = await openSession(peer.port);
    expect(inShort(await session.send(mailOf(hello), never))).toEqual(['message 5.3.4 content permanent']);
    await session.close();
    expect(peer.commands).toEqual(['1 EHLO sendoff.test', '1 QUIT']);
  });

  test('8-bit content without 8BITMIME', async () => {
    const peer = await startPeer({ extensions: ['SIZE 0'] });
    const session = await openSession(peer.port);
    const result = await session.send(mailOf('Subject: ü\r\n', { eightBit: true }), never);
    await session.close();
    expect(inShort(result)).toEqual(['message 5.6.3 content permanent']);
    expect(peer.commands).toEqual(['1 EHLO sendoff.test', '1 QUIT']);
  });

  test('8-bit content is declared where it is taken', async () => {
    const peer = await startPeer();
    const session = await openSession(peer.port);
    await session.send(mailOf('Subject: ü\r\n', { eightBit: true }), never);
    await session.close();
    expect(peer.messages[0]?.parameters).toBe('SIZE=13 BODY=8BITMIME');
  });
});

describe('large content', () => {
  const line = `${'.'.repeat(60)}\r\n`;
  const blocks = Array.from({ length: 50 }, () => Buffer.from(line.repeat(1000)));
  const size = blocks.length * 1000 * line.length;

  function streamed(read: () => AsyncGenerator<Buffer>) {
    let destroyed = 0;
    const open = () => Object.assign(read(), { destroy: () => void destroyed++ });
    const mail = mailOf('', { size, body: async () => ({ kind: 'stream', size, open }) });
    return { mail, destroyed: () => destroyed };
  }

  test('is streamed', async () => {
    const peer = await startPeer();
    const session = await openSession(peer.port);
    const { mail, destroyed } = streamed(async function* () {
      yield* blocks;
    });
    expect(inShort(await session.send(mail, never))).toEqual(['delivered']);
    await session.close();
    expect(peer.messages[0]?.data.equals(Buffer.concat(blocks))).toBe(true);
    expect(destroyed()).toBe(1);
  });

  test('in memory goes out whole as well', async () => {
    const peer = await startPeer();
    const session = await openSession(peer.port);
    expect(inShort(await session.send(mailOf(Buffer.concat(blocks)), never))).toEqual(['delivered']);
    await session.close();
    expect(peer.messages[0]?.data.equals(Buffer.concat(blocks))).toBe(true);
  });

  test('that breaks off is never finished with a dot', async () => {
    const peer = await startPeer();
    const session = await openSession(peer.port);
    const { mail, destroyed } = streamed(async function* () {
      yield* blocks.slice(0, 3);
      throw new Error('disk gone');
    });
    const result = await session.send(mail, never);
    expect(inShort(result)).toEqual(['message 4.3.0 unknown ours']);
    expect(session.usable).toBe(false);
    await until('the end of the connection', () => peer.connectionsOpen === 0);
    expect(peer.messages).toHaveLength(0);
    expect(destroyed()).toBe(1);
  });

  test('a peer that ends the connection in its midst may say why', async () => {
    const body = { do: 'close', reply: '552 5.3.4 Too big after all' } as const;
    const peer = await startPeer({ script: { body } });
    const session = await openSession(peer.port);
    const { mail } = streamed(async function* () {
      for (;;) {
        yield* blocks;
        if (!session.usable && peer.connectionsOpen === 0) return;
      }
    });
    const [outcome] = inShort(await session.send(mail, never));
    expect(['message 5.3.4 content permanent', 'host 4.4.2 unreachable']).toContain(outcome);
  });
});

test('content that the disk does not give fails the message for now, and is ours', async () => {
  const peer = await startPeer();
  const session = await openSession(peer.port);
  const mail = mailOf(hello, { body: () => Promise.reject(new Error('no disk')) });
  expect(inShort(await session.send(mail, never))).toEqual(['message 4.3.0 unknown ours']);
  expect(inShort(await session.send(mailOf(hello), never))).toEqual(['delivered']);
  await session.close();
});

test('aborted before the dot, a message is not sent; after it, it is in doubt', async () => {
  for (const [point, expected] of [
    ['rcpt', 'message 4.3.2 unreachable ours'],
    ['dot', 'message 4.4.2 unreachable in-doubt'],
  ] as const) {
    const stop = new AbortController();
    const peer = await startPeer({ script: { [point]: hang } });
    const session = await openSession(peer.port);
    let announced = false;
    const sending = session.send(mailOf(hello, { dotSent: () => (announced = true) }), stop.signal);
    await until('the envelope', () => (point === 'dot' ? announced : peer.commands.length > 2));
    stop.abort();
    const result = await sending;
    expect(inShort(result)).toEqual([expected]);
    expect(result.results[0]).toMatchObject({ failure: { aborted: true } });
    expect(result.hostFailure).toBeNull();
    await session.close();
  }
});
