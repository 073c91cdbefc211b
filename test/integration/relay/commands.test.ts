import { describe, expect, it } from 'vitest';
import { reply } from '../../../src/relay/replies.ts';
import { listenerUnderTest } from '../../harness/listener.ts';
import { SmtpClient } from '../../harness/smtp-client.ts';

const CONTENT = 'Subject: x\r\n\r\nbody\r\n';

describe('what is offered', () => {
  it('is exactly what EHLO says', async () => {
    const { port } = await listenerUnderTest({ limits: { messageSize: 5000 } });
    const client = await SmtpClient.connect({ port });
    expect((await client.expect(220)).lines[0]).toBe('relay.example ESMTP Sendoff');
    const { lines } = await client.command('EHLO client.example', 250);
    expect(lines).toEqual(['relay.example', 'PIPELINING', 'SIZE 5000', '8BITMIME', 'ENHANCEDSTATUSCODES']);
    expect((await client.command('HELO client.example', 250)).lines).toEqual(['relay.example']);
  });

  it('a parameter that is not offered is refused, an offered one taken', async () => {
    const { port } = await listenerUnderTest({ limits: { messageSize: 5000 } });
    const client = await SmtpClient.ready({ port });
    for (const parameter of [
      'SMTPUTF8',
      'RET=FULL',
      'ENVID=x',
      'AUTH=<>',
      'REQUIRETLS',
      'HOLDFOR=1',
      'BY=1;R',
    ]) {
      await client.command(`MAIL FROM:<a@b.example> ${parameter}`, 555, '5.5.4');
    }
    await client.command('MAIL FROM:<a@b.example> SIZE=5001', 552, '5.3.4');
    await client.command('MAIL FROM:<a@b.example> SIZE=5000 BODY=8BITMIME', 250, '2.1.0');
    await client.command('RCPT TO:<c@d.example> NOTIFY=NEVER', 555, '5.5.4');
    await client.command('RCPT TO:<c@d.example>', 250, '2.1.5');
  });
});

describe('the order of commands', () => {
  it('HELO or EHLO comes first, then MAIL, RCPT, DATA', async () => {
    const { port } = await listenerUnderTest();
    const client = await SmtpClient.connect({ port });
    await client.expect(220);
    await client.command('MAIL FROM:<a@b.example>', 503, '5.5.1');
    await client.command('RCPT TO:<a@b.example>', 503, '5.5.1');
    await client.command('DATA', 503, '5.5.1');
    await client.command('NOOP', 250);
    await client.command('EHLO not-verified_[name]', 250);
    await client.command('RCPT TO:<a@b.example>', 503, '5.5.1');
    await client.command('DATA', 503, '5.5.1');
    await client.command('MAIL FROM:<a@b.example>', 250);
    await client.command('MAIL FROM:<a@b.example>', 503, '5.5.1');
    await client.command('DATA', 554, '5.5.1');
    await client.command('QUIT', 221, '2.0.0');
    expect(await client.closed()).toBe('');
  });

  it.each(['RSET', 'EHLO again.example', 'HELO again.example'])('%s ends a transaction', async (command) => {
    const { port } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    await client.command('MAIL FROM:<a@b.example>', 250);
    await client.command('RCPT TO:<c@d.example>', 250);
    await client.command(command, 250);
    await client.command('DATA', 503);
    await client.command('MAIL FROM:<a@b.example>', 250);
  });

  it('takes no argument where there is none, and knows what it does not do', async () => {
    const { port } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    for (const line of ['RSET x', 'DATA x', 'QUIT x', 'EHLO', 'EHLO a b', 'HELO', 'VRFY']) {
      await client.command(line, 501, '5.5.4');
    }
    for (const line of [
      'AUTH PLAIN x',
      'STARTTLS',
      'EXPN x',
      'XCLIENT ADDR=1.2.3.4',
      'BDAT 5 LAST',
      'ETRN x',
    ]) {
      await client.command(line, 502, '5.5.1');
    }
    await client.command('NOOP anything', 250);
    await client.command('VRFY someone', 252);
    await client.command('HELP', 214);
  });

  it('ends a session that makes no sense, one command at a time', async () => {
    const { port } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    for (let i = 0; i < 19; i++)
      await client.command(['WIZ', 'SHELL', 'KILL', ''][i % 4] ?? '', 500, '5.5.2');
    await client.command('\xfc\xfc', 500, '5.5.2');
    await client.expect(421, '4.7.0');
    await client.closed();
  });
});

describe('command lines', () => {
  it('end in CRLF: a bare LF ends the session', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    await client.send('NOOP\nMAIL FROM:<a@b.example>\r\n');
    await client.expect(500, '5.5.2');
    expect(await client.closed()).toBe('');
    expect(intake.begun).toBe(0);
  });

  it('hold no CR, NUL or other control character', async () => {
    const { port } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    for (const line of ['NOOP\rNOOP', 'NO\0OP', 'NOOP \x1b[1m']) await client.command(line, 500, '5.5.2');
    await client.command('NOOP', 250);
  });

  it('are refused when too long, and the session goes on', async () => {
    const { port } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    await client.command(`NOOP ${'x'.repeat(200_000)}`, 500, '5.5.2');
    await client.command(`NOOP ${'x'.repeat(2040)}`, 250);
    await client.command(`NOOP ${'x'.repeat(2042)}`, 500, '5.5.2');
    await client.command('NOOP', 250);
  });

  it('may come octet by octet', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    const wire = `MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n${CONTENT}..\r\n.\r\nQUIT\r\n`;
    for (const octet of wire) await client.send(octet);
    for (const code of [250, 250, 354, 250, 221]) await client.expect(code);
    expect(intake.accepted[0]?.content.toString()).toBe(`${CONTENT}.\r\n`);
  });

  it('of HTTP end the session before anything is obeyed', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.connect({ port });
    await client.expect(220);
    await client.send('POST / HTTP/1.1\r\nHost: localhost\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.example>\r\n');
    await client.expect(421, '4.7.0');
    expect(await client.closed()).toBe('');
    expect(intake.begun).toBe(0);
  });
});

describe('pipelining', () => {
  it('several messages in one segment stay several messages, answered in order', async () => {
    const { port, intake } = await listenerUnderTest();
    const client = await SmtpClient.connect({ port });
    const message = (n: number): string =>
      `MAIL FROM:<a${n}@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nX: ${n}\r\n\r\n..${n}\r\n.\r\n`;
    await client.send(`EHLO x\r\n${message(1)}${message(2)}${message(3)}QUIT\r\n`);
    const codes: number[] = [];
    for (let i = 0; i < 15; i++) codes.push((await client.reply()).code);
    expect(codes).toEqual([220, 250, 250, 250, 354, 250, 250, 250, 354, 250, 250, 250, 354, 250, 221]);
    expect(intake.accepted.map(({ submission }) => submission.from)).toEqual([
      'a1@b.example',
      'a2@b.example',
      'a3@b.example',
    ]);
    expect(intake.accepted.map(({ content }) => content.toString())).toEqual(
      [1, 2, 3].map((n) => `X: ${n}\r\n\r\n.${n}\r\n`),
    );
  });

  it('MAIL, RCPT and DATA are answered one by one, refusals too', async () => {
    const { port, intake } = await listenerUnderTest();
    intake.onRecipient = (to) => (to.startsWith('no') ? reply(550, '5.7.1', 'not him') : null);
    const client = await SmtpClient.ready({ port });
    const replies = await client.pipeline(
      'MAIL FROM:<a@b.example>',
      'RCPT TO:<no@d.example>',
      'RCPT TO:<yes@d.example>',
      'RCPT TO:<no-again@d.example>',
      'DATA',
    );
    expect(replies.map(({ code }) => code)).toEqual([250, 550, 250, 550, 354]);
    await client.send('.\r\n');
    await client.expect(250);
    expect(intake.accepted[0]?.submission.recipients).toEqual(['yes@d.example']);
    expect(intake.accepted[0]?.content).toHaveLength(0);
  });

  it('a flood of commands is answered in full without holding others up', async () => {
    const { port } = await listenerUnderTest();
    const flood = await SmtpClient.ready({ port, deadline: 20_000 });
    const other = await SmtpClient.ready({ port });
    const sent = flood.send('RSET\r\n'.repeat(50_000));
    await other.command('NOOP', 250);
    for (let i = 0; i < 50_000; i++) await flood.expect(250);
    await sent;
  });
});
