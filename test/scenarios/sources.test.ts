// Source addresses through the whole daemon: who leaves from where with which name, what makes it leave, warm-ups.
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, sendoffForFile } from '../harness/sendoff.ts';
import type { Call, Peer, Script, Step } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** On no machine: documentation addresses (RFC 5737). */
const ABSENT = '192.0.2.77';

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, mxPort: network().mxPort, policy: {} }));

interface Explained {
  readonly present: { readonly source: string; readonly reason: string };
}

interface Pool {
  readonly sources: readonly { readonly address: string; readonly ehlo?: string; readonly weight?: number }[];
}

const direct = (pool: Pool, more: object = {}) => ({
  routes: { direct: { via: 'mx', ...pool } },
  rules: [{ route: 'direct' }],
  ...more,
});

async function inForce(policy: Readonly<Record<string, unknown>>): Promise<Sendoff> {
  expect(await daemon().setPolicy(policy)).toEqual([]);
  return daemon();
}

/** Two addresses; as good as all mail would leave from the first. */
const lopsided = (first = network().address(), second = network().address()) => ({
  sources: [
    { address: first, ehlo: 'first.example.net', weight: 1_000_000 },
    { address: second, ehlo: 'second.example.net' },
  ],
});

/** One step for those who greet with this name, none for others. */
function forName(name: string, point: 'rcpt' | 'mail', step: Step): Script {
  const names = new Map<number, string>();
  return {
    ehlo: ({ connection, line }: Call) => {
      names.set(connection, line.slice('EHLO '.length));
      return null;
    },
    [point]: ({ connection }: Call) => (names.get(connection) === name ? step : null),
  };
}

const sendMany = (sendoff: Sendoff, domain: string, count: number): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => sendoff.send({ from: '', to: `r${n}@${domain}` })));

const from = (peer: Peer, address: string): number =>
  peer.messages.filter(({ clientAddress }) => clientAddress === address).length;

test('messages are shared out, each address has its name, and a site counts each by itself', async () => {
  const [a, b] = [network().address(), network().address()];
  const sources = [
    { address: a, ehlo: 'one.example.net' },
    { address: b, ehlo: 'two.example.net' },
  ];
  const sendoff = await inForce(direct({ sources }, { sites: { default: { connections: 1 } } }));
  const slowly: Script = { dot: () => ({ do: 'slow', reply: '250 2.0.0 ok', octets: 6, every: 20 }) };
  const { domain, peer } = await network().receiver({ script: slowly });
  const ids = await sendMany(sendoff, domain, 40);
  await sendoff.settled();
  const names = new Set(peer.messages.map(({ clientAddress, helo }) => `${clientAddress} ${helo}`));
  expect([...names].sort()).toEqual([`${a} one.example.net`, `${b} two.example.net`].sort());
  // 40 throws of a coin.
  for (const address of [a, b]) expect(from(peer, address)).toBeGreaterThanOrEqual(8);
  expect(peer.maxConnectionsSeen, 'one for each address').toBe(2);
  const attempts = (await sendoff.about(ids[0] ?? '', 'attempt')).map(({ source }) => source);
  expect([a, b]).toContain(attempts[0]);
});

test('greylisted mail comes back from its address; without it, from another one', async () => {
  const pool = lopsided();
  const [first, second] = pool.sources;
  const sendoff = await inForce(direct({ sources: [] }));
  const seen: string[] = [];
  const { domain, peer } = await network().receiver({
    script: {
      ehlo: ({ line }) => {
        seen.push(line.slice('EHLO '.length));
        return null;
      },
      rcpt: Array.from({ length: 3 }, () => '451 4.7.1 Greylisted'),
    },
  });
  const id = await sendoff.send({ from: '', to: [`ann@${domain}`] });
  const deferred = async (times: number): Promise<unknown> =>
    (await sendoff.about(id, 'deferred', times)).at(-1)?.next;
  let next = await deferred(1);
  await inForce(direct(pool));
  await sendoff.advanceTo(next);
  next = await deferred(2);
  const { entries } = (await sendoff.api(`/api/queue?id=${id}`)) as { entries: unknown[] };
  const way = { route: 'direct', source: first?.address };
  expect(entries).toMatchObject([{ ...way, domain, attempted: [{ route: 'direct' }, way] }]);
  // The other has the greater share by now: what is queued stays with its own.
  const turned = pool.sources.map(({ weight = 1, ...rest }) => ({ ...rest, weight: 1_000_001 - weight }));
  await inForce(direct({ sources: turned }));
  await sendoff.advanceTo(next);
  next = await deferred(3);
  expect(seen.slice(1)).toEqual(['first.example.net', 'first.example.net']);
  await inForce(direct({ sources: turned.slice(1) }));
  await sendoff.advanceTo(next);
  await peer.received(1);
  expect(from(peer, second?.address ?? '')).toBe(1);
  expect((await sendoff.about(id, 'attempt', 4)).map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
});

test.each([
  ['mail, for good', 'rcpt', '550 5.7.1 Your address is on the block list of spamhaus'],
  ['mail, for now', 'rcpt', '450 4.7.1 Your address is on the block list of spamhaus'],
  ['sessions, for now', 'mail', '421 4.7.1 Your address is on the block list of spamhaus'],
] as const)('a block of %s: at once from another address, others with it', async (_, point, reply) => {
  const pool = lopsided();
  const sendoff = await inForce(direct(pool));
  const ledger = await openLedger(sendoff);
  const script = forName('first.example.net', point, reply);
  const { domain, peer } = await network().receiver({ script });
  const id = await sendoff.send({ from: '', to: `ann@${domain}` });
  await peer.received(1);
  expect(peer.messages[0]).toMatchObject({ helo: 'second.example.net' });
  expect(await sendoff.about(id, 'attempt', 2)).toMatchObject([
    { class: 'blocked', source: pool.sources[0]?.address, route: 'direct', attempt: 1 },
    { result: 'delivered', source: pool.sources[1]?.address, route: 'direct', attempt: 2 },
  ]);
  await sendMany(sendoff, domain, 10);
  await ledger.shows({ accepted: 11, delivered: 11 });
  expect(from(peer, pool.sources[1]?.address ?? '')).toBe(11);
});

test('blocked from every address: the fallback after all attempts, or back to the sender', async () => {
  const pool = lopsided();
  const next = await network().peer({ port: 0 });
  const provider = { via: 'smarthost', hosts: [`${next.address}:${next.port}`], tls: 'none' };
  const { domain, peer } = await network().receiver({
    script: { rcpt: () => '550 5.7.1 Your address is on the block list of spamhaus' },
  });
  const routes = { direct: { via: 'mx', ...pool }, provider };
  const sendoff = await inForce({
    routes,
    rules: [
      { name: 'two ways', when: { to: `two@${domain}` }, route: ['direct', 'provider'] },
      { route: 'direct' },
    ],
  });
  const lucky = await sendoff.send({ from: '', to: `two@${domain}` });
  await next.received(1);
  const ways = (await sendoff.about(lucky, 'attempt', 3)).map(({ route, source }) => [route, source]);
  const [first, second] = pool.sources.map(({ address }) => address);
  expect(ways.slice(0, 2)).toEqual([
    ['direct', first],
    ['direct', second],
  ]);
  const unlucky = await sendoff.send({ from: network().sender(), to: `one@${domain}` });
  await sendoff.about(unlucky, 'bounced');
  expect(sendoff.soFar(unlucky, 'attempt').map(({ source }) => source)).toEqual([first, second]);
  expect(peer.messages).toEqual([]);
});

test('addresses that the machine or the receiver does not have are left uncharged, and the first alarms', async () => {
  const present = network().address();
  const { domain, peer } = await network().receiver();
  const sendoff = await inForce(direct(lopsided(ABSENT, present)));
  const id = await sendoff.send({ from: '', to: `ann@${domain}` });
  await peer.received(1);
  expect(await sendoff.event('alarm', ({ alarm }) => alarm === 'source-missing')).toMatchObject({
    route: 'direct',
    source: ABSENT,
  });
  expect(await sendoff.about(id, 'attempt', 2)).toMatchObject([
    { status: '4.4.4', class: 'unreachable', attempt: 1 },
    { result: 'delivered', source: present, attempt: 1 },
  ]);

  await inForce(direct(lopsided('::1', present)));
  await until('the alarm to be over', () =>
    sendoff.log.some(
      ({ msg, about }) => msg === 'alarm is over: source-missing' && about === `direct@${ABSENT}`,
    ),
  );
  const old = await sendoff.send({ from: '', to: `bob@${domain}` });
  await peer.received(2);
  expect(await sendoff.about(old, 'attempt', 2)).toMatchObject([
    { reply: `mx1.${domain} has no address that can be reached from ::1`, attempt: 1 },
    { result: 'delivered', source: present, attempt: 1 },
  ]);
});

/** Noon of the next day by the clock of this machine: no day ends by itself. Returns its date. */
async function nextNoon(sendoff: Sendoff): Promise<string> {
  const noon = new Date(sendoff.now + DAY);
  noon.setHours(12, 0, 0, 0);
  await sendoff.advanceTo(noon.toISOString());
  const two = (part: number): string => `${part}`.padStart(2, '0');
  return `${noon.getFullYear()}-${two(noon.getMonth() + 1)}-${two(noon.getDate())}`;
}

test('a warm-up: so many a day from the new address, the rest from the other, then all', async () => {
  const pool = lopsided();
  const [young, old] = pool.sources.map(({ address }) => address) as [string, string];
  const start = await nextNoon(daemon());
  const sendoff = await inForce(direct(pool, { warmup: [{ source: young, start, perDay: [5, 12] }] }));
  const { domain, peer } = await network().receiver();
  const shares: [number, number][] = [];
  for (const day of [1, 2, 3]) {
    if (day > 1) await nextNoon(sendoff);
    await sendMany(sendoff, domain, 20);
    await peer.received(20 * day);
    shares.push([from(peer, young), from(peer, old)]);
    if (day > 2) break;
    const { quotas } = (await sendoff.api('/api/quotas')) as { quotas: unknown[] };
    expect(quotas).toMatchObject([
      { of: 'source', name: young, left: 0, quota: day === 1 ? '5/day' : '12/day' },
    ]);
    const { present } = (await sendoff.api(`/api/explain?from=a@example.net&to=b@${domain}`)) as Explained;
    expect(present.source).toBe(old);
    expect(present.reason).toContain(
      `from ${old}: warm-up of ${young}, ${day === 1 ? 5 : 12}/day, is used up`,
    );
  }
  expect(shares).toEqual([
    [5, 15],
    [17, 23],
    [37, 23],
  ]);
});

test('a warm-up without another address: by the next route, else tomorrow; nothing before its start', async () => {
  const young = network().address();
  const next = await network().peer({ port: 0 });
  const { domain, peer } = await network().receiver();
  const today = await nextNoon(daemon());
  const routes = {
    direct: { via: 'mx', sources: [{ address: young }] },
    provider: { via: 'smarthost', hosts: [`${next.address}:${next.port}`], tls: 'none' },
  };
  const policy = (start: string) => ({
    routes,
    warmup: [{ source: young, start, perDay: [5, 100] }],
    rules: [
      { name: 'two ways', when: { to: `*.two.test` }, route: ['direct', 'provider'] },
      { route: 'direct' },
    ],
  });
  const two = await network().receiver({}, 'two.test');
  const sendoff = await inForce(policy('2099-01-01'));
  await sendoff.send({ from: '', to: `early@${two.domain}` });
  await next.received(1);
  await sendoff.send({ from: '', to: `early@${domain}` });
  await inForce(policy(today));
  await peer.received(1);

  await sendMany(sendoff, two.domain, 10);
  await until('all to be sent', () => two.peer.messages.length + next.messages.length === 11);
  expect(from(two.peer, young)).toBe(4);
  await sendMany(sendoff, domain, 3);
  const { entries } = await until('three to wait', async () => {
    const listing = (await sendoff.api('/api/queue')) as { entries: { next: string }[] };
    return listing.entries.length === 3 ? listing : null;
  });
  // Tomorrow by the clock of the host.
  for (const { next } of entries) expect(Date.parse(next) - sendoff.now).toBeGreaterThan(11 * HOUR);
  expect(from(two.peer, young) + from(peer, young)).toBe(5);
  await nextNoon(sendoff);
  await sendoff.settled();
  expect(from(peer, young)).toBe(4);
});
