// How servers are written, and whose turn it is after one was silent.
import { expect, test } from 'vitest';
import { parseServer, type Server, Servers, serverName } from '../../../src/dns/servers.ts';
import { MovableClock } from '../../harness/clock.ts';

test.each([
  ['192.0.2.53', '192.0.2.53', 53],
  ['192.0.2.53:5353', '192.0.2.53', 5353],
  ['2001:db8::53', '2001:db8::53', 53],
  ['[2001:db8::53]', '2001:db8::53', 53],
  ['[2001:db8::53]:5353', '2001:db8::53', 5353],
])('%s', (text, address, port) => {
  const server = parseServer(text);
  expect(server).toEqual({ address, port });
  expect(parseServer(serverName(server as Server))).toEqual(server);
});

test.each([
  '',
  'dns.example',
  '192.0.2.53:',
  '192.0.2.53:0',
  '192.0.2.53:65536',
  '[192.0.2.53]:53',
  '192.0.2',
])('%j is not a server', (text) => {
  expect(parseServer(text)).toBeNull();
  expect(() => new Servers([text], new MovableClock())).toThrow(/not the address/);
});

test('no servers at all is a mistake', () => {
  expect(() => new Servers([], new MovableClock())).toThrow(/no name servers/);
});

function three(clock: MovableClock) {
  const servers = new Servers(['192.0.2.1', '192.0.2.2', '192.0.2.3'], clock);
  const [first, second, third] = servers.all as [Server, Server, Server];
  const turns = (): (Server | null)[] => {
    const asked = new Set<Server>();
    return servers.all.map(() => {
      const server = servers.next(asked);
      if (server) asked.add(server);
      return server;
    });
  };
  return { servers, first, second, third, turns };
}

test('each has its turn once, in the order of the configuration', () => {
  const { servers, first, second, third, turns } = three(new MovableClock());
  expect(turns()).toEqual([first, second, third]);
  expect(servers.next(new Set(servers.all))).toBeNull();
});

test('one that was silent goes last, until it answers', () => {
  const clock = new MovableClock();
  const { servers, first, second, third, turns } = three(clock);
  servers.silent(first, clock.now(), 'no answer in time');
  expect(turns()).toEqual([second, third, first]);
  servers.answered(first);
  expect(turns()).toEqual([first, second, third]);
});

test('after 30 s one question tries whether it is back, the next do not wait for that', () => {
  const clock = new MovableClock();
  const { servers, first, second, turns } = three(clock);
  servers.silent(first, clock.now(), 'no answer in time');
  clock.advance(30_000);
  expect(servers.next(new Set())).toBe(first);
  expect(servers.next(new Set())).toBe(second);
  expect(turns().at(-1)).toBe(first);
});

test('a server that answered others meanwhile is not held to be silent', () => {
  const clock = new MovableClock();
  const { servers, first, turns } = three(clock);
  const askedAt = clock.now();
  clock.advance(1_000);
  servers.answered(first);
  clock.advance(1_000);
  servers.silent(first, askedAt, 'no answer in time');
  expect(turns()[0]).toBe(first);
});

test('the log says once that a server went silent, and once that it is back', () => {
  const clock = new MovableClock();
  const lines: string[] = [];
  const note = (text: string): void => void lines.push(text);
  const log = { event: () => {}, info: note, warn: note, debug: note };
  const servers = new Servers(['192.0.2.1'], clock, log);
  const [server] = servers.all as [Server];
  for (const _ of [1, 2]) servers.silent(server, clock.now(), 'no answer in time');
  for (const _ of [1, 2]) servers.answered(server);
  expect(lines).toEqual([
    'name server 192.0.2.1:53 does not answer',
    'name server 192.0.2.1:53 answers again',
  ]);
});

test('an answer of any server counts from its moment on', () => {
  const clock = new MovableClock();
  const { servers, second } = three(clock);
  const before = clock.now();
  expect(servers.answeredSince(before)).toBe(false);
  clock.advance(1_000);
  servers.answered(second);
  expect(servers.answeredSince(before)).toBe(true);
  clock.advance(1_000);
  expect(servers.answeredSince(clock.now())).toBe(false);
});
