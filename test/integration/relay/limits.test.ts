import { describe, expect, it } from 'vitest';
import { MovableClock } from '../../harness/clock.ts';
import { listenerUnderTest } from '../../harness/listener.ts';
import { SmtpClient } from '../../harness/smtp-client.ts';
import { until } from '../../harness/until.ts';

const TO = ['postmaster'];
const stranger = { trusted: [], postmaster: 'ops@ours.example' };

describe('connections', () => {
  it('over the limit are told so, and a place comes free again', async () => {
    const { port, rejected } = await listenerUnderTest({ limits: { connections: 2 } });
    const first = await SmtpClient.ready({ port });
    await SmtpClient.ready({ port });
    const third = await SmtpClient.connect({ port });
    await third.expect(421, '4.3.2');
    expect(await third.closed()).toBe('');
    expect(rejected).toMatchObject([{ phase: 'connect', client: '127.0.0.1' }]);
    first.reset();
    await until('a free place', () => SmtpClient.ready({ port }).catch(() => null));
  });

  it('of one client are limited, others and trusted ones get in', async () => {
    const { port } = await listenerUnderTest({
      trusted: ['127.0.0.3/32'],
      limits: { connectionsPerClient: 1 },
    });
    await SmtpClient.ready({ port });
    const second = await SmtpClient.connect({ port });
    await second.expect(421, '4.7.0');
    await SmtpClient.ready({ port, localAddress: '127.0.0.2' });
    await SmtpClient.ready({ port, localAddress: '127.0.0.3' });
    await SmtpClient.ready({ port, localAddress: '127.0.0.3' });
  });

  it('are counted and watched on IPv6 too', async () => {
    const { listener, intake } = await listenerUnderTest({ listener: { address: '::1' } });
    const client = await SmtpClient.ready({ host: '::1', port: listener.port });
    expect([listener.address, listener.connections()]).toEqual(['::1', 1]);
    expect((await client.message('', ['c@d.example'], 'x\r\n')).code).toBe(250);
    expect(intake.accepted[0]?.submission.client.address).toBe('::1');
  });
});

describe('messages', () => {
  it('of a stranger are paced', async () => {
    const clock = new MovableClock();
    const { port } = await listenerUnderTest({
      ...stranger,
      clock,
      limits: { rate: { count: 2, per: 60_000 } },
    });
    const client = await SmtpClient.ready({ port });
    expect((await client.message('', TO, 'x\r\n')).code).toBe(250);
    expect((await client.message('', TO, 'x\r\n')).code).toBe(250);
    await client.command('MAIL FROM:<>', 450, '4.7.1');
    clock.advance(30_000);
    expect((await client.message('', TO, 'x\r\n')).code).toBe(250);
  });

  it('of a stranger on one connection are limited', async () => {
    const { port } = await listenerUnderTest({ ...stranger, limits: { messagesPerConnection: 2 } });
    const client = await SmtpClient.ready({ port });
    expect((await client.message('', TO, 'x\r\n')).code).toBe(250);
    expect((await client.message('', TO, 'x\r\n')).code).toBe(250);
    await client.command('MAIL FROM:<>', 421, '4.7.0');
    expect(await client.closed()).toBe('');
  });

  it('of trusted clients are not, unless the settings say so', async () => {
    const limits = { messagesPerConnection: 1, rate: { count: 1, per: 60_000 } };
    const free = await listenerUnderTest({ limits });
    const client = await SmtpClient.ready(free);
    for (let i = 0; i < 3; i++) expect((await client.message('', ['c@d.example'], 'x\r\n')).code).toBe(250);
    const bound = await listenerUnderTest({ limits: { ...limits, trusted: true } });
    const other = await SmtpClient.ready(bound);
    expect((await other.message('', ['c@d.example'], 'x\r\n')).code).toBe(250);
    await other.command('MAIL FROM:<>', 421);
  });
});
