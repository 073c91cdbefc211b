// What an operator does with the queue while the daemon runs, and what the daemon says of its health.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile, type Receiver } from '../harness/network.ts';
import { redisForFile } from '../harness/redis.ts';
import { type Sendoff, sendoffForFile, startSendoff } from '../harness/sendoff.ts';
import type { Peer } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const BUSY = '450 4.2.1 Mailbox busy';

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, mxPort: network().mxPort, policy: {} }));

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly to: readonly string[];
}

async function list(sendoff: Sendoff, query: Readonly<Record<string, string>>): Promise<Listed[]> {
  const { entries } = (await sendoff.api(`/api/queue?${new URLSearchParams(query)}`)) as {
    entries: Listed[];
  };
  return entries;
}

/** A message that its peer did not take yet. */
async function waiting(sendoff: Sendoff, from: string): Promise<Receiver & { id: string }> {
  const receiver = await network().receiver({ script: { rcpt: BUSY } });
  const id = await sendoff.send({ from, to: `ann@${receiver.domain}` });
  await sendoff.about(id, 'deferred');
  return { ...receiver, id };
}

describe('through the admin API', () => {
  test('mail is listed by every filter and shown with the rule that it follows', async () => {
    const sendoff = daemon();
    const ledger = await openLedger(sendoff);
    const [from, other] = [network().sender(), network().sender()];
    const first = await waiting(sendoff, from);
    const second = await waiting(sendoff, other);
    const ids = async (query: Readonly<Record<string, string>>) =>
      (await list(sendoff, query)).map(({ id }) => id);
    expect(await ids({ id: first.id })).toEqual([first.id]);
    expect(await ids({ domain: second.domain })).toEqual([second.id]);
    expect(await ids({ sender: from })).toEqual([first.id]);
    expect((await ids({ route: 'direct' })).sort()).toEqual([first.id, second.id].sort());
    expect(await ids({ site: `mx1.${first.domain}` })).toEqual([first.id]);
    expect(await ids({ sender: from, domain: second.domain })).toEqual([]);
    expect(await sendoff.api('/api/queue?limit=1')).toMatchObject({ entries: [{}], more: true });

    expect(await sendoff.api(`/api/queue/${first.id}`)).toMatchObject({
      message: { from, recipients: [`ann@${first.domain}`], origin: 'client' },
      entries: [{ state: 'queued', attempts: 1, route: 'direct', last: { reply: BUSY }, hold: null }],
      decisions: [{ to: `ann@${first.domain}`, rule: 'everything else' }],
    });
    expect(await sendoff.api('/api/queue/nothere')).toHaveProperty('error');
    await sendoff.change('remove', { route: 'direct' });
    await ledger.shows({ accepted: 2, removed: 2 });
  });

  test('retry makes mail due at once, through a closed door too', async () => {
    const sendoff = daemon();
    const ledger = await openLedger(sendoff);
    const busy = await waiting(sendoff, network().sender());
    const domain = network().name();
    const address = network().address();
    network().domain(domain, address);
    const id = await sendoff.send({ from: '', to: `ann@${domain}` });
    await sendoff.about(id, 'deferred');
    busy.peer.setScript({});
    const peer = await network().peer({ address });
    expect(await sendoff.change('retry', { id: busy.id })).toEqual({ changed: 1, busy: 0 });
    expect(await sendoff.change('retry', { domain })).toEqual({ changed: 1, busy: 0 });
    await ledger.shows({ accepted: 2, delivered: 2 });
    expect([busy.peer, peer].map(({ messages }) => messages.length)).toEqual([1, 1]);
  });

  test('held mail stays, whatever the time, until it is released', async () => {
    const sendoff = daemon();
    const ledger = await openLedger(sendoff);
    const { peer, id } = await waiting(sendoff, network().sender());
    expect(await sendoff.change('hold', { id, reason: 'wrong list' })).toEqual({ changed: 1, busy: 0 });
    expect(await sendoff.about(id, 'held')).toMatchObject([{ reason: 'wrong list' }]);
    peer.setScript({});
    await sendoff.advance(30 * 24 * HOUR);
    expect(await sendoff.change('retry', { id })).toEqual({ changed: 0, busy: 0 });
    await ledger.shows({ accepted: 1, queued: 1, held: 1 });
    expect(await list(sendoff, { id })).toMatchObject([{ state: 'held', hold: 'wrong list', next: null }]);
    expect(await sendoff.change('release', { id })).toEqual({ changed: 1, busy: 0 });
    await ledger.shows({ accepted: 1, delivered: 1 });
    expect(peer.messages).toHaveLength(1);
  });

  test('what is removed is gone, what is bounced is reported', async () => {
    const sendoff = daemon();
    const ledger = await openLedger(sendoff);
    const [from, other] = [network().sender(), network().sender()];
    const removed = await waiting(sendoff, from);
    const bounced = await waiting(sendoff, other);
    await sendoff.change('remove', { sender: from });
    await sendoff.change('bounce', { sender: other, reason: 'The list was a mistake' });
    await ledger.shows({ accepted: 3, removed: 1, bounced: 1, delivered: 1 });
    expect(await sendoff.about(removed.id, 'removed')).toMatchObject([{ by: 'operator' }]);
    expect(await sendoff.about(bounced.id, 'bounced')).toMatchObject([{ reason: 'The list was a mistake' }]);
    const { recipients, human } = await network().report(other);
    expect(recipients[0]?.get('status')).toBe('5.7.1');
    expect(human).toContain('The list was a mistake');
    expect(await sendoff.api(`/api/queue/${removed.id}`)).toHaveProperty('error');
  });

  test('what is being delivered is left alone and counted', async () => {
    const sendoff = daemon();
    const ledger = await openLedger(sendoff);
    const go = Promise.withResolvers<void>();
    const { domain, peer } = await network().receiver({ script: { dot: { do: 'wait', for: go.promise } } });
    const id = await sendoff.send({ from: '', to: `ann@${domain}` });
    await until('the transaction', () => peer.commands.some((line) => line.endsWith('DATA')));
    expect(await list(sendoff, { id })).toMatchObject([{ state: 'delivering' }]);
    for (const what of ['remove', 'bounce', 'hold', 'retry']) {
      expect(await sendoff.change(what, { id })).toEqual({ changed: 0, busy: 1 });
    }
    go.resolve();
    await ledger.shows({ accepted: 1, delivered: 1 });
  });

  test('a change without a filter is refused', async () => {
    expect(await daemon().change('remove', {})).toMatchObject({ error: expect.stringContaining('filter') });
  });
});

describe('through the command line', () => {
  /** The installed command, told where the daemon is. */
  async function command(sendoff: Sendoff, ...argv: string[]) {
    const file = join(sendoff.folder, 'cli.yaml');
    writeFileSync(file, `hostname: relay.example.net\nadmin: { port: ${sendoff.admin} }\n`);
    const bin = new URL('../../bin/sendoff.js', import.meta.url).pathname;
    const child = spawn(process.execPath, [bin, ...argv, '--config', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk;
    });
    const [code] = await once(child, 'close');
    return { code, out, err };
  }

  async function provider(sendoff: Sendoff): Promise<Peer> {
    const peer = await network().peer({ port: 0 });
    const hosts = [`${peer.address}:${peer.port}`];
    const routes = { provider: { via: 'smarthost', hosts, tls: 'none' } };
    expect(await sendoff.setPolicy({ routes, rules: [{ when: 'any', route: 'direct' }] })).toEqual([]);
    return peer;
  }

  test('send by a route of its own, list, retry', async () => {
    const sendoff = daemon();
    const ledger = await openLedger(sendoff);
    const peer = await provider(sendoff);
    const { domain } = await network().receiver();
    const mail = ['--from', 'ops@example.net', '--to', `ann@${domain}`];
    const sent = await command(sendoff, 'send', ...mail, '--route', 'provider');
    expect(sent).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^queued as \w+\n$/) });
    await ledger.shows({ accepted: 1, delivered: 1 });
    expect(peer.messages).toMatchObject([{ from: 'ops@example.net', to: [`ann@${domain}`] }]);

    const late = await waiting(sendoff, network().sender());
    const listed = await command(sendoff, 'queue', 'list', '--json', '--domain', late.domain);
    expect(JSON.parse(listed.out)).toMatchObject({ entries: [{ id: late.id, attempts: 1 }] });
    late.peer.setScript({});
    const retried = await command(sendoff, 'queue', 'retry', '--id', late.id);
    expect(retried).toMatchObject({ code: 0, out: expect.stringContaining('1') });
    await ledger.shows({ accepted: 2, delivered: 2 });
  });

  test('exit codes: 64 without a filter, 69 without a daemon', async () => {
    expect(await command(daemon(), 'queue', 'remove')).toMatchObject({ code: 64, out: '' });
    const { folder } = daemon();
    expect(await command({ folder, admin: 1 } as Sendoff, 'queue', 'list')).toMatchObject({
      code: 69,
      out: '',
    });
  });
});

describe('readiness', () => {
  const redis = redisForFile();

  interface Readiness {
    readonly ready: boolean;
    readonly trouble: Readonly<Record<string, string>>;
  }

  const readiness = async (sendoff: Sendoff): Promise<Readiness> =>
    (await sendoff.api('/readyz')) as Readiness;

  /** Lets the daemon's clock run ahead until /readyz says so; how long that took, by that clock. */
  async function passes(sendoff: Sendoff, ready: boolean): Promise<number> {
    const start = sendoff.now;
    await until(`ready: ${ready}`, async () => {
      await sendoff.advance(SECOND / 2);
      return (await readiness(sendoff)).ready === ready;
    });
    return sendoff.now - start;
  }

  test('red within 10 s when Redis dies or the DNS is silent, green again after; mail is taken all the while', async () => {
    const { dns, mxPort } = network();
    const sendoff = await startSendoff({ dns, mxPort, settings: { redis: { url: redis().url } } });
    const { peer, domain } = await network().receiver();
    await passes(sendoff, true);

    await redis().kill9();
    expect(await passes(sendoff, false)).toBeLessThanOrEqual(10 * SECOND);
    expect(Object.keys((await readiness(sendoff)).trouble)).toEqual(['redis']);
    expect((await fetch(`http://127.0.0.1:${sendoff.admin}/readyz`)).status).toBe(503);
    expect(await sendoff.api('/healthz')).toEqual({ alive: true });
    await sendoff.send({ from: '', to: `ann@${domain}` });
    expect(await sendoff.books()).toMatchObject({ accepted: 1, queued: 1 });
    await redis().restart();
    await passes(sendoff, true);
    expect(await sendoff.settled()).toMatchObject({ accepted: 1, delivered: 1 });

    dns.silence(true);
    expect(await passes(sendoff, false)).toBeLessThanOrEqual(10 * SECOND);
    expect(Object.keys((await readiness(sendoff)).trouble)).toEqual(['dns']);
    dns.silence(false);
    await passes(sendoff, true);
    expect(peer.messages).toHaveLength(1);
    await sendoff.event('alarm', ({ alarm }) => alarm === 'dns-down');
    expect(sendoff.events('alarm').map(({ alarm }) => alarm)).toEqual(['redis-down', 'dns-down']);
  });
});
