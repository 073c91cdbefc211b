// Sites: named ones by domain and by MX, and the ones that MX hosts make.
// Runs siteOf on policies written as YAML.
// Never looks up an MX.
import { describe, expect, test } from 'vitest';
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
    messagesPerConnection: 50,
    connectionRate: null,
    ip: 4,
    backoff: expect.any(Array),
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
    backoff: policy.defaultSite.backoff,
  });
  expect(siteOf(policy, 'c.example', ['mx1.host.example']).name).toBe('mx1.host.example');
});

test('a domain whose hosts nobody knows is a site of its own', () => {
  expect(siteOf(policy, 'a.example', []).name).toBe('a.example');
});

describe('the large providers', () => {
  const plain = policyFrom('sites: { default: { connections: 30, rate: 5/minute } }');

  test.each([
    ['google', 'alt2.gmail-smtp-in.l.google.com'],
    ['google', 'aspmx5.googlemail.com'],
    ['google', 'smtp.google.com'],
    ['microsoft', 'example-org.mail.protection.outlook.com'],
    ['microsoft', 'example-org.a-v1.mx.microsoft'],
    ['outlook', 'hotmail-com.olc.protection.outlook.com'],
    ['yahoo', 'mta7.am0.yahoodns.net'],
    ['yahoo', 'mx-aol.mail.gm0.yahoodns.net'],
    ['icloud', 'mx01.mail.icloud.com'],
    ['comcast', 'mx2.comcast.net'],
    ['mail-ru', 'mxs.mail.ru'],
    ['gmx', 'mx00.gmx.net'],
    ['gmx', 'mx-ha02.web.de'],
    ['t-online', 'mx03.t-online.de'],
    ['orange', 'smtp-in.orange.fr'],
  ])('%s is known by %s', (name, host) => {
    const site = siteOf(plain, 'a.example', [host]);
    expect(site.name).toBe(name);
    expect(site.connections).toBeLessThanOrEqual(10);
    // What a provider's site leaves out comes from the operator's default.
    expect(site.rate).toEqual({ count: 5, per: 60_000 });
  });

  test('an operator’s site that fits stands above; one with the same name keeps what it does not say', () => {
    const own = policyFrom(`
sites:
  mine: { mx: "*.google.com", connections: 3 }
  yahoo: { rate: 1/minute }
`);
    expect(siteOf(own, 'a.example', ['smtp.google.com'])).toMatchObject({ name: 'mine', connections: 3 });
    expect(siteOf(own, 'a.example', ['mta5.am0.yahoodns.net'])).toMatchObject({
      name: 'yahoo',
      rate: { count: 1, per: 60_000 },
      messagesPerConnection: 20,
    });
    const shipped = own.siteRules.filter((rule) => rule.shipped).map(({ site }) => site.name);
    expect(shipped).toContain('google');
    expect(shipped).not.toContain('yahoo');
  });
});
