// Policy at work: rejections, reloads, mail that is queued when the policy changes, limits of sites.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type LogLine, type Sendoff, sendoffForFile } from '../harness/sendoff.ts';
import { SmtpClient } from '../harness/smtp-client.ts';
import { until } from '../harness/until.ts';

const SECOND = 1000;

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, mxPort: network().mxPort, policy: {} }));

async function inForce(sendoff: Sendoff, policy: Readonly<Record<string, unknown>>): Promise<void> {
  expect(await sendoff.setPolicy(policy)).toEqual([]);
}

const reject = (domain: string): object => ({
  name: 'not this one',
  when: { to: domain },
  reject: { code: 550, enhanced: '5.1.2', text: 'No such domain here' },
});

const alarms = (sendoff: Sendoff): LogLine[] =>
  sendoff.events('alarm').filter(({ alarm }) => alarm === 'policy-reload');

test('a reject rule answers at RCPT, for its recipients alone', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  await inForce(sendoff, { rules: [reject('*.invalid')] });
  const client = await SmtpClient.ready({ port: sendoff.port });
  await client.command('MAIL FROM:<a@example.net>', 250);
  const refused = await client.command('RCPT TO:<x@some.invalid>', 550, '5.1.2');
  expect(refused.lines).toEqual(['5.1.2 No such domain here']);
  await client.command(`RCPT TO:<ann@${domain}>`, 250);
  await client.command('DATA', 354);
  await client.command('Subject: for one\r\n\r\nHello\r\n.', 250);
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(peer.messages.map(({ to }) => to)).toEqual([[`ann@${domain}`]]);
  expect(await sendoff.event('rejected', ({ to }) => String(to).includes('x@some.invalid'))).toMatchObject({
    phase: 'rcpt',
    from: 'a@example.net',
    reply: expect.stringContaining('No such domain here'),
    rule: 'not this one',
  });
});

test('a broken file leaves the old policy in force; the API and an alarm say why', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  await inForce(sendoff, { rules: [reject('refused.example')] });
  const before = alarms(sendoff).length;
  writeFileSync(
    join(sendoff.folder, 'policy.yaml'),
    'rules:\n  - when: any\n    rout: direct\n  - { when: any, route: nobody }\n',
  );
  const response = await fetch(`http://127.0.0.1:${sendoff.admin}/api/reload`, { method: 'POST' });
  expect(response.status).toBe(422);
  const { problems } = (await response.json()) as { problems: string[] };
  expect(problems.join('\n')).toMatch(/policy\.yaml:3:5.*rout.*\n(.*\n)*.*policy\.yaml:4:\d+.*nobody/);
  await until('an alarm', () => alarms(sendoff).length === before + 1);
  expect(alarms(sendoff).at(-1)?.text).toContain('policy.yaml:3:5');

  await expect(sendoff.send({ from: '', to: 'x@refused.example' })).rejects.toThrow('550');
  const { domain } = await network().receiver();
  await sendoff.send({ from: '', to: `ann@${domain}` });
  await ledger.shows({ accepted: 1, delivered: 1 });
  await inForce(sendoff, {});
  await until('the all-clear', () => sendoff.log.some(({ msg }) => msg === 'alarm is over: policy-reload'));
});

test.each<{ what: string; trigger: (sendoff: Sendoff) => void }>([
  { what: 'a change of the file', trigger: () => undefined },
  { what: 'SIGHUP', trigger: (sendoff) => sendoff.process.kill('SIGHUP') },
])('the policy is read again on $what', async ({ trigger }) => {
  const sendoff = daemon();
  const domain = network().name();
  const reloads = () => sendoff.log.filter(({ msg }) => msg === 'the policy was reloaded').length;
  const before = reloads();
  writeFileSync(join(sendoff.folder, 'policy.yaml'), JSON.stringify({ rules: [reject(domain)] }));
  trigger(sendoff);
  await until('a reload', () => reloads() > before);
  await expect(sendoff.send({ from: '', to: `x@${domain}` })).rejects.toThrow('550 5.1.2');
});

test('queued mail that a new policy rejects is held, and goes when the policy is mended', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  await inForce(sendoff, {});
  const { peer, domain } = await network().receiver({
    script: { rcpt: ['450 4.2.1 Busy', '450 4.2.1 Busy'] },
  });
  const id = await sendoff.send({ from: network().sender(), to: [`ann@${domain}`, `bob@${domain}`] });
  await sendoff.about(id, 'deferred', 2);
  await inForce(sendoff, { rules: [reject(domain)] });
  await ledger.shows({ accepted: 2, queued: 2, held: 2 });
  const held = await sendoff.about(id, 'held', 2);
  expect(held.map(({ to }) => to)).toEqual([`ann@${domain}`, `bob@${domain}`]);
  expect(held[0]?.reason).toContain('"not this one"');

  // A release asks the policy again, which has not changed its mind.
  expect(await sendoff.change('release', { id })).toEqual({ changed: 1, busy: 0 });
  await ledger.shows({ accepted: 2, queued: 2, held: 2 });
  await sendoff.advance(24 * 3600 * SECOND);
  expect(peer.messages).toEqual([]);

  await inForce(sendoff, {});
  await ledger.shows({ accepted: 2, delivered: 2 });
  expect(peer.messages).toMatchObject([{ to: [`ann@${domain}`, `bob@${domain}`] }]);
});

test('an operator releases what the operator held, a reload does not', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  await inForce(sendoff, {});
  const { peer, domain } = await network().receiver({ script: { rcpt: ['450 4.2.1 Busy'] } });
  const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  await sendoff.about(id, 'deferred');
  await sendoff.change('hold', { id });
  await inForce(sendoff, { rules: [{ when: 'any', route: 'direct', retry: { after: '1h' } }] });
  await ledger.shows({ accepted: 1, queued: 1, held: 1 });
  await sendoff.change('release', { id });
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(peer.messages).toHaveLength(1);
});

test('another route in the policy moves the mail that is queued', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  await inForce(sendoff, {});
  const domain = network().name();
  network().domain(domain, network().address());
  const provider = await network().peer({ port: 0 });
  const first = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  await sendoff.about(first, 'deferred');
  await sendoff.send({ from: network().sender(), to: `bob@${domain}` });
  await inForce(sendoff, {
    routes: { provider: { via: 'smarthost', hosts: [`${provider.address}:${provider.port}`], tls: 'none' } },
    rules: [{ when: { to: domain }, route: 'provider' }],
  });
  await ledger.shows({ accepted: 2, delivered: 2 });
  expect(provider.messages.flatMap(({ to }) => to).sort()).toEqual([`ann@${domain}`, `bob@${domain}`]);
});

test('a site has no more connections than it may, whichever of its domains they are for', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  const other = network().name();
  network().domain(other, peer.address);
  await inForce(sendoff, { sites: { pair: { domains: [domain, other], connections: 2 } } });
  // Each content takes some 20 ms, so that a third connection would be worth it.
  peer.setScript({ dot: { do: 'slow', reply: '250 2.0.0 Taken', octets: 4, every: 4 } });
  const messages = Array.from({ length: 40 }, (_, i) =>
    sendoff.send({ from: '', to: `r${i}@${i % 2 ? domain : other}` }),
  );
  await Promise.all(messages);
  await ledger.shows({ accepted: 40, delivered: 40 });
  expect(peer.maxConnectionsSeen).toBe(2);
});

test('a route has no more connections than it may', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const peer = await network().peer({
    port: 0,
    script: { dot: { do: 'slow', reply: '250 Taken', octets: 4, every: 4 } },
  });
  const hosts = [`${peer.address}:${peer.port}`];
  await inForce(sendoff, {
    routes: { narrow: { via: 'smarthost', hosts, tls: 'none', connections: 3 } },
    rules: [{ when: 'any', route: 'narrow' }],
  });
  await Promise.all(
    Array.from({ length: 40 }, (_, i) => sendoff.send({ from: '', to: `r${i}@example.org` })),
  );
  await ledger.shows({ accepted: 40, delivered: 40 });
  expect(peer.maxConnectionsSeen).toBe(3);
});

test('a rate is paced evenly, not spent at once', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const times: number[] = [];
  const { domain } = await network().receiver({
    script: {
      mail: () => {
        times.push(performance.now());
        return null;
      },
    },
  });
  await inForce(sendoff, { sites: { paced: { domains: [domain], rate: '10/second' } } });
  await Promise.all(Array.from({ length: 15 }, (_, i) => sendoff.send({ from: '', to: `r${i}@${domain}` })));
  await ledger.shows({ accepted: 15, delivered: 15 });
  // The first one may be late on a busy machine: by two of fifteen, never by all that a second allows.
  const early = times.map((time, i) => time - (times[0] ?? 0) - i * 100).filter((lead) => lead < -200);
  expect(early).toEqual([]);
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(15 * SECOND);
});

test('a connection carries no more messages than its site wants', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  await inForce(sendoff, {
    sites: { short: { domains: [domain], connections: 1, messagesPerConnection: 3 } },
  });
  for (let i = 0; i < 7; i++) await sendoff.send({ from: '', to: `r${i}@${domain}` });
  await ledger.shows({ accepted: 7, delivered: 7 });
  expect(peer.messages.map(({ connection }) => connection)).toEqual([1, 1, 1, 2, 2, 2, 3]);
});

test('a site of IPv4 is never asked for IPv6 addresses', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  const host = `mx1.${domain}`;
  network().dns.set(host, { a: [peer.address], aaaa: ['2001:db8::25'] });
  await inForce(sendoff, { sites: { old: { mx: [host], ip: 4 } } });
  const id = await sendoff.send({ from: '', to: `ann@${domain}` });
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(await sendoff.about(id, 'attempt')).toMatchObject([{ ip: peer.address, site: 'old' }]);
  expect(network().dns.count(host, 'AAAA')).toBe(0);
});
