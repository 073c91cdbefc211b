import { describe, expect, it } from 'vitest';
import { reply } from '../../../src/relay/replies.ts';
import { type ListenerUnderTest, listenerUnderTest } from '../../harness/listener.ts';
import { SmtpClient } from '../../harness/smtp-client.ts';

async function recipientsOf(
  test: ListenerUnderTest,
  ...paths: readonly string[]
): Promise<readonly string[]> {
  const client = await SmtpClient.ready({ port: test.port });
  await client.command('MAIL FROM:<sender@b.example>', 250);
  for (const path of paths) await client.command(`RCPT TO:${path}`, 250, '2.1.5');
  await client.command('DATA', 354);
  await client.send('.\r\n');
  await client.expect(250);
  return test.intake.accepted.at(-1)?.submission.recipients ?? [];
}

describe('recipients', () => {
  it('keep the case of their local part, and are one when they are equal', async () => {
    const test = await listenerUnderTest();
    const paths = [
      '<c@d.example>',
      '<C@d.example>',
      '<c@D.EXAMPLE>',
      '<"c"@d.example>',
      '<c@d.example>',
      '<"c d"@d.example>',
    ];
    expect(await recipientsOf(test, ...paths)).toEqual(['c@d.example', 'C@d.example', '"c d"@d.example']);
  });

  it('travel with A-labels; a local part that is not ASCII cannot', async () => {
    const test = await listenerUnderTest();
    expect(await recipientsOf(test, '<a@Bücher.example>', '<a@xn--bcher-kva.example>')).toEqual([
      'a@xn--bcher-kva.example',
    ]);
    const client = await SmtpClient.ready(test);
    await client.command('MAIL FROM:<jörg@b.example>', 553, '5.6.7');
    await client.command('MAIL FROM:<>', 250, '2.1.0');
    await client.command('RCPT TO:<jörg@b.example>', 553, '5.6.7');
    await client.command('RCPT TO:<j\xf6rg@b.example>', 553, '5.6.7');
  });

  it('must be addresses', async () => {
    const { port } = await listenerUnderTest();
    const client = await SmtpClient.ready({ port });
    await client.command('MAIL FROM:<a b@c.example>', 501, '5.1.7');
    await client.command(`MAIL FROM:<${'a'.repeat(65)}@c.example>`, 501, '5.1.7');
    await client.command('MAIL FROM:<a@b.example>', 250);
    for (const path of ['<>', '<a@b..example>', '<a@b.example', '<a@b.example>x', '<a b@c.example>', '']) {
      await client.command(`RCPT TO:${path}`, 501);
    }
    await client.command('DATA', 554);
  });

  it('are limited for each message', async () => {
    const { port, intake } = await listenerUnderTest({ limits: { recipients: 3 } });
    const client = await SmtpClient.ready({ port });
    await client.command('MAIL FROM:<>', 250);
    for (const name of ['a', 'b', 'c']) await client.command(`RCPT TO:<${name}@d.example>`, 250);
    await client.command('RCPT TO:<e@d.example>', 452, '4.5.3');
    await client.command('RCPT TO:<a@d.example>', 250);
    await client.command('DATA', 354);
    await client.send('.\r\n');
    await client.expect(250);
    expect(intake.accepted[0]?.submission).toMatchObject({
      from: '',
      recipients: ['a@d.example', 'b@d.example', 'c@d.example'],
    });
  });

  it('are refused in the words of the intake, and temporarily when it fails', async () => {
    const { port, intake, rejected } = await listenerUnderTest();
    intake.onRecipient = (to) => {
      if (to.startsWith('fail')) throw new Error('policy is broken');
      return reply(550, '5.7.1', 'first line\nsecond line');
    };
    const client = await SmtpClient.ready({ port });
    await client.command('MAIL FROM:<a@b.example>', 250);
    const { lines } = await client.command('RCPT TO:<c@d.example>', 550, '5.7.1');
    expect(lines).toEqual(['5.7.1 first line', '5.7.1 second line']);
    await client.command('RCPT TO:<fail@d.example>', 451, '4.3.0');
    expect(rejected).toMatchObject([
      { phase: 'rcpt', client: '127.0.0.1', from: 'a@b.example', to: 'c@d.example' },
      { phase: 'rcpt', to: 'fail@d.example', reply: expect.stringContaining('451 4.3.0') },
    ]);
  });
});

describe('addresses without a domain', () => {
  it('get ours from trusted clients', async () => {
    const test = await listenerUnderTest({ qualify: 'ours.example' });
    expect(await recipientsOf(test, '<root>', '<"a b">')).toEqual([
      'root@ours.example',
      '"a b"@ours.example',
    ]);
    const client = await SmtpClient.ready(test);
    await client.command('MAIL FROM:<root>', 250);
    await client.command('RCPT TO:<c@d.example>', 250);
    await client.command('DATA', 354);
    await client.send('.\r\n');
    await client.expect(250);
    expect(test.intake.accepted.at(-1)?.submission.from).toBe('root@ours.example');
  });

  it('are refused without one, except postmaster', async () => {
    const test = await listenerUnderTest({ postmaster: 'ops@ours.example' });
    expect(await recipientsOf(test, '<PostMaster>', '<ops@ours.example>')).toEqual(['ops@ours.example']);
    const client = await SmtpClient.ready(test);
    await client.command('MAIL FROM:<root>', 553, '5.1.7');
    await client.command('MAIL FROM:<>', 250);
    await client.command('RCPT TO:<root>', 553, '5.1.3');
  });

  it('postmaster is told to come back where none is set', async () => {
    const { port } = await listenerUnderTest({ qualify: 'ours.example' });
    const client = await SmtpClient.ready({ port });
    await client.command('MAIL FROM:<>', 250);
    const { lines } = await client.command('RCPT TO:<Postmaster>', 451, '4.3.0');
    expect(lines[0]).toContain('set postmaster in sendoff.yaml');
  });
});

describe('clients that are not trusted', () => {
  it('reach the postmaster and nobody else', async () => {
    const { port, intake, rejected } = await listenerUnderTest({
      trusted: ['192.0.2.0/24'],
      qualify: 'ours.example',
      postmaster: 'ops@ours.example',
    });
    const client = await SmtpClient.ready({ port });
    await client.command('MAIL FROM:<root>', 553);
    await client.command('MAIL FROM:<a@b.example>', 250);
    await client.command('RCPT TO:<c@d.example>', 554, '5.7.1');
    await client.command('RCPT TO:<@ours.example:c@d.example>', 554, '5.7.1');
    await client.command('RCPT TO:<"c%d.example"@ours.example>', 554, '5.7.1');
    await client.command('RCPT TO:<root>', 553, '5.1.3');
    await client.command('DATA', 554, '5.5.1');
    await client.command('RCPT TO:<postmaster>', 250);
    await client.command('DATA', 354);
    await client.send('.\r\n');
    await client.expect(250);
    expect(intake.accepted.map(({ submission }) => submission.recipients)).toEqual([['ops@ours.example']]);
    expect(rejected.filter(({ phase }) => phase === 'rcpt')).toHaveLength(4);
  });
});
