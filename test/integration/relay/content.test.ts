import { describe, expect, it } from 'vitest';
import { reply } from '../../../src/relay/replies.ts';
import { SpoolError } from '../../../src/spool/spool.ts';
import { listenerUnderTest } from '../../harness/listener.ts';
import { SmtpClient } from '../../harness/smtp-client.ts';
import { until } from '../../harness/until.ts';

const TO = ['c@d.example'];

describe('a message', () => {
  it('arrives octet for octet, with its envelope', async () => {
    const { port, intake, milestones } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    const content = Buffer.from('Subject: \xe4\r\n\r\n\x01\xff\t\r\n.leading\r\n', 'latin1');
    const wire = content.toString('latin1').replace('\r\n.', '\r\n..');
    const { code, lines } = await client.message(
      'A@b.example',
      ['c@d.example', 'e@d.example'],
      Buffer.from(wire, 'latin1'),
    );
    expect([code, lines]).toEqual([250, ['2.0.0 queued as id1']]);
    expect(milestones).toEqual(['replied']);
    expect(intake.accepted[0]?.content).toEqual(content);
    expect(intake.accepted[0]?.submission).toEqual({
      client: { address: '127.0.0.1', helo: 'client.example', listenerPort: port },
      from: 'A@b.example',
      recipients: ['c@d.example', 'e@d.example'],
      protocol: 'ESMTP',
      tls: null,
    });
  });

  it('after HELO is SMTP', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.connect({ port });
    await client.expect(220);
    await client.command('HELO [127.0.0.1]', 250);
    expect((await client.message('', TO, 'x\r\n')).code).toBe(250);
    expect(intake.accepted[0]?.submission).toMatchObject({
      protocol: 'SMTP',
      client: { helo: '[127.0.0.1]' },
    });
  });

  it('follows another on the same connection, after a refused one too', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    expect((await client.message('a@b.example', TO, 'one\r\n')).code).toBe(250);
    intake.onFinish = async () => reply(451, '4.3.0', 'not now');
    expect(await client.message('a@b.example', TO, 'two\r\n')).toEqual({
      code: 451,
      lines: ['4.3.0 not now'],
    });
    intake.onFinish = async () => null;
    expect((await client.message('a@b.example', TO, 'three\r\n')).code).toBe(250);
    expect(intake.accepted.map(({ content }) => content.toString())).toEqual(['one\r\n', 'three\r\n']);
  });

  it('with more than 100 Received fields is refused', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    const hops = (count: number): string =>
      `${'Received: from x\r\n by y\r\n'.repeat(count)}\r\nReceived: no\r\n`;
    expect((await client.message('a@b.example', TO, hops(100))).code).toBe(250);
    expect(await client.message('a@b.example', TO, hops(101))).toMatchObject({
      code: 554,
      lines: [expect.stringMatching(/^5\.4\.6 /)],
    });
    expect(intake.accepted).toHaveLength(1);
  });
});

describe('line ends', () => {
  it('are repaired, and smuggled commands stay content', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    const smuggled = 'MAIL FROM:<evil@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nevil\r\n';
    for (const end of ['\n.\n', '\n.\r\n', '\r.\r\n', '\r\n.\n', '\r\n.\r', '\r.\r']) {
      expect((await client.message('a@b.example', TO, `x${end}${smuggled}`)).code).toBe(250);
    }
    expect(intake.accepted.map(({ submission }) => submission.from)).toEqual(Array(6).fill('a@b.example'));
    for (const { content } of intake.accepted) {
      expect(content.toString()).toContain('MAIL FROM:<evil@b.example>\r\n');
      expect(content.toString()).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
    }
  });

  it('and long lines are refused by a strict listener, with nothing queued', async () => {
    const { port, intake } = await listenerUnderTest({ listener: { content: 'strict' } });
    const client = await SmtpClient.ready({ port });
    for (const content of ['a\nb\r\n', 'a\rb\r\n', `${'x'.repeat(999)}\r\n`]) {
      const { code, lines } = await client.message('a@b.example', TO, content);
      expect([code, lines[0]?.slice(0, 5)]).toEqual([550, '5.6.0']);
    }
    expect((await client.message('a@b.example', TO, `${'x'.repeat(998)}\r\n`)).code).toBe(250);
    expect([intake.accepted.length, intake.aborted]).toEqual([1, 3]);
  });

  it('long lines pass under repair', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    const line = `${'x'.repeat(50_000)}\r\n`;
    expect((await client.message('a@b.example', TO, line)).code).toBe(250);
    expect(intake.accepted[0]?.content.toString()).toBe(line);
  });

  it.each(['repair', 'strict'] as const)('NUL is refused under %s', async (content) => {
    const { port, intake } = await listenerUnderTest({ listener: { content } });
    const client = await SmtpClient.ready({ port });
    expect(await client.message('a@b.example', TO, 'a\0b\r\n')).toMatchObject({
      code: 550,
      lines: [expect.stringMatching(/^5\.6\.0/)],
    });
    expect([intake.accepted.length, intake.aborted]).toEqual([0, 1]);
  });
});

describe('size', () => {
  it('is limited to the octet, and what is over is not kept', async () => {
    const { port, intake } = await listenerUnderTest({ limits: { messageSize: 1000 } });
    const client = await SmtpClient.ready({ port });
    expect((await client.message('a@b.example', TO, `${'x'.repeat(998)}\r\n`)).code).toBe(250);
    expect((await client.message('a@b.example', TO, `..${'x'.repeat(997)}\r\n`)).code).toBe(250);
    const { code, lines } = await client.message('a@b.example', TO, `${'x'.repeat(999)}\r\n`);
    expect([code, lines[0]?.slice(0, 5)]).toEqual([552, '5.3.4']);
    expect((await client.message('a@b.example', TO, 'x\r\n'.repeat(500_000))).code).toBe(552);
    expect([intake.accepted.length, intake.aborted]).toEqual([2, 2]);
  });

  it('does not matter for dots: a bomb of them holds nobody up', async () => {
    const { port, intake } = await listenerUnderTest({ limits: { messageSize: 50_000_000 } });
    const bomb = await SmtpClient.ready({ port, deadline: 20_000 });
    const other = await SmtpClient.ready({ port });
    const sent = bomb.message('a@b.example', TO, Buffer.alloc(24_000_000, '..\r\n'));
    let worst = 0;
    for (let done = false; !done; ) {
      const start = performance.now();
      await other.command('NOOP', 250);
      worst = Math.max(worst, performance.now() - start);
      done = await Promise.race([
        sent.then(() => true),
        new Promise<false>((resolve) => setImmediate(resolve, false)),
      ]);
    }
    expect((await sent).code).toBe(250);
    expect(intake.accepted[0]?.content).toHaveLength(18_000_000);
    // The client runs in this process too; a scanner that blocks takes seconds.
    expect(worst).toBeLessThan(1000);
  });
});

describe('trouble of the house', () => {
  it('at DATA is the intake to say, and temporary when it throws', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    await client.command('MAIL FROM:<a@b.example>', 250);
    await client.command('RCPT TO:<c@d.example>', 250);
    intake.onBegin = () => reply(452, '4.3.1', 'disk full');
    await client.command('DATA', 452, '4.3.1');
    intake.onBegin = () => {
      throw new Error('broken');
    };
    await client.command('DATA', 451, '4.3.0');
    intake.onBegin = () => null;
    await client.command('DATA', 354);
    await client.send('x\r\n.\r\n');
    await client.expect(250);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new SpoolError('no space'))],
  ])('while content comes is temporary: write %s', async (_, onWrite) => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    intake.onWrite = onWrite;
    expect(await client.message('a@b.example', TO, 'x\r\n'.repeat(50_000))).toMatchObject({
      code: 451,
      lines: [expect.stringMatching(/^4\.3\.0/)],
    });
    expect([intake.accepted.length, intake.aborted]).toEqual([0, 1]);
  });

  it('at the end is temporary', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    intake.onFinish = () => Promise.reject(new Error('broken'));
    expect((await client.message('a@b.example', TO, 'x\r\n')).code).toBe(451);
  });

  it('stops reading until the intake is ready for more', async () => {
    const { port, intake } = await listenerUnderTest({ limits: { messageSize: 200_000_000 } });
    const client = await SmtpClient.ready({ port, deadline: 20_000 });
    let release = (): void => {};
    let written = 0;
    intake.onWrite = () => {
      written++;
      return new Promise((resolve) => {
        release = resolve;
      });
    };
    await client.command('MAIL FROM:<a@b.example>', 250);
    await client.command('RCPT TO:<c@d.example>', 250);
    await client.command('DATA', 354);
    const content = Buffer.alloc(32_000_000, 'x\r\n\r\n'.repeat(2));
    let taken = false;
    const sent = client.send(content).then(() => {
      taken = true;
    });
    await until('the first write', () => written === 1);
    // Enough turns of the loop for everything to arrive, were it read.
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
    expect([written, taken]).toEqual([1, false]);
    intake.onWrite = () => undefined;
    release();
    await sent;
    await client.send('.\r\n');
    await client.expect(250);
    expect(intake.accepted[0]?.content).toHaveLength(32_000_000);
  });
});
