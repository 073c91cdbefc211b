// Decisions in the words of the policy: what holds, where the site comes from, and what is never shown.
import { expect, test } from 'vitest';
import { explainMail } from '../../../src/policy/explanation.ts';
import { siteOf } from '../../../src/policy/sites.ts';
import { policyFrom } from '../../harness/policy.ts';

const policy = policyFrom(`
routes:
  provider:
    via: smarthost
    displayName: Our provider
    hosts: ["smtps://smtp.provider.example", "[2001:db8::1]:2525"]
    auth: { user: relay, password: open-sesame }
  trash: { via: discard }
sites:
  google: { mx: "*.google.com", connections: 10, rate: 300/minute, ip: 4 }
  slow: { domains: [slow.example], connections: 1 }
rules:
  - { name: refused, when: { to: "*.invalid" }, reject: { text: No such domain } }
  - { name: load, when: { from: load@* }, route: trash }
  - { name: rest, route: [direct, provider], fallback: { on: blocked, after: 3 }, retry: { after: 30m, warn: [], expire: 36h } }
`);

const explained = (to: string, from = 'a@example.net') => explainMail(policy, { from, to }, null);

test('routes, fallback and schedule stand as they are written, logins do not', () => {
  const view = explained('b@slow.example');
  expect(view).toMatchObject({
    rule: 'rest',
    reject: null,
    routes: [
      { name: 'direct', via: 'mx', hosts: [], limits: { tls: 'opportunistic', connections: null } },
      {
        name: 'provider',
        displayName: 'Our provider',
        hosts: ['smtp.provider.example:465', '[2001:db8::1]:2525'],
        limits: { tls: 'verified', connections: 20 },
      },
    ],
    fallback: { on: ['blocked'], after: 3 },
    retry: { name: 'of rule "rest"', after: ['30m'], expire: '36h', warn: [], attempts: null },
  });
  expect(JSON.stringify(view)).not.toMatch(/open-sesame|relay"/);
});

test('what is rejected has an answer and no routes; what is discarded has no site', () => {
  expect(explained('b@some.invalid')).toMatchObject({
    reject: { code: 550, text: 'No such domain' },
    routes: [],
    site: null,
  });
  expect(explained('b@slow.example', 'load@x.example')).toMatchObject({
    routes: [{ name: 'trash', via: 'discard', limits: null }],
    site: null,
  });
});

test('a site is known by its domain without a look-up, by MX hosts only after one', () => {
  const byMx = (domain: string, mx: string[]) =>
    explainMail(policy, { from: '', to: `b@${domain}` }, siteOf(policy, domain, mx)).site;
  expect(explained('b@slow.example').site).toMatchObject({ name: 'slow', by: 'domain', connections: 1 });
  expect(explained('b@fast.example').site).toBeNull();
  expect(byMx('fast.example', ['mx1.google.com'])).toMatchObject({
    name: 'google',
    by: 'mx',
    rate: '300/minute',
    ip: 4,
  });
  expect(byMx('fast.example', ['mx.fast.example'])).toMatchObject({ name: 'mx.fast.example', by: 'default' });
  expect(byMx('slow.example', ['mx1.google.com'])).toMatchObject({
    name: 'slow',
    by: 'domain',
    shipped: false,
  });
  expect(byMx('fast.example', ['mta5.am0.yahoodns.net'])).toMatchObject({ name: 'yahoo', shipped: true });
});
