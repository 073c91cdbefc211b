// What a policy's text becomes: defaults of routes, and what schedules and sites inherit.
// Runs the whole way from YAML to Policy.
// Never tests errors: test/unit/config/load-policy.test.ts does.
import { expect, test } from 'vitest';
import { failureClasses } from '../../../src/delivery/failure.ts';
import { compilePolicy } from '../../../src/policy/compile.ts';
import { decide } from '../../../src/policy/evaluate.ts';
import type { RetrySchedule } from '../../../src/policy/policy.ts';
import { policySchema } from '../../../src/policy/schema.ts';
import { policyFrom } from '../../harness/policy.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function routeFrom(yaml: string) {
  return policyFrom(`routes: { r: { ${yaml} } }`).routes.get('r');
}

/** The schedule that a rule takes, beside a `retry` section. */
function scheduleOf(retry: string, rule: string): RetrySchedule {
  return decide(policyFrom(`retry: { ${retry} }\nrules: [{ route: direct, retry: ${rule} }]`), {
    from: 'a@b.example',
    to: 'c@d.example',
  }).retry;
}

test('an mx route has the numbers that a large receiver expects', () => {
  expect(routeFrom('via: mx')).toEqual({
    name: 'r',
    displayName: 'r',
    via: 'mx',
    connections: null,
    messagesPerConnection: null,
    rate: null,
    quotas: [],
    recipients: 50,
    connectTimeout: MINUTE,
    softBounce: false,
    sources: [],
    tls: 'opportunistic',
  });
});

test('hosts of a smarthost have the ports of submission, in their order', () => {
  const route = routeFrom(
    'via: smarthost, hosts: [A.example, "a.example:25", "smtps://b.example", "smtps://[::1]:2465", "smtp://192.0.2.1"]',
  );
  expect(route).toMatchObject({
    hosts: [
      { host: 'a.example', port: 587, implicitTls: false },
      { host: 'a.example', port: 25, implicitTls: false },
      { host: 'b.example', port: 465, implicitTls: true },
      { host: '::1', port: 2465, implicitTls: true },
      { host: '192.0.2.1', port: 587, implicitTls: false },
    ],
    auth: null,
    tls: 'opportunistic',
  });
});

test('hosts of a smarthost may have weights', () => {
  const hosts = 'hosts: [{ host: "smtps://a.example", weight: 3 }, b.example]';
  expect(routeFrom(`via: smarthost, choose: weighted, ${hosts}`)).toMatchObject({
    choose: 'weighted',
    hosts: [
      { host: 'a.example', port: 465, implicitTls: true, weight: 3 },
      { host: 'b.example', port: 587, implicitTls: false, weight: 1 },
    ],
  });
  expect(routeFrom('via: smarthost, hosts: a.example')).toMatchObject({ choose: 'in-order' });
});

test.each([
  ['gmail', 'smtp.gmail.com', 465, true],
  ['Google Mail', 'smtp.gmail.com', 465, true],
  ['SES-EU-WEST-1', 'email-smtp.eu-west-1.amazonaws.com', 465, true],
  ['outlook365', 'smtp.office365.com', 587, false],
  ['loopia', 'mailcluster.loopia.se', 465, true],
  ['mail.ee', 'smtp.mail.ee', 587, false],
])('service: %s has host, port and TLS from the list', (service, host, port, implicitTls) => {
  expect(routeFrom(`via: smarthost, service: ${service}`)).toMatchObject({
    hosts: [{ host, port, implicitTls, weight: 1 }],
    tls: 'verified',
  });
});

test.each([
  ['service: gmail', '', 'https://oauth2.googleapis.com/token'],
  ['hosts: smtp.office365.com', '', 'https://login.microsoftonline.com/common/oauth2/v2.0/token'],
  ['hosts: a.example', 'tokenUrl: "https://tokens.example/t"', 'https://tokens.example/t'],
  ['service: gmail', 'tokenUrl: "http://[::1]:8080/t"', 'http://[::1]:8080/t'],
])('a login with tokens by %s has its token server', (hosts, more, tokenUrl) => {
  const oauth2 = `oauth2: { clientId: c, clientSecret: s, refreshToken: r, ${more} }`;
  expect(routeFrom(`via: smarthost, ${hosts}, auth: { user: u, ${oauth2} }`)).toMatchObject({
    tls: 'verified',
    auth: {
      kind: 'oauth2',
      user: 'u',
      cleartext: false,
      oauth2: { clientId: 'c', clientSecret: 's', refreshToken: 'r', tokenUrl },
    },
  });
});

test.each([
  ['port: 110', { port: 110, implicitTls: false, tls: 'verified', cleartext: false }],
  ['', { port: 995, implicitTls: true, tls: 'verified' }],
  ['port: 110, cleartext: true', { implicitTls: false, tls: 'opportunistic', cleartext: true }],
  ['port: 110, cleartext: true, tls: none', { tls: 'none' }],
  ['tls: required', { tls: 'required' }],
])('a login at a POP3 server with %j has TLS unless it may go without', (more, server) => {
  const login = `popBeforeSmtp: { host: POP.isp.example, user: someone, password: " p ", ${more} }`;
  expect(routeFrom(`via: smarthost, hosts: "mail.isp.example:25", auth: { ${login} }`)).toMatchObject({
    tls: 'opportunistic',
    auth: {
      kind: 'pop',
      popBeforeSmtp: { host: 'pop.isp.example', user: 'someone', password: ' p ', ...server },
    },
  });
});

test('what the route says of TLS stands above the list of services', () => {
  expect(routeFrom('via: smarthost, service: gmail, tls: required')).toMatchObject({ tls: 'required' });
});

test.each([
  ['', 'opportunistic'],
  [', auth: { user: u, password: p }', 'verified'],
  [', auth: { user: u, password: p, cleartext: true }', 'opportunistic'],
  [', tls: required, auth: { user: u, password: p }', 'required'],
])('a smarthost with %j has tls: %s', (more, tls) => {
  expect(routeFrom(`via: smarthost, hosts: h.example${more}`)).toMatchObject({ tls });
});

test('a route bounces softly as it says, or as the settings do', () => {
  const data = policySchema({ routes: [], schedules: [] }).parse({
    routes: { soft: { via: 'mx', softBounce: true }, hard: { via: 'mx', softBounce: false } },
  });
  const softly = (everywhere: boolean) =>
    [...compilePolicy(data, everywhere).routes.values()].map((route) => [
      route.name,
      route.via !== 'discard' && route.softBounce,
    ]);
  expect(softly(false)).toEqual([
    ['direct', false],
    ['soft', true],
    ['hard', false],
  ]);
  expect(softly(true)).toEqual([
    ['direct', true],
    ['soft', true],
    ['hard', false],
  ]);
});

test('sources have a weight and the daemon’s own name unless they say otherwise', () => {
  expect(
    routeFrom('via: mx, sources: [{ address: 192.0.2.1 }, { address: "::1", ehlo: M.example, weight: 3 }]'),
  ).toMatchObject({
    sources: [
      { address: '192.0.2.1', ehlo: null, weight: 1 },
      { address: '::1', ehlo: 'm.example', weight: 3 },
    ],
  });
});

test('`direct` is always there, and a policy may make it something else', () => {
  expect(policyFrom('').routes.get('direct')?.via).toBe('mx');
  expect(policyFrom('routes: { direct: { via: discard } }').routes.get('direct')?.via).toBe('discard');
});

test('a schedule has from the default what it leaves out', () => {
  const defaults = 'default: { after: [2m], expire: 3d, warn: [1h], classes: { greylisted: { after: 5m } } }';
  const named = scheduleOf(`${defaults}, hourly: { after: 1h, attempts: 5 }`, 'hourly');
  expect(named).toMatchObject({ name: 'hourly', after: [HOUR], expire: 3 * DAY, warn: [HOUR], attempts: 5 });
  expect(named.classes.get('greylisted')).toEqual({ after: [5 * MINUTE], expire: 3 * DAY });
  expect(scheduleOf(defaults, '{ expire: 1d }')).toMatchObject({
    after: [2 * MINUTE],
    expire: DAY,
    attempts: null,
  });
});

test('an inherited class follows a longer expiry and does not outlive a shorter one', () => {
  const defaults =
    'default: { classes: { greylisted: { after: 5m }, mailbox-full: { after: 12h, expire: 2d } } }';
  const expiries = (rule: string) => {
    const { classes } = scheduleOf(defaults, rule);
    return [classes.get('greylisted')?.expire, classes.get('mailbox-full')?.expire];
  };
  expect(expiries('{ after: 1h }')).toEqual([5 * DAY, 2 * DAY]);
  expect(expiries('{ expire: 9d }')).toEqual([9 * DAY, 2 * DAY]);
  expect(expiries('{ expire: 1d }')).toEqual([DAY, DAY]);
  expect(expiries('{ expire: 1d, classes: { mailbox-full: { expire: 3d } } }')).toEqual([DAY, 3 * DAY]);
});

test('`any` is every class that another route can mend', () => {
  const policy = policyFrom('rules: [{ route: direct, fallback: { on: any } }]');
  const { on } = decide(policy, { from: '', to: 'a@b.example' }).fallback;
  expect(failureClasses.filter((name) => !on.has(name))).toEqual(['greylisted', 'unknown-user']);
});
