// Mail that meets no trouble: from a client's socket to a peer's, through spool, queue and DNS.
import { expect, test } from 'vitest';
import { startDnsServer } from '../harness/dns-server.ts';
import { startSendoff } from '../harness/sendoff.ts';
import { startPeer } from '../harness/smtp-peer.ts';

test('a message reaches the MX host of its recipient and the books balance', async () => {
  const peer = await startPeer();
  const dns = await startDnsServer();
  dns.set('example.org', { mx: [[10, 'mx.example.org']] });
  dns.set('mx.example.org', { a: ['127.0.0.1'] });
  const sendoff = await startSendoff({ dns, mxPort: peer.port });
  const id = await sendoff.send({ from: 'a@example.net', to: 'b@example.org' });
  const [message] = await peer.received(1);
  expect(message).toMatchObject({ from: 'a@example.net', to: ['b@example.org'], helo: 'relay.example.net' });
  expect(message?.data.toString()).toMatch(new RegExp(`^Received: from client\\.example .*id ${id}`, 's'));
  expect(await sendoff.settled()).toMatchObject({ accepted: 1, delivered: 1, queued: 0 });
  await sendoff.event('delivered', (line) => line.id === id);
  const metrics = String(await sendoff.api('/metrics'));
  const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
  expect(value('sendoff_commit_seconds_count')).toBeGreaterThan(0);
  expect(value('sendoff_spool_free_bytes')).toBeGreaterThan(0);
  // The connection is kept for some seconds.
  expect(value('sendoff_connections{direction="outgoing"}')).toBe(1);
  expect(await sendoff.stop()).toBe(0);
});
