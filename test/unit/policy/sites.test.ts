// Sites: named ones by domain and by MX, and the ones that MX hosts make.
// Runs siteOf on policies written as YAML.
// Never looks up an MX.
import { expect, test } from 'vitest';
import { siteOf } from '../../../src/policy/sites.ts';
import { policyFrom } from '../../harness/policy.ts';

const policy = policyFrom(`
sites:
  google: { mx: ["*.google.com", "*.googlemail.com"], connections: 10, rate: 300/minute, ip: 4 }
  slowpoke: { domains: [slow.example, "*.slow.example"], connections: 1 }
  everything-else-at-google: { mx: aspmx.l.google.com, connections: 3 }
  default: { connections: 7, messagesPerConnection: 33 }
`);

test('by the best MX hosts, whatever the domain', () => {
  expect(siteOf(policy, 'a.example', ['alt1.aspmx.l.google.com', 'aspmx.l.google.com'])).toEqual({
    name: 'google',
    connections: 10,
    rate: { count: 300, per: 60_000 },
    messagesPerConnection: 33,
    connectionRate: null,
    ip: 4,
  });
  expect(siteOf(policy, 'b.example', ['google.com']).name).not.toBe('google');
});

test('a rule that names the domain stands above one that names its MX', () => {
  expect(siteOf(policy, 'slow.example', ['aspmx.l.google.com']).name).toBe('slowpoke');
  expect(siteOf(policy, 'a.slow.example', []).name).toBe('slowpoke');
});

test('domains with the same best hosts share a site, in any order and with the default numbers', () => {
  const one = siteOf(policy, 'a.example', ['mx2.host.example', 'mx1.host.example']);
  const other = siteOf(policy, 'b.example', ['mx1.host.example', 'mx2.host.example', 'mx1.host.example']);
  expect(one).toEqual(other);
  expect(one).toEqual({
    name: 'mx1.host.example,mx2.host.example',
    connections: 7,
    rate: null,
    messagesPerConnection: 33,
    connectionRate: null,
    ip: null,
  });
  expect(siteOf(policy, 'c.example', ['mx1.host.example']).name).toBe('mx1.host.example');
});

test('a domain whose hosts nobody knows is a site of its own', () => {
  expect(siteOf(policy, 'a.example', []).name).toBe('a.example');
});
