// The resolver against real name servers on loopback: every outcome, every fault, each with its books of queries.
import { createSocket } from 'node:dgram';
import { expect, onTestFinished, test } from 'vitest';
import type { Lookup } from '../../../src/dns/resolver.ts';
import { createResolver } from '../../../src/dns/stub.ts';
import { MovableClock } from '../../harness/clock.ts';
import { type DnsServer, startDnsServer } from '../../harness/dns-server.ts';
import { until } from '../../harness/until.ts';

/** Longer than a server has for an answer. */
const PAST_PATIENCE = 2_500;

async function server(): Promise<DnsServer> {
  const dns = await startDnsServer();
  onTestFinished(() => dns.close());
  return dns;
}

function resolver(...servers: string[]) {
  const clock = new MovableClock();
  const dns = createResolver({ servers, clock, random: () => 0.5 });
  onTestFinished(() => dns.close());
  return { dns, clock };
}

async function resolved() {
  const dns = await server();
  return { zone: dns, ...resolver(dns.address) };
}

/** A port of loopback where nobody listens. */
async function closedPort(): Promise<string> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return `127.0.0.1:${port}`;
}

/** Lets `tries` questions for a name run out of time, one after the other. */
async function runOut(clock: MovableClock, dns: DnsServer, name: string, tries: number): Promise<void> {
  const before = dns.count(name);
  for (let seen = 1; seen <= tries; seen++) {
    await until(`question ${seen} for ${name}`, () => dns.count(name) >= before + seen);
    clock.advance(PAST_PATIENCE);
  }
}

test('MX, A and AAAA records', async () => {
  const { zone, dns } = await resolved();
  zone.set('example.org', {
    mx: [
      [10, 'mx1.example.org'],
      [20, 'MX2.example.org'],
    ],
    ttl: 120,
    authenticated: true,
  });
  zone.set('mx1.example.org', { a: ['192.0.2.1', '192.0.2.2'], aaaa: ['2001:db8::1'] });
  expect(await dns.mx('Example.org')).toEqual({
    kind: 'found',
    records: [
      { preference: 10, exchange: 'mx1.example.org' },
      { preference: 20, exchange: 'mx2.example.org' },
    ],
    ttl: 120,
    authenticated: true,
  });
  expect(await dns.a('mx1.example.org')).toMatchObject({
    records: ['192.0.2.1', '192.0.2.2'],
    authenticated: false,
  });
  expect(await dns.aaaa('mx1.example.org')).toMatchObject({ records: ['2001:db8::1'] });
});

test('no such name, no such records, and the null MX are three things', async () => {
  const { zone, dns } = await resolved();
  zone.set('example.org', { a: ['192.0.2.1'] });
  zone.set('null.example.org', { mx: [[0, '.']] });
  expect(await dns.mx('nowhere.example.org')).toEqual({ kind: 'nxdomain', ttl: 60 });
  expect(await dns.mx('example.org')).toEqual({ kind: 'no-data', ttl: 60 });
  expect(await dns.mx('null.example.org')).toMatchObject({ records: [{ preference: 0, exchange: '' }] });
});

test('a name that the DNS cannot hold does not exist, and nobody is asked', async () => {
  const { zone, dns } = await resolved();
  expect(await dns.mx(`${'a'.repeat(64)}.example.org`)).toMatchObject({ kind: 'nxdomain' });
  expect(await dns.mx(`${'a.'.repeat(127)}org`)).toMatchObject({ kind: 'nxdomain' });
  expect(zone.queries).toEqual([]);
});

test('aliases are followed within an answer and over several', async () => {
  const { zone, dns } = await resolved();
  zone.set('whole.test', { cname: 'target.test', ttl: 20 });
  zone.set('one.test', { cname: 'two.test', bareCname: true, ttl: 40, authenticated: true });
  zone.set('two.test', { cname: 'target.test', bareCname: true, ttl: 30, authenticated: true });
  zone.set('target.test', { a: ['192.0.2.1'], authenticated: true });
  expect(await dns.a('whole.test')).toMatchObject({ records: ['192.0.2.1'], ttl: 20 });
  expect(zone.count('target.test')).toBe(0);
  expect(await dns.a('one.test')).toMatchObject({ records: ['192.0.2.1'], ttl: 30, authenticated: true });
  expect(zone.count('target.test', 'A')).toBe(1);
  zone.set('loose.test', { cname: 'target.test', bareCname: true, authenticated: false });
  expect(await dns.a('loose.test')).toMatchObject({ authenticated: false });
});

test('a loop of aliases is a failure, and an alias to nothing is no such name', async () => {
  const { zone, dns } = await resolved();
  zone.set('here.test', { cname: 'there.test', bareCname: true });
  zone.set('there.test', { cname: 'here.test', bareCname: true });
  zone.set('astray.test', { cname: 'nowhere.test' });
  expect(await dns.a('here.test')).toMatchObject({ kind: 'failed', ours: false });
  expect(zone.queries.length).toBeLessThanOrEqual(9);
  expect(await dns.a('astray.test')).toMatchObject({ kind: 'nxdomain' });
});

test('truncated answers are fetched over TCP', async () => {
  const { zone, dns } = await resolved();
  zone.set('large.test', { mx: [[10, 'mx.large.test']], truncate: true });
  expect(await dns.mx('large.test')).toMatchObject({ records: [{ exchange: 'mx.large.test' }] });
  expect(zone.queries.map(({ via }) => via)).toEqual(['udp', 'tcp']);
});

test.each([
  ['a wrong id', { forge: 'id' }],
  ['another question', { forge: 'question' }],
  ['no DNS message', { garbage: 'udp' }],
] as const)('a datagram with %s is not believed: TCP tells', async (_, fault) => {
  const { zone, dns } = await resolved();
  zone.set('forged.test', { a: ['192.0.2.1'], ...fault });
  expect(await dns.a('forged.test')).toMatchObject({ records: ['192.0.2.1'] });
});

test('garbage over both transports is a failure', async () => {
  const { zone, dns } = await resolved();
  zone.set('noise.test', { garbage: true });
  expect(await dns.a('noise.test')).toMatchObject({
    kind: 'failed',
    ours: false,
    reason: expect.stringContaining('malformed'),
  });
});

test('a server without EDNS0 is asked again without it', async () => {
  const { zone, dns } = await resolved();
  zone.set('old.test', { a: ['192.0.2.1'], rcode: 'FORMERR', noEdns: true });
  expect(await dns.a('old.test')).toMatchObject({ records: ['192.0.2.1'] });
  expect(zone.count('old.test')).toBe(2);
});

test.each(['SERVFAIL', 'REFUSED'] as const)('after %s the next server is asked', async (rcode) => {
  const [broken, sound] = [await server(), await server()];
  broken.set('example.org', { rcode });
  sound.set('example.org', { a: ['192.0.2.1'] });
  const { dns } = resolver(broken.address, sound.address);
  expect(await dns.a('example.org')).toMatchObject({ records: ['192.0.2.1'] });
  expect(broken.count('example.org')).toBe(1);
});

test('SERVFAIL from all is a failure, not ours, asked of each once, and kept for 5 s', async () => {
  const [one, other] = [await server(), await server()];
  for (const zone of [one, other]) zone.set('broken.test', { rcode: 'SERVFAIL' });
  const { dns, clock } = resolver(one.address, other.address);
  const failure = await dns.mx('broken.test');
  expect(failure).toEqual({
    kind: 'failed',
    ours: false,
    reason: `MX broken.test: ${one.address} SERVFAIL; ${other.address} SERVFAIL`,
  });
  expect(await dns.mx('broken.test')).toEqual(failure);
  expect([one.count('broken.test'), other.count('broken.test')]).toEqual([1, 1]);
  clock.advance(5_000);
  one.set('broken.test', { mx: [[10, 'mx.test']] });
  expect(await dns.mx('broken.test')).toMatchObject({ kind: 'found' });
});

test('NXDOMAIN of the first server is final', async () => {
  const [one, other] = [await server(), await server()];
  other.set('example.org', { a: ['192.0.2.1'] });
  const { dns } = resolver(one.address, other.address);
  expect(await dns.a('example.org')).toMatchObject({ kind: 'nxdomain' });
  expect(other.queries).toEqual([]);
});

test('a lost question is asked again', async () => {
  const { zone, dns, clock } = await resolved();
  zone.set('lossy.test', { a: ['192.0.2.1'], drop: true });
  const asked = dns.a('lossy.test');
  await until('the first question', () => zone.count('lossy.test') === 1);
  zone.set('lossy.test', { a: ['192.0.2.1'] });
  clock.advance(PAST_PATIENCE);
  expect(await asked).toMatchObject({ records: ['192.0.2.1'] });
});

test('a silent server goes last for the questions that follow', async () => {
  const [silent, sound] = [await server(), await server()];
  silent.silence(true);
  sound.set('*.test', { a: ['192.0.2.1'] });
  const { dns, clock } = resolver(silent.address, sound.address);
  const first = dns.a('a.test');
  await runOut(clock, silent, 'a.test', 1);
  expect(await first).toMatchObject({ kind: 'found' });
  expect(await dns.a('b.test')).toMatchObject({ kind: 'found' });
  expect(silent.count('b.test')).toBe(0);
  clock.advance(30_000);
  silent.silence(false);
  expect(await dns.a('c.test')).toMatchObject({ kind: 'nxdomain' });
});

test('when no server answers anything the fault is ours, after three rounds; it is not kept', async () => {
  const { zone, dns, clock } = await resolved();
  zone.silence(true);
  zone.set('example.org', { a: ['192.0.2.1'] });
  const asked = dns.a('example.org');
  await runOut(clock, zone, 'example.org', 3);
  await runOut(clock, zone, '.', 1);
  expect(await asked).toMatchObject({ kind: 'failed', ours: true });
  zone.silence(false);
  expect(await dns.a('example.org')).toMatchObject({ kind: 'found' });
});

test('when the servers answer, but nothing about this name, the fault is the zone’s', async () => {
  const { zone, dns, clock } = await resolved();
  zone.set('dead.test', { drop: true });
  const asked = dns.a('dead.test');
  await runOut(clock, zone, 'dead.test', 3);
  expect(await asked).toMatchObject({ kind: 'failed', ours: false });
});

test('servers that refuse connections fail at once, and that is ours', async () => {
  const { dns } = resolver(await closedPort(), await closedPort());
  const before = performance.now();
  expect(await dns.a('example.org')).toMatchObject({
    kind: 'failed',
    ours: true,
    reason: expect.stringContaining('ECONNREFUSED'),
  });
  expect(performance.now() - before).toBeLessThan(1_500);
});

test('a server that answered a moment ago and is gone now is a fault of ours', async () => {
  const zone = await startDnsServer();
  zone.set('example.org', { a: ['192.0.2.1'] });
  const { dns, clock } = resolver(zone.address);
  expect(await dns.a('example.org')).toMatchObject({ kind: 'found' });
  await zone.close();
  clock.advance(1_000);
  expect(await dns.a('example.net')).toMatchObject({ kind: 'failed', ours: true });
});

test('answers are kept for their TTL, the missing ones too', async () => {
  const { zone, dns, clock } = await resolved();
  zone.set('example.org', { a: ['192.0.2.1'], ttl: 100 });
  const ask = async (name: string): Promise<Lookup<string>['kind']> => (await dns.a(name)).kind;
  for (let i = 0; i < 3; i++)
    expect([await ask('example.org'), await ask('none.test')]).toEqual(['found', 'nxdomain']);
  expect([zone.count('example.org'), zone.count('none.test')]).toEqual([1, 1]);
  zone.remove('example.org');
  zone.set('none.test', { a: ['192.0.2.1'] });
  clock.advance(60_000);
  expect([await ask('example.org'), await ask('none.test')]).toEqual(['found', 'found']);
  clock.advance(40_000);
  expect(await ask('example.org')).toBe('nxdomain');
});

test('absence without an SOA is not kept', async () => {
  const { zone, dns } = await resolved();
  zone.set('example.org', { noSoa: true });
  await dns.mx('example.org');
  await dns.mx('example.org');
  expect(zone.count('example.org')).toBe(2);
});

test('equal questions at one time are one, and one asker may leave', async () => {
  const { zone, dns, clock } = await resolved();
  zone.set('slow.test', { a: ['192.0.2.1'], drop: true });
  const leaving = new AbortController();
  const [left, ...stayed] = [
    dns.a('slow.test', leaving.signal),
    dns.a('slow.test'),
    dns.a('SLOW.test', new AbortController().signal),
  ];
  await until('the question', () => zone.count('slow.test') > 0);
  leaving.abort();
  expect(await left).toMatchObject({ kind: 'failed', ours: true });
  zone.set('slow.test', { a: ['192.0.2.1'] });
  clock.advance(PAST_PATIENCE);
  for (const lookup of await Promise.all(stayed)) expect(lookup).toMatchObject({ kind: 'found' });
  expect(zone.count('slow.test')).toBe(2);
});

test('a lookup ends at its deadline however many servers are silent', async () => {
  const zones = await Promise.all(Array.from({ length: 6 }, server));
  for (const zone of zones) zone.silence(true);
  const { dns, clock } = resolver(...zones.map(({ address }) => address));
  const asked = dns.a('example.org');
  await until('the first question', () => zones[0]?.count('example.org') === 1);
  clock.advance(30_000);
  expect(await asked).toMatchObject({ kind: 'failed', ours: true });
  // The first try's time is up in the same jump: the next one may have begun, and goes no further.
  expect(zones.slice(1).flatMap(({ queries }) => queries).length).toBeLessThanOrEqual(1);
});

test('close ends what is under way', async () => {
  const { zone, dns } = await resolved();
  zone.silence(true);
  const asked = [dns.a('example.org'), dns.healthy()];
  await until('both questions', () => zone.queries.length === 2);
  dns.close();
  expect(await Promise.all(asked)).toMatchObject([{ kind: 'failed', ours: true }, false]);
  expect(await dns.a('example.net')).toMatchObject({ kind: 'failed', ours: true });
});

test('healthy: whether any server answers anything', async () => {
  const [silent, zone] = [await server(), await server()];
  silent.silence(true);
  const { dns, clock } = resolver(silent.address, zone.address);
  expect(await dns.healthy()).toBe(true);
  expect(await dns.healthy()).toBe(true);
  expect(zone.count('.')).toBe(1);
  zone.silence(true);
  expect(await dns.healthy()).toBe(true);
  clock.advance(5_000);
  const asked = dns.healthy();
  await runOut(clock, zone, '.', 1);
  expect(await asked).toBe(false);
  zone.silence(false);
  expect(await dns.healthy()).toBe(true);
});

test('thousands of names at once: 200 questions on their way, every name answered, each asked once', async () => {
  const { zone, dns, clock } = await resolved();
  zone.silence(true);
  zone.set('*.bulk.test', { a: ['192.0.2.1'] });
  const names = Array.from({ length: 3_000 }, (_, i) => `d${i}.bulk.test`);
  const asked = Promise.all(names.map((name) => dns.a(name)));
  await until('the first 200', () => zone.queries.length === 200);
  expect(new Set(zone.queries.map(({ name }) => name))).toEqual(new Set(names.slice(0, 200)));
  zone.silence(false);
  clock.advance(PAST_PATIENCE);
  expect((await asked).filter(({ kind }) => kind !== 'found')).toEqual([]);
  expect(zone.queries.length).toBe(3_200);
});

test('thousands of names at once do not all wait for a silent first server', async () => {
  const [silent, sound] = [await server(), await server()];
  silent.silence(true);
  sound.set('*.bulk.test', { a: ['192.0.2.1'] });
  const { dns, clock } = resolver(silent.address, sound.address);
  const asked = Promise.all(Array.from({ length: 1_000 }, (_, i) => dns.a(`d${i}.bulk.test`)));
  await until('the first 200', () => silent.queries.length === 200);
  clock.advance(PAST_PATIENCE);
  expect((await asked).filter(({ kind }) => kind !== 'found')).toEqual([]);
  expect(silent.queries.length).toBe(200);
});
