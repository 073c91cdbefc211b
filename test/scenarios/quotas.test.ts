// Quotas of routes and of senders: exact, past the loss of Redis, over the hour, and with two daemons.
import { expect, test } from 'vitest';
import { networkForFile } from '../harness/network.ts';
import { redisForFile } from '../harness/redis.ts';
import { type Sendoff, sendoffForFile, startSendoff } from '../harness/sendoff.ts';
import { SmtpClient } from '../harness/smtp-client.ts';
import type { Peer, Script } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const network = networkForFile();
const redis = redisForFile();

const options = () => ({
  dns: network().dns,
  mxPort: network().mxPort,
  settings: { redis: { url: redis().url } },
  policy: {},
});
const one = sendoffForFile(options);
const two = sendoffForFile(options);

function smarthost(
  peer: Peer,
  rest: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return { via: 'smarthost', hosts: [`${peer.address}:${peer.port}`], tls: 'none', ...rest };
}

/** Moves the daemons' clocks to the same second of the next hour: no window ends by itself. */
async function freshHour(...daemons: readonly Sendoff[]): Promise<void> {
  for (const daemon of daemons) await daemon.advance(HOUR - (daemon.now % HOUR) + 5 * SECOND);
}

/** Waits until no more than this is queued: what is under way would miss an hour that passes at once. */
async function queued(daemon: Sendoff, recipients: number): Promise<void> {
  await until(`${recipients} in the queue`, async () => (await daemon.books()).queued === recipients);
}

async function sendMany(daemon: Sendoff, count: number, from = '', to = 'test'): Promise<void> {
  const domain = network().name(to);
  await Promise.all(Array.from({ length: count }, (_, n) => daemon.send({ from, to: `r${n}@${domain}` })));
}

test('a quota of 20 an hour sends exactly 20 by that route and the rest by the next, by two daemons on one Redis', async () => {
  const daemons = [one(), two()];
  const [first, second] = [await network().peer({ port: 0 }), await network().peer({ port: 0 })];
  const routes = { shared: smarthost(first, { quota: '20/hour' }), next: smarthost(second) };
  for (const daemon of daemons)
    expect(await daemon.setPolicy({ routes, rules: [{ route: ['shared', 'next'] }] })).toEqual([]);
  await freshHour(...daemons);
  await Promise.all(daemons.map((daemon) => sendMany(daemon, 20)));
  await Promise.all(daemons.map((daemon) => daemon.settled()));
  expect([first.messages.length, second.messages.length]).toEqual([20, 20]);
  const opens = new Date(Math.ceil(one().now / HOUR) * HOUR).toISOString();
  const level = {
    of: 'route',
    name: 'shared',
    quota: '20/hour',
    max: 20,
    used: 20,
    left: 0,
    ends: opens,
    opens,
  };
  for (const daemon of daemons) expect(await daemon.api('/api/quotas')).toMatchObject({ quotas: [level] });
  expect(await one().api('/api/explain?from=a@x.test&to=b@y.test')).toMatchObject({
    present: {
      route: 'next',
      reason: 'shared is passed over: quota of shared, 20/hour, is used up',
      quotas: [],
    },
  });
  expect(String(await two().api('/metrics'))).toContain(
    'sendoff_quota_used{route="shared",quota="20/hour"} 20',
  );
  await freshHour(...daemons);
  await Promise.all(daemons.map((daemon) => sendMany(daemon, 15)));
  await Promise.all(daemons.map((daemon) => daemon.settled()));
  expect([first.messages.length, second.messages.length]).toEqual([40, 30]);
});

test('mail without another route waits for the next hour, and FLUSHALL does not refill the one that is', async () => {
  const daemon = one();
  const peer = await network().peer({ port: 0 });
  const allow = (quota: string[]) =>
    daemon.setPolicy({ routes: { only: smarthost(peer, { quota }) }, rules: [{ route: 'only' }] });
  expect(await allow(['10/hour'])).toEqual([]);
  await freshHour(daemon);
  await sendMany(daemon, 4);
  await daemon.settled();
  await redis().flush();
  await sendMany(daemon, 11);
  await queued(daemon, 5);
  expect(peer.messages).toHaveLength(10);
  const full = await daemon.event('quota-full', ({ name }) => name === 'only');
  const { entries } = (await daemon.api('/api/queue')) as { entries: Record<string, unknown>[] };
  expect(entries).toHaveLength(5);
  expect(new Set(entries.map(({ next, attempts }) => `${next} ${attempts}`))).toEqual(
    new Set([`${full.until} 0`]),
  );
  // Listings say what it waits for, of each mail and of the route as a whole.
  const quota = { reason: 'quota of only, 10/hour, is used up', until: full.until };
  expect(entries).toEqual(entries.map(() => expect.objectContaining({ quota })));
  expect(await daemon.api('/api/destinations')).toMatchObject({ destinations: [{ route: 'only', quota }] });
  // A reload keeps what was counted.
  expect(await allow(['12/hour'])).toEqual([]);
  await queued(daemon, 3);
  expect(peer.messages).toHaveLength(12);
  await freshHour(daemon);
  await daemon.settled();
  expect(peer.messages).toHaveLength(15);
  expect(await allow(['3/hour', '4/day'])).toEqual([]);
  await sendMany(daemon, 2);
  await daemon.event('quota-full', ({ quota }) => quota === '3/hour');
  expect(await daemon.setPolicy({ routes: { only: smarthost(peer) }, rules: [{ route: 'only' }] })).toEqual(
    [],
  );
  await daemon.settled();
});

test('what fits goes, the rest of the message takes the next route, and what is refused is given back', async () => {
  const daemon = one();
  const script: Script = { rcpt: ({ line }) => (line.includes('<bad') ? '550 5.1.1 nobody' : null) };
  const first = await network().peer({ port: 0, script });
  const second = await network().peer({ port: 0 });
  const routes = { five: smarthost(first, { quota: '5/hour' }), next: smarthost(second) };
  expect(await daemon.setPolicy({ routes, rules: [{ route: ['five', 'next'] }] })).toEqual([]);
  await freshHour(daemon);
  const domain = network().name();
  const bad = await daemon.send({
    from: '',
    to: ['bad1', 'bad2', 'bad3'].map((user) => `${user}@${domain}`),
  });
  await daemon.about(bad, 'bounced', 3);
  const to = Array.from({ length: 12 }, (_, n) => `r${n}@${domain}`);
  const id = await daemon.send({ from: '', to });
  await daemon.about(id, 'delivered', 12);
  expect(first.messages.map((message) => message.to)).toEqual([to.slice(0, 5)]);
  expect(second.messages.flatMap((message) => message.to).sort()).toEqual(to.slice(5).sort());
});

test('what may have been delivered stays counted, and waits for its own route', async () => {
  const daemon = one();
  const peer = await network().peer({ port: 0, script: { dot: [{ do: 'close' }] } });
  const next = await network().peer({ port: 0 });
  const routes = { two: smarthost(peer, { quota: '2/hour' }), next: smarthost(next) };
  expect(await daemon.setPolicy({ routes, rules: [{ route: ['two', 'next'] }] })).toEqual([]);
  await freshHour(daemon);
  const doubtful = await daemon.send({ from: '', to: `ann@${network().name()}` });
  await daemon.about(doubtful, 'deferred');
  await daemon.advance(11 * MINUTE);
  await daemon.about(doubtful, 'delivered');
  expect(peer.messages).toHaveLength(1);
  const other = await daemon.send({ from: '', to: `bob@${network().name()}` });
  await daemon.about(other, 'delivered');
  expect(next.messages).toHaveLength(1);
});

test('mail that waits is not given up before its window has opened, and its sender is told', async () => {
  const daemon = one();
  const peer = await network().peer({ port: 0 });
  const quota = { max: '1/day', zone: 'UTC' };
  const rules = [
    { when: { to: '*.slow.test' }, route: 'daily', retry: { after: ['1h'], expire: '4h', warn: ['2h'] } },
    { route: 'direct' },
  ];
  expect(await daemon.setPolicy({ routes: { daily: smarthost(peer, { quota }) }, rules })).toEqual([]);
  await daemon.advance(DAY - (daemon.now % DAY) + MINUTE);
  const from = network().sender();
  await sendMany(daemon, 1, '', 'slow.test');
  await daemon.settled();
  const id = await daemon.send({ from, to: `ann@${network().name('slow.test')}` });
  await daemon.advance(2 * HOUR + MINUTE);
  const report = await network().report(from);
  const told = Object.fromEntries(report.recipients[0] ?? []);
  expect(told).toMatchObject({ action: 'delayed', status: '4.4.5' });
  expect(Date.parse(told['will-retry-until'] ?? '') % DAY).toBe(0);
  for (const hours of [3, 7, 6]) await daemon.advance(hours * HOUR);
  expect(daemon.soFar(id, 'expired')).toEqual([]);
  await daemon.advance(DAY - (daemon.now % DAY) + MINUTE);
  await daemon.about(id, 'delivered');
});

test('senders beyond their quota: put off, held and let through, refused; reports pass', async () => {
  const daemon = one();
  const peer = await network().peer({ port: 0 });
  const quotas = [
    { of: 'sender', max: '2/hour', over: 'defer', for: 'defer.test' },
    { of: 'senderDomain', max: '2/hour', over: 'hold', for: 'hold.test' },
    { of: 'sender', max: '2/hour', over: 'reject', for: ['reject.test', '<>'] },
  ];
  expect(
    await daemon.setPolicy({ routes: { all: smarthost(peer) }, rules: [{ route: 'all' }], quotas }),
  ).toEqual([]);
  await freshHour(daemon);
  const from = (name: string) => peer.messages.filter((message) => message.from.endsWith(name)).length;

  await sendMany(daemon, 3, 'ann@defer.test');
  const line = await daemon.event('postponed', (one) => one.from === 'ann@defer.test');
  expect(line).toMatchObject({ reason: 'quota of sender ann@defer.test, 2/hour, is used up' });
  const level = { of: 'sender', name: 'ann@defer.test', used: 2, left: 0, over: 'defer', opens: line.until };
  expect(await daemon.api('/api/quotas')).toMatchObject({ quotas: [level] });
  await sendMany(daemon, 1, 'bob@defer.test');
  await until('the mail of another sender', () => from('@defer.test') === 3);

  await sendMany(daemon, 1, 'ann@hold.test');
  await sendMany(daemon, 1, 'bob@hold.test');
  await until('two of them', () => from('@hold.test') === 2);
  const held = await daemon.send({ from: 'cyd@hold.test', to: `x@${network().name()}` });
  await daemon.about(held, 'held');
  // One more would be put off, or held: explain names no attempt that would not be made.
  const next = async (who: string) =>
    ((await daemon.api(`/api/explain?from=${who}&to=b@y.test`)) as { present: { next: unknown } }).present
      .next;
  expect([await next('ann@defer.test'), await next('dan@hold.test')]).toEqual([line.until, null]);
  expect(await daemon.change('release', { id: held })).toEqual({ changed: 1, busy: 0 });
  await daemon.about(held, 'delivered');

  const client = await SmtpClient.ready({ port: daemon.port });
  await client.command('MAIL FROM:<ann@reject.test>', 250);
  await client.command('RCPT TO:<one@x.test>', 250);
  await client.command('RCPT TO:<two@x.test>', 250);
  const refusal = await client.command('RCPT TO:<three@x.test>', 452, '4.7.1');
  expect(refusal.lines.join(' ')).toContain(`it opens at ${line.until}`);
  // Nothing was accepted yet.
  await client.command('RSET', 250);
  await sendMany(daemon, 2, 'ann@reject.test');
  await client.command('MAIL FROM:<ann@reject.test>', 250);
  await client.command('RCPT TO:<one@x.test>', 452, '4.7.1');
  client.destroy();
  await sendMany(daemon, 5, '');
  await queued(daemon, 1);

  await freshHour(daemon);
  await daemon.settled();
  expect([from('ann@defer.test'), from('@reject.test')]).toEqual([3, 2]);
});

test('a restart goes on with what was counted', async () => {
  const peer = await network().peer({ port: 0 });
  const policy = { routes: { only: smarthost(peer, { quota: '10/hour' }) }, rules: [{ route: 'only' }] };
  const { dns, mxPort } = network();
  const before = await startSendoff({ dns, mxPort, policy });
  await freshHour(before);
  await sendMany(before, 7);
  await before.settled();
  const { folder } = before;
  const offset = before.now - Date.now();
  await before.kill9();
  const after = await startSendoff({ dns, mxPort, policy, folder, offset });
  await sendMany(after, 7);
  await after.event('quota-full');
  // The last one's outcome may be on its way to the disk.
  await until('the outcome of the tenth', async () => (await after.books()).delivered === 10);
  expect(peer.messages).toHaveLength(10);
  expect(await after.books()).toMatchObject({ queued: 4 });
});
