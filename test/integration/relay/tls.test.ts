import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import type { TlsMaterial } from '../../../src/relay/connection.ts';
import { certificateFor } from '../../harness/certificates.ts';
import { MovableClock } from '../../harness/clock.ts';
import { listenerUnderTest } from '../../harness/listener.ts';
import { SmtpClient } from '../../harness/smtp-client.ts';
import { until } from '../../harness/until.ts';

const tls = async (name = 'relay.example'): Promise<TlsMaterial> => ({
  ...(await certificateFor([name])),
  minVersion: 'TLSv1.2',
});

const starttls = { listener: { tls: 'starttls' } } as const;

describe('STARTTLS', () => {
  it('is offered, works, and starts the session over', async () => {
    const { port, intake } = await listenerUnderTest({ ...starttls, tls: await tls() });
    const client = await SmtpClient.connect({ port });
    await client.expect(220);
    expect((await client.command('EHLO before.example', 250)).lines).toContain('STARTTLS');
    await client.command('MAIL FROM:<a@b.example>', 250);
    await client.command('STARTTLS now', 501);
    await client.startTls();
    await client.command('MAIL FROM:<a@b.example>', 503);
    expect((await client.command('EHLO after.example', 250)).lines).not.toContain('STARTTLS');
    await client.command('STARTTLS', 503);
    expect((await client.message('a@b.example', ['c@d.example'], 'x\r\n')).code).toBe(250);
    expect(intake.accepted[0]?.submission).toMatchObject({
      protocol: 'ESMTPS',
      client: { helo: 'after.example' },
      tls: { version: 'TLSv1.3', cipher: expect.stringMatching(/^TLS_/) },
    });
    await client.command('QUIT', 221);
    await client.closed();
  });

  it('is not there without a certificate, or where the listener does not offer it', async () => {
    for (const choices of [starttls, { tls: await tls() }]) {
      const { port } = await listenerUnderTest(choices);
      const client = await SmtpClient.connect({ port });
      await client.expect(220);
      expect((await client.command('EHLO x', 250)).lines).not.toContain('STARTTLS');
      await client.command('STARTTLS', 502, '5.5.1');
    }
  });

  it('forgets what was pipelined behind it in clear text', async () => {
    const { port, rejected } = await listenerUnderTest({ ...starttls, tls: await tls() });
    const client = await SmtpClient.ready({ port });
    await client.startTls('EHLO injected\r\nMAIL FROM:<evil@b.example>\r\nRCPT');
    await client.command('RCPT TO:<c@d.example>', 503, '5.5.1');
    await client.command('EHLO x', 250);
    await client.command('MAIL FROM:<a@b.example>', 250);
    expect(rejected).toHaveLength(1);
  });

  it('that comes to nothing harms nobody', async () => {
    const clock = new MovableClock();
    const { listener, port } = await listenerUnderTest({ ...starttls, tls: await tls(), clock });
    const garbage = await SmtpClient.ready({ port });
    await garbage.command('STARTTLS', 220);
    await garbage.send('EHLO this is no handshake\r\n');
    await garbage.closed();
    const gone = await SmtpClient.ready({ port });
    await gone.command('STARTTLS', 220);
    gone.reset();
    const silent = await SmtpClient.ready({ port });
    await silent.command('STARTTLS', 220);
    await until('the first two to be gone', () => listener.connections() === 1);
    clock.advance(60_000);
    await silent.closed();
    await until('all to be gone', () => listener.connections() === 0);
    await SmtpClient.ready({ port });
  });
});

describe('implicit TLS', () => {
  const implicit = { listener: { tls: 'implicit' } } as const;

  it('is TLS from the start', async () => {
    const { port, intake } = await listenerUnderTest({ ...implicit, tls: await tls() });
    const client = await SmtpClient.ready({ port, tls: true });
    expect((await client.command('EHLO x', 250)).lines).not.toContain('STARTTLS');
    expect((await client.message('a@b.example', ['c@d.example'], 'x\r\n'.repeat(20_000))).code).toBe(250);
    expect(intake.accepted[0]?.submission).toMatchObject({
      protocol: 'ESMTPS',
      client: { address: '127.0.0.1' },
    });
    expect(intake.accepted[0]?.content).toHaveLength(60_000);
  });

  it('needs a certificate', async () => {
    await expect(listenerUnderTest(implicit)).rejects.toThrow('certificate');
  });

  it('gives the places of failed handshakes back', async () => {
    const limits = { connections: 2 };
    const { port } = await listenerUnderTest({ ...implicit, tls: await tls(), limits });
    for (let i = 0; i < 4; i++) {
      const plain = await SmtpClient.connect({ port });
      await plain.send('EHLO x\r\n');
      await plain.closed();
    }
    const first = await SmtpClient.ready({ port, tls: true });
    await SmtpClient.ready({ port, tls: true });
    await expect(SmtpClient.ready({ port, tls: true })).rejects.toThrow();
    await first.command('QUIT', 221);
    await first.closed();
    await until('a free place', () => SmtpClient.ready({ port, tls: true }).catch(() => null));
  });

  it('closes while a handshake hangs', async () => {
    const { listener, port } = await listenerUnderTest({ ...implicit, tls: await tls() });
    const silent = await SmtpClient.connect({ port });
    await listener.close(0);
    await silent.closed();
  });
});

describe('certificates and versions', () => {
  const subjectOf = (port: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.on('error', reject);
    });

  it('a new certificate serves new connections', async () => {
    const { listener, port } = await listenerUnderTest({ listener: { tls: 'implicit' }, tls: await tls() });
    const client = await SmtpClient.ready({ port, tls: true });
    expect(await subjectOf(port)).toBe('relay.example');
    listener.updateTls(await tls('new.example'));
    expect(await subjectOf(port)).toBe('new.example');
    await client.command('NOOP', 250);
    expect(() => listener.updateTls({ cert: 'x', key: 'y', minVersion: 'TLSv1.2' })).toThrow();
    expect(await subjectOf(port)).toBe('new.example');
  });

  it.each([
    ['TLSv1.2', 'TLSv1.1', false],
    ['TLSv1.2', 'TLSv1.2', true],
    ['TLSv1.3', 'TLSv1.2', false],
  ] as const)('at least %s: a client of %s: %s', async (minVersion, maxVersion, served) => {
    const { port } = await listenerUnderTest({
      listener: { tls: 'implicit' },
      tls: { ...(await tls()), minVersion },
    });
    const shaken = await new Promise<boolean>((resolve) => {
      const options = {
        rejectUnauthorized: false,
        maxVersion,
        minVersion: 'TLSv1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      } as const;
      const socket = connectTls({ socket: connect(port, '127.0.0.1'), ...options }, () => {
        resolve(true);
        socket.destroy();
      });
      socket.on('error', () => resolve(false));
    });
    expect(shaken).toBe(served);
  });
});
