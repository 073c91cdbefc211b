import { expect, it } from 'vitest';
import { MovableClock } from '../../harness/clock.ts';
import { listenerUnderTest } from '../../harness/listener.ts';
import { SmtpClient } from '../../harness/smtp-client.ts';
import { until } from '../../harness/until.ts';

async function inData(port: number): Promise<SmtpClient> {
  const client = await SmtpClient.ready({ port });
  await client.command('MAIL FROM:<a@b.example>', 250);
  await client.command('RCPT TO:<c@d.example>', 250);
  await client.command('DATA', 354);
  return client;
}

it('clients between commands are told at once, nobody else gets in', async () => {
  const { listener, port } = await listenerUnderTest();
  const idle = await SmtpClient.ready({ port });
  const inTransaction = await SmtpClient.ready({ port });
  await inTransaction.command('MAIL FROM:<a@b.example>', 250);
  const closed = listener.close(60_000);
  await idle.expect(421, '4.3.2');
  await inTransaction.expect(421, '4.3.2');
  expect(await idle.closed()).toBe('');
  expect(await inTransaction.closed()).toBe('');
  await expect(SmtpClient.connect({ port })).rejects.toThrow('ECONNREFUSED');
  await closed;
});

it('a message under way may arrive, then its client is told', async () => {
  const { listener, port, intake } = await listenerUnderTest();
  const client = await inData(port);
  const closed = listener.close(60_000);
  await client.send('x\r\n.\r\nMAIL FROM:<a@b.example>\r\n');
  await client.expect(250);
  await client.expect(421, '4.3.2');
  expect(await client.closed()).toBe('');
  await closed;
  expect(intake.accepted).toHaveLength(1);
});

it('a message that does not arrive is cut off at the deadline', async () => {
  const clock = new MovableClock();
  const { listener, port, intake } = await listenerUnderTest({ clock });
  const client = await inData(port);
  await client.send('half\r\n');
  await until('content', () => intake.begun === 1);
  const closed = listener.close(30_000);
  await client.send('more\r\n');
  clock.advance(30_000);
  await client.expect(421, '4.3.2');
  await client.closed();
  await closed;
  expect([intake.accepted.length, intake.aborted]).toEqual([0, 1]);
});

it('a client that waits for its 250 gets it', async () => {
  const { listener, port, intake } = await listenerUnderTest();
  const finish = Promise.withResolvers<null>();
  const asked = Promise.withResolvers<void>();
  intake.onFinish = () => {
    asked.resolve();
    return finish.promise;
  };
  const client = await inData(port);
  await client.send('x\r\n.\r\n');
  await asked.promise;
  const closed = listener.close(60_000);
  finish.resolve(null);
  await client.expect(250);
  await client.expect(421, '4.3.2');
  await client.closed();
  await closed;
});

it('closing twice is closing once', async () => {
  const { listener } = await listenerUnderTest();
  await Promise.all([listener.close(0), listener.close(0)]);
  await listener.close(0);
});

it('an address that is taken is an error at start', async () => {
  const { port } = await listenerUnderTest();
  await expect(listenerUnderTest({ listener: { port } })).rejects.toThrow('EADDRINUSE');
});
