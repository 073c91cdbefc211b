import { expect, test } from 'vitest';
import type { Milestone } from '../../../src/clock/milestones.ts';
import { close, startPeer } from '../../harness/smtp-peer.ts';
import { deliveryOf, hello, inShort, mailOf, never, openSession, resolverOf } from './setting.ts';

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

test('recipients keep their own answers', async () => {
  const peer = await startPeer({
    script: { rcpt: [null, '550 5.1.1 No such user', '450-4.2.1 wait\n450 4.2.1 a bit', null] },
  });
  const session = await openSession(peer.port);
  const recipients = ['a@x.test', 'b@x.test', 'c@x.test', 'd@x.test'];
  const result = await session.send(mailOf(hello, { recipients }), never);
  await session.close();
  expect(inShort(result)).toEqual([
    'delivered',
    'recipient 5.1.1 unknown-user permanent',
    expect.stringMatching(/^recipient 4\.2\.1 [a-z-]+$/),
    'delivered',
  ]);
  expect(peer.messages[0]?.to).toEqual(['a@x.test', 'd@x.test']);
});

test('the milestones of a message come in their order, the dot is announced before it is sent', async () => {
  const peer = await startPeer();
  const seen: string[] = [];
  const reached = (milestone: Milestone): unknown => seen.push(milestone);
  const session = await openSession(peer.port, {}, deliveryOf(resolverOf({}), {}, { reached }));
  await session.send(mailOf(hello, { dotSent: () => seen.push(`dot, ${peer.messages.length}`) }), never);
  await session.close();
  expect(seen).toEqual(['mail-sent', 'dot, 0', 'dot-sent', 'reply-read']);
});

test('a connection lost at MAIL of the first message is the host’s failure', async () => {
  const peer = await startPeer({ script: { mail: close } });
  const session = await openSession(peer.port);
  const result = await session.send(mailOf(hello), never);
  expect(inShort(result)).toEqual(['host 4.4.2 unreachable']);
  expect(result).toMatchObject({ stale: false, hostFailure: { phase: 'mail' } });
  expect(session.usable).toBe(false);
});
