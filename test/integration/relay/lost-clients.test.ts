import { describe, expect, it } from 'vitest';
import { MovableClock } from '../../harness/clock.ts';
import { listenerUnderTest } from '../../harness/listener.ts';
import { SmtpClient } from '../../harness/smtp-client.ts';
import { until } from '../../harness/until.ts';

const MINUTE = 60_000;

async function inData(port: number): Promise<SmtpClient> {
  const client = await SmtpClient.ready({ port });
  await client.command('MAIL FROM:<a@b.example>', 250);
  await client.command('RCPT TO:<c@d.example>', 250);
  await client.command('DATA', 354);
  return client;
}

describe('a client that goes away', () => {
  it.each(['reset', 'destroy', 'halfClose'] as const)(
    'by %s in the middle of DATA leaves nothing behind',
    async (how) => {
      const { listener, port, intake } = await listenerUnderTest();
      const client = await inData(port);
      await client.send('Subject: x\r\n\r\nhalf a mess');
      await until('content', () => intake.begun === 1);
      client[how]();
      await until('the abort', () => intake.aborted === 1);
      await until('the end of the connection', () => listener.connections() === 0);
      expect(intake.accepted).toHaveLength(0);
    },
  );

  it('between dot and reply has its message queued', async () => {
    const { listener, port, intake, milestones } = await listenerUnderTest();
    const finish = Promise.withResolvers<null>();
    const asked = Promise.withResolvers<void>();
    intake.onFinish = () => {
      asked.resolve();
      return finish.promise;
    };
    const client = await inData(port);
    await client.send('x\r\n.\r\n');
    await asked.promise;
    client.reset();
    await until('the end of the connection', () => listener.connections() === 0);
    finish.resolve(null);
    await until('the message', () => intake.accepted.length === 1);
    expect([intake.aborted, milestones]).toEqual([0, []]);
  });

  it('that only shuts its side down reads the replies to what it sent', async () => {
    const { listener, port, intake } = await listenerUnderTest();
    const client = await SmtpClient.connect({ port });
    await client.send('EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nx\r\n.\r\nNOOP');
    client.halfClose();
    for (const code of [220, 250, 250, 250, 354, 250]) await client.expect(code);
    expect(await client.closed()).toBe('');
    await until('the end of the connection', () => listener.connections() === 0);
    expect(intake.accepted).toHaveLength(1);
  });

  it('after QUIT is not heard any more', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    await client.send('QUIT\r\nMAIL FROM:<a@b.example>\r\n');
    await client.expect(221);
    expect(await client.closed()).toBe('');
    expect(intake.begun).toBe(0);
  });

  it('that never reads is not served beyond what the network takes', async () => {
    const { listener, port } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    client.stopReading();
    let taken = false;
    void client.send(Buffer.alloc(60_000_000, 'NOOP\r\n')).then(() => {
      taken = true;
    });
    const other = await SmtpClient.ready({ port });
    for (let i = 0; i < 500; i++) await other.command('NOOP', 250);
    expect(taken).toBe(false);
    client.reset();
    await until('the end of the connection', () => listener.connections() === 1);
  });
});

describe('time', () => {
  it('a silent client is told goodbye after 5 minutes', async () => {
    const clock = new MovableClock();
    const { listener, port } = await listenerUnderTest({ clock });
    const silent = await SmtpClient.ready({ port });
    clock.advance(4 * MINUTE);
    const busy = await SmtpClient.ready({ port });
    clock.advance(MINUTE);
    await silent.expect(421, '4.4.2');
    expect(await silent.closed()).toBe('');
    await busy.command('NOOP', 250);
    await until('the end of the connection', () => listener.connections() === 1);
  });

  it('octets that trickle in do not extend the time for a command', async () => {
    const clock = new MovableClock();
    const { port } = await listenerUnderTest({ clock });
    const client = await SmtpClient.ready({ port });
    for (const octet of 'NOOP ') {
      await client.send(octet);
      clock.advance(MINUTE);
    }
    await client.expect(421, '4.4.2');
  });

  it('content may pause for less than 3 minutes, and must make progress', async () => {
    const clock = new MovableClock();
    const { port, intake, rejected } = await listenerUnderTest({ clock });
    let octets = 0;
    intake.onWrite = () => void octets++;
    const client = await inData(port);
    for (let i = 1; i <= 3; i++) {
      await client.send(`${'x'.repeat(4094)}\r\n`);
      await until('the content', () => octets >= i);
      clock.advance(2.9 * MINUTE);
    }
    await client.send('a little\r\n');
    await until('a little', () => octets >= 4);
    clock.advance(0.2 * MINUTE);
    await client.expect(421, '4.4.2');
    expect(await client.closed()).toBe('');
    expect([intake.accepted.length, intake.aborted]).toEqual([0, 1]);
    expect(rejected).toMatchObject([{ phase: 'data', from: 'a@b.example' }]);
  });

  it('that the house needs is not the client’s', async () => {
    const clock = new MovableClock();
    const { port, intake } = await listenerUnderTest({ clock });
    const finish = Promise.withResolvers<null>();
    const asked = Promise.withResolvers<void>();
    intake.onFinish = () => {
      asked.resolve();
      return finish.promise;
    };
    const client = await inData(port);
    await client.send('x\r\n.\r\n');
    await asked.promise;
    clock.advance(60 * MINUTE);
    finish.resolve(null);
    await client.expect(250);
    await client.command('NOOP', 250);
  });
});
