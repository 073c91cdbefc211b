// What a connection and a message are counted against.
import { expect, test } from 'vitest';
import { limitsOf, siteKey } from '../../../src/limits/limits.ts';
import type { MxRoute, SmarthostRoute } from '../../../src/policy/policy.ts';
import { policyFrom } from '../../harness/policy.ts';

const policy = policyFrom(`
routes:
  direct: { via: mx }
  narrow: { via: mx, connections: 7, rate: 14/second }
  provider: { via: smarthost, hosts: [smtp.example], rate: 2/second }
sites: { big: { mx: "*.big.example", connections: 10, rate: 60/minute, connectionRate: 6/minute } }
`);

const route = (name: string) => policy.routes.get(name) as MxRoute | SmarthostRoute;
const [big] = policy.siteRules.map(({ site }) => site);

test('direct mail counts for its site and its route, each with the rate it has', () => {
  expect(limitsOf(route('narrow'), big ?? null)).toEqual({
    connections: [
      { key: 'site big', connections: 10, site: 'big' },
      { key: 'route narrow', connections: 7, site: null },
    ],
    messageRates: [
      { key: 'site big', rate: { count: 60, per: 60_000 }, site: 'big' },
      { key: 'route narrow', rate: { count: 14, per: 1000 }, site: null },
    ],
    connectionRates: [{ key: 'connections site big', rate: { count: 6, per: 60_000 }, site: 'big' }],
  });
  expect(limitsOf(route('direct'), null)).toEqual({
    connections: [],
    messageRates: [],
    connectionRates: [],
  });
});

test('a smarthost counts for its route alone', () => {
  expect(limitsOf(route('provider'), null)).toMatchObject({
    connections: [{ key: 'route provider', connections: 20 }],
    messageRates: [{ key: 'route provider' }],
  });
});

test('each address of ours counts by itself at a site, and with all others for the route', () => {
  const all = limitsOf(route('provider'), null, '192.0.2.10');
  expect(all).toEqual(limitsOf(route('provider'), null));
  expect(all.connections).toMatchObject([{ key: 'route provider' }]);
  expect(siteKey('big', '192.0.2.10')).toBe('site big 192.0.2.10');
  expect(limitsOf(route('direct'), big ?? null, '192.0.2.10').connections).toEqual([
    { key: 'site big 192.0.2.10', connections: 10, site: 'big' },
  ]);
});
