// Which host of a smarthost route is next, by what happened so far and by the clock.
// Walks over hosts in memory; test/scenarios/smarthost.test.ts has the same with sockets.
// Never opens a connection.
import { describe, expect, test } from 'vitest';
import type { Failure } from '../../../src/delivery/failure.ts';
import { failureKinds } from '../../../src/delivery/failures.ts';
import { Smarthosts } from '../../../src/delivery/smarthosts.ts';
import type { HostOrder, SmarthostRoute } from '../../../src/policy/policy.ts';
import { MovableClock } from '../../harness/clock.ts';
import { smarthostRoute } from '../../integration/delivery/setting.ts';

const MINUTE = 60_000;
const down: Failure = { ...failureKinds.noConnection, phase: 'connect', text: 'refused' };

/** `a b` or `a*3 b`. */
function routeOf(hosts: string, choose: HostOrder = 'in-order', name = 'r'): SmarthostRoute {
  const addresses = hosts.split(' ').map((text) => {
    const [host = '', weight = '1'] = text.split('*');
    return { host, port: 587, implicitTls: false, weight: Number(weight) };
  });
  return smarthostRoute(587, { name, choose, hosts: addresses });
}

function setting() {
  const clock = new MovableClock();
  const smarthosts = new Smarthosts(() => clock.now());
  /** One message: the hosts that it is offered to, until one is not in `dead`. */
  const send = (route: SmarthostRoute, dead = '', why = down): string => {
    const tried: string[] = [];
    const next = smarthosts.walk(route);
    for (let chosen = next(); chosen; chosen = next()) {
      const { host, use } = chosen;
      tried.push(host.host);
      if (dead.split(' ').includes(host.host)) use?.failed(why);
      else use?.succeeded();
      use?.left();
      if (!dead.split(' ').includes(host.host)) break;
    }
    return tried.join(' ');
  };
  return { clock, smarthosts, send };
}

describe('a host that fails', () => {
  const route = routeOf('a b');

  test('rests a minute after three failures in a row, then one message probes it', () => {
    const { clock, smarthosts, send } = setting();
    expect([1, 2, 3, 4].map(() => send(route, 'a'))).toEqual(['a b', 'a b', 'a b', 'b']);
    clock.advance(MINUTE - 1_000);
    expect(send(route)).toBe('b');
    clock.advance(1_000);
    const probe = smarthosts.walk(route)();
    expect(probe?.host.host).toBe('a');
    expect(send(route), 'while it is being probed').toBe('b');
    probe?.use?.succeeded();
    expect(send(route)).toBe('a');
  });

  test('rests twice as long after each probe that fails, half an hour at most', () => {
    const { clock, send } = setting();
    for (let i = 0; i < 3; i++) send(route, 'a');
    for (const minutes of [1, 2, 4, 8, 16, 30, 30]) {
      clock.advance(minutes * MINUTE - 1_000);
      expect(send(route, 'a'), `before ${minutes} minutes`).toBe('b');
      clock.advance(1_000);
      expect(send(route, 'a'), `after ${minutes} minutes`).toBe('a b');
    }
    clock.advance(30 * MINUTE);
    expect(send(route)).toBe('a');
    expect(send(route, 'a'), 'it begins anew').toBe('a b');
  });

  test('twice is no reason to rest, nor are failures with a success between them', () => {
    const { send } = setting();
    for (const dead of ['a', 'a', '', 'a', 'a', '']) send(route, dead);
    expect(send(route)).toBe('a');
  });

  test('counts once for each message, whatever its addresses', () => {
    const { smarthosts, send } = setting();
    const use = smarthosts.walk(route)()?.use;
    for (let i = 0; i < 5; i++) use?.failed(down);
    expect(send(route)).toBe('a');
  });

  test('does not rest for what is our own doing', () => {
    const { send } = setting();
    for (let i = 0; i < 5; i++) send(route, 'a', { ...failureKinds.noLogin, text: 'refused' });
    for (let i = 0; i < 5; i++)
      send(route, 'a', { ...failureKinds.stopping, phase: 'connect', text: 'stopping' });
    expect(send(route)).toBe('a');
  });

  test('is probed by the next message when the probe came to nothing', () => {
    const { clock, smarthosts, send } = setting();
    for (let i = 0; i < 3; i++) send(route, 'a');
    clock.advance(MINUTE);
    const probe = smarthosts.walk(route)();
    probe?.use?.opened();
    expect(send(route)).toBe('b');
    probe?.use?.closed();
    expect(send(route)).toBe('a');
  });

  test('is not rested longer by connections from before', () => {
    const { clock, smarthosts, send } = setting();
    const old = [1, 2, 3, 4, 5].map(() => smarthosts.walk(route)()?.use);
    for (const use of old) use?.failed(down);
    clock.advance(MINUTE);
    expect(send(route)).toBe('a');
  });
});

test('with all hosts at rest, the one whose rest ends first is tried, and no other', () => {
  const { clock, send } = setting();
  const route = routeOf('a b c');
  for (const dead of ['a', 'a b', 'a b c']) {
    for (let i = 0; i < 3; i++) send(route, dead);
    clock.advance(10_000);
  }
  // Each that fails rests two minutes more; the next one ends sooner.
  expect([1, 2, 3, 4].map(() => send(route, 'a b c'))).toEqual(['a', 'b', 'c', 'a']);
});

test('weights are kept exactly, and the others take the place of one that rests', () => {
  const { send } = setting();
  const route = routeOf('a*3 b', 'weighted');
  const sent = (n: number): string => Array.from({ length: n }, () => send(route)).join('');
  expect(sent(8)).toBe('aabaaaba');
  for (let i = 0; i < 12; i++) send(route, 'b');
  expect(sent(4)).toBe('aaaa');
});

test('the least used has the fewest open sessions, and of equals was taken longest ago', () => {
  const { smarthosts, send } = setting();
  const route = routeOf('a b c', 'least-used');
  expect(['', '', '', ''].map(() => send(route)).join('')).toBe('abca');
  const opened = [1, 2, 3, 4].map(() => {
    const chosen = smarthosts.walk(route)();
    chosen?.use?.opened();
    return chosen;
  });
  expect(opened.map((chosen) => chosen?.host.host).join('')).toBe('bcab');
  opened[1]?.use?.closed();
  expect(send(route)).toBe('c');
});

test('a policy that is read again keeps what is known of the hosts that stay', () => {
  const { send } = setting();
  for (let i = 0; i < 3; i++) send(routeOf('a b'), 'a');
  expect(send(routeOf('c a b'))).toBe('c');
  expect(send(routeOf('a b'))).toBe('b');
  expect(send(routeOf('b'))).toBe('b');
  expect(send(routeOf('a b')), 'it had left').toBe('a');
});

test('routes know nothing of each other', () => {
  const { send } = setting();
  for (let i = 0; i < 3; i++) send(routeOf('a b'), 'a');
  expect(send(routeOf('a b', 'in-order', 'other'))).toBe('a');
});
