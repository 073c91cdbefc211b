import { describe, expect, test } from 'vitest';
import type { HostPlan } from '../../../src/delivery/session.ts';
import {
  deliveryOf,
  failureInShort,
  mxRoute,
  never,
  type Records,
  resolverOf,
  smarthostRoute,
} from '../../integration/delivery/setting.ts';

async function plan(records: Records, domain: string, settings = {}): Promise<HostPlan> {
  return deliveryOf(resolverOf(records), settings).plan(mxRoute, domain, never);
}

/** Names in order, or the failure in short. */
async function hosts(records: Records, domain: string, settings = {}): Promise<string> {
  const made = await plan(records, domain, settings);
  return made.kind === 'failed' ? failureInShort(made.failure) : made.hosts.map(({ host }) => host).join(' ');
}

describe('the hosts of a domain', () => {
  test('come by preference', async () => {
    const mx = {
      'x.test': [
        [20, 'c.test'],
        [5, 'a.test'],
        [10, 'b.test'],
      ],
    } as const;
    expect(await hosts({ mx }, 'x.test')).toBe('a.test b.test c.test');
  });

  test('are shuffled among equals, and only there', async () => {
    const mx = {
      'x.test': [
        [10, 'a.test'],
        [10, 'b.test'],
        [20, 'z.test'],
      ],
    } as const;
    const seen = new Set<string>();
    for (let i = 0; i < 64; i++) seen.add(await hosts({ mx }, 'x.test'));
    expect([...seen].sort()).toEqual(['a.test b.test z.test', 'b.test a.test z.test']);
  });

  test('the best ones name the site, sorted', async () => {
    const mx = {
      'x.test': [
        [10, 'b.test'],
        [10, 'a.test'],
        [20, 'z.test'],
      ],
    } as const;
    expect(await plan({ mx }, 'x.test')).toMatchObject({ bestMx: ['a.test', 'b.test'] });
  });

  test('without MX, the domain itself is the host', async () => {
    expect(await plan({ a: { 'x.test': ['192.0.2.1'] } }, 'x.test')).toMatchObject({
      bestMx: ['x.test'],
      hosts: [{ host: 'x.test', port: 25, implicitTls: false }],
    });
  });

  test('of an address literal is the address', async () => {
    expect(await hosts({}, '[192.0.2.7]')).toBe('192.0.2.7');
    expect(await hosts({}, '[IPv6:2001:db8::7]')).toBe('2001:db8::7');
    expect(await hosts({}, '[nonsense]')).toBe('destination 5.1.2 dns permanent');
  });

  test.each([
    ['nxdomain', 'destination 5.1.2 dns permanent'],
    ['SERVFAIL', 'destination 4.4.3 dns'],
    ['ours: no server answers', 'destination 4.4.3 dns ours'],
  ])('cannot be told: %s', async (answer, expected) => {
    expect(await hosts({ mx: { 'x.test': answer } }, 'x.test')).toBe(expected);
  });

  test('a null MX takes no mail; beside others it is no host (RFC 7505)', async () => {
    expect(await hosts({ mx: { 'x.test': [[0, '']] } }, 'x.test')).toBe('destination 5.1.10 dns permanent');
    const both = [
      [0, ''],
      [10, 'a.test'],
    ] as const;
    expect(await hosts({ mx: { 'x.test': both } }, 'x.test')).toBe('a.test');
  });
});

describe('ourselves in the list (RFC 5321 §5.1)', () => {
  const mx = {
    'x.test': [
      [5, 'a.test'],
      [10, 'us.test'],
      [10, 'b.test'],
      [20, 'c.test'],
    ],
    'loop.test': [
      [5, 'us.test'],
      [10, 'b.test'],
    ],
  } as const;

  test('our name drops itself, its equals and worse ones', async () => {
    expect(await hosts({ mx }, 'x.test', { hostname: 'US.test' })).toBe('a.test');
  });

  test('our name as the best is a loop', async () => {
    expect(await hosts({ mx }, 'loop.test', { hostname: 'us.test' })).toBe('destination 5.4.6 dns permanent');
  });

  test('an address of ours counts where we listen on the port of MX hosts', async () => {
    const records = { mx, a: { 'us.test': ['192.0.2.9'] } };
    const listening = (port: number) => ({ ownAddresses: () => [{ address: '192.0.2.9', port }] });
    expect(await hosts(records, 'x.test', listening(25))).toBe('a.test');
    expect((await hosts(records, 'x.test', listening(2525))).split(' ')).toHaveLength(4);
  });
});

test('a smarthost route takes its list and asks nobody', async () => {
  const resolver = resolverOf({});
  const route = smarthostRoute(587, {
    hosts: [
      { host: 'b.test', port: 587, implicitTls: false, weight: 1 },
      { host: 'a.test', port: 465, implicitTls: true, weight: 1 },
    ],
  });
  expect(await deliveryOf(resolver).plan(route, null, never)).toMatchObject({
    bestMx: [],
    hosts: [{ host: 'b.test' }, { host: 'a.test', port: 465, implicitTls: true }],
  });
  expect(resolver.asked).toEqual([]);
});
