import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../../src/cli/program.ts';
import type { Failure } from '../../../src/delivery/failure.ts';
import type { Explanation, Present } from '../../../src/operations/operations.ts';
import { explainMail } from '../../../src/policy/explanation.ts';
import { SpoolError } from '../../../src/spool/spool.ts';
import { type AdminUnderTest, adminUnderTest } from '../../harness/admin.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { entryView } from '../../harness/operations.ts';
import { policyFrom } from '../../harness/policy.ts';
import { type TerminalOptions, testTerminal } from '../../harness/terminal.ts';

const greylisted: Failure = {
  scope: 'recipient',
  permanent: false,
  class: 'greylisted',
  status: '4.7.1',
  phase: 'rcpt',
  text: 'come back in 5 minutes',
  reply: '451-4.7.1 come back\n451 4.7.1 in 5 minutes \u001b[31mred',
  host: 'mx.example.org',
  ip: '192.0.2.1',
};

function configFile(port: number, more = ''): string {
  const file = join(temporaryFolder(), 'sendoff.yaml');
  writeFileSync(file, `hostname: relay.example.net\nadmin: { address: 127.0.0.1, port: ${port}${more} }\n`);
  return file;
}

const policy = policyFrom(`
routes: { provider: { via: smarthost, hosts: [smtp.provider.example], connections: 5 } }
retry: { hourly: { after: 1h, attempts: 5, classes: { greylisted: { after: 5m } } } }
sites: { "example-org": { domains: [example.org], connections: 10, rate: 300/minute } }
rules:
  - { name: no test mail, when: { to: "*.invalid" }, reject: {} }
  - { name: patience, when: { from: ann@example.net }, retry: hourly }
  - { name: everything else, route: [direct, provider] }
`);

/** As the daemon says it of mail that waits behind a closed door. */
function explained(to: string): Explanation {
  const present: Present = {
    route: 'direct',
    source: null,
    reason: 'no reason to leave it',
    state: 'backing-off',
    connections: 1,
    limits: [{ of: 'site example-org', open: 3, allowed: 5, connections: 10, wait: 200 }],
    quotas: [],
    failures: 4,
    last: greylisted,
    suspended: null,
    slowed: null,
    next: '2026-11-22T12:05:00.000Z',
  };
  return { ...explainMail(policy, { from: 'ann@example.net', to }, null), present };
}

/** Runs the command against the daemon under test, as a shell would. */
async function sendoff(admin: Pick<AdminUnderTest, 'port'>, argv: string[], options: TerminalOptions = {}) {
  const terminal = testTerminal(options);
  const code = await run([...argv, '--config', configFile(admin.port)], terminal);
  return { code, ...terminal.printed };
}

test('queue list shows the summary of destinations, then the entries with their reasons', async () => {
  const admin = await adminUnderTest();
  admin.operations.entries = [
    entryView({ attempts: 3, last: greylisted }),
    entryView({ id: '0abc123def46', state: 'held', route: 'held', next: null, hold: 'wrong list', from: '' }),
    entryView({ id: '0abc123def47', to: ['x@example.org', 'y@example.org'], inDoubt: true, priority: 'low' }),
  ];
  admin.operations.destinationViews = [
    {
      route: 'direct',
      source: null,
      domain: 'example.org',
      site: 'google',
      state: 'backing-off',
      entries: 2,
      connections: 1,
      next: '2026-11-22T12:20:00Z',
      failures: 4,
      last: greylisted,
      suspended: null,
      quota: null,
    },
  ];
  const { code, out, err } = await sendoff(admin, ['queue', 'list'], { columns: 80 });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toBe(`3 recipients queued

DESTINATION                  STATE        WAITING  CONNECTIONS    NEXT
direct example.org (google)  backing off        2            1  in 20m
    4 times: 4.7.1 mx.example.org[192.0.2.1] come back in 5 minutes

ID            STATE         AGE   NEXT  ROUTE   FROM             TO
0abc123def45  queued         2h  in 5m  direct  ann@example.net  bob@example.org
    3 attempts, last: 4.7.1 mx.example.org[192.0.2.1] come back in 5 minutes
0abc123def46  held           2h      -  -       <>               bob@example.org
    held: wrong list
0abc123def47  queued (low)   2h  in 5m  direct  ann@example.net  x@example.o… +1
    in doubt: no answer to the last final dot
`);
});

test('queue list shows the first of many destinations and counts the rest', async () => {
  const admin = await adminUnderTest();
  admin.operations.entries = [entryView()];
  admin.operations.destinationViews = Array.from({ length: 25 }, (_, i) => ({
    route: 'direct',
    source: null,
    domain: `d${i}.example`,
    site: null,
    state: 'live' as const,
    entries: 1,
    connections: 0,
    next: null,
    failures: 0,
    last: null,
    suspended: null,
    quota: null,
  }));
  const { out } = await sendoff(admin, ['queue', 'list']);
  expect(out).toContain('d19.example');
  expect(out).not.toContain('d20.example');
  expect(out).toContain('… and 5 smaller destinations');
});

test('queue list with a filter shows those entries alone', async () => {
  const admin = await adminUnderTest();
  admin.operations.entries = [entryView(), entryView({ id: 'other0000000', from: '' })];
  const { out } = await sendoff(admin, ['queue', 'list', '--sender', '<>']);
  expect(out).toMatch(/^ID.*\nother0000000.*<>.*\n$/);
  expect((await sendoff(admin, ['queue', 'list', '--id', 'none'])).out).toBe(
    'nothing in the queue matches\n',
  );
});

test('queue list says when there is more, and prints JSON on request', async () => {
  const admin = await adminUnderTest();
  admin.operations.entries = [entryView(), entryView({ id: '0abc123def46' })];
  expect((await sendoff(admin, ['queue', 'list', '--limit', '1'])).out).toContain('… and more');
  const { out } = await sendoff(admin, ['queue', 'list', '--json']);
  expect(JSON.parse(out)).toMatchObject({
    totals: { queued: 2 },
    destinations: [],
    more: false,
    entries: [{ id: '0abc123def45' }, { id: '0abc123def46' }],
  });
});

test('a limit that is no number is a usage error that names it', async () => {
  const { code, err } = await sendoff(await adminUnderTest(), ['queue', 'list', '--limit', 'many']);
  expect(code).toBe(64);
  expect(err).toMatch(/^sendoff: limit: .*\n$/);
});

test('queue show tells everything about a message', async () => {
  const admin = await adminUnderTest();
  admin.operations.messages.set('0abc123def45', {
    message: {
      id: '0abc123def45',
      origin: 'client',
      arrived: Date.parse('2026-11-22T10:00:00Z'),
      from: 'ann@example.net',
      recipients: ['bob@example.org', 'done@example.org'],
      client: { address: '127.0.0.1', helo: 'laptop', listenerPort: 2525 },
      size: 4200,
      eightBit: true,
    },
    entries: [entryView({ attempts: 3, last: greylisted, site: 'google', inDoubt: true, priority: 'high' })],
    decisions: ['bob@example.org', 'ann@example.org'].map((to) => explained(to)),
  });
  const { code, out } = await sendoff(admin, ['queue', 'show', '0abc123def45']);
  expect(code).toBe(0);
  expect(out).toBe(`Message 0abc123def45
  from        ann@example.net
  recipients  2 at arrival
  arrived     2026-11-22 10:00:00Z, 2h ago
  size        4.1KB, 8-bit
  origin      client
  client      127.0.0.1 (laptop), port 2525

1 recipient
  to        bob@example.org
  state     queued
  route     direct, domain example.org
  priority  high
  site      google
  next      in 5m, 2026-11-22 12:05:00Z
  expires   in 5d, 2026-11-27 10:00:00Z
  attempts  3 counted
  in doubt  no answer to the last final dot: the receiver may have the message
  last      4.7.1 greylisted, temporary, at rcpt
  reason    come back in 5 minutes
  host      mx.example.org[192.0.2.1]
  reply     451-4.7.1 come back
            451 4.7.1 in 5 minutes ?[31mred

Policy now: rule "everything else"
  for       bob@example.org
            ann@example.org
  no        no test mail: to is not *.invalid
  yes       patience: from is ann@example.net; gives retry hourly
  yes       everything else: every mail; gives route direct, provider
  routes    direct: mx, tls opportunistic
            provider: smarthost smtp.provider.example:587, tls opportunistic, 5 connections
  fallback  on unreachable, blocked; after 2 attempts
  retry     hourly: after 1h; expires after 5d, 5 attempts at most
            greylisted: after 5m; expires after 5d
  warnings  after 4h, 1d
  site      example-org, by its domain: 10 connections, 100 messages each, 300/minute
  takes     direct: no reason to leave it
  there     backing off, 1 connection
  levels    site example-org: 3 of 5 connections open (10 at most), next in 200 ms
  shut by   4 failures: 4.7.1 mx.example.org[192.0.2.1] come back in 5 minutes
  attempt   in 5m, 2026-11-22 12:05:00Z
`);
});

test('explain asks the daemon, and tells rules, settings and how things stand', async () => {
  const admin = await adminUnderTest();
  admin.operations.policy = policy;
  admin.operations.present = explained('bob@example.org').present;
  const mail = ['explain', '--from', 'ann@example.net', '--to', 'bob@EXAMPLE.org'];
  const { code, out, err } = await sendoff(admin, mail);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain('ann@example.net to bob@example.org: rule "everything else"\n');
  expect(out).toMatch(/ {2}source +the running daemon\n/);
  expect(out).toMatch(/ {2}takes +direct: no reason to leave it\n/);
  const { out: json } = await sendoff(admin, [...mail, '--json']);
  expect(JSON.parse(json)).toMatchObject({
    source: 'daemon',
    from: 'ann@example.net',
    to: 'bob@example.org',
  });
  const offline = await sendoff(admin, [...mail, '--offline']);
  expect(offline.out).toMatch(/ {2}source +the files alone \(as --offline asks\)/);
});

test('explain asks the daemon with all that is known of the message', async () => {
  const admin = await adminUnderTest();
  admin.operations.policy = policyFrom(`rules:
  - when: { header: { Precedence: bulk, List-Id: "*" }, user: ann, client: "2001:db8::/32", size: ">=1KB" }
    hold: all of it is known
  - route: direct`);
  const facts = ['--header', 'precedence: Bulk', '--header', 'List-Id: a & b', '--user', 'ann'];
  const more = ['--client', '2001:db8::7', '--size', '1KB'];
  const mail = ['explain', '--from', '<>', '--to', 'bob@example.org'];
  expect((await sendoff(admin, [...mail, ...facts, ...more])).out).toContain('held    all of it is known');
  expect((await sendoff(admin, [...mail, ...facts])).out).toContain('open');
});

test('explain refuses what is no address, no field, no size', async () => {
  const admin = await adminUnderTest();
  const sayings = [
    ['--from', 'ann', '--to', 'b@example.org'],
    ['--from', '<>', '--to', '<>'],
    ['--from', '<>', '--to', 'b@example.org', '--size', 'big'],
    ['--from', '<>', '--to', 'b@example.org', '--client', 'localhost'],
    ['--from', '<>', '--to', 'b@example.org', '--header', 'Precedence bulk'],
  ];
  for (const saying of sayings) {
    const { code, err } = await sendoff(admin, ['explain', ...saying]);
    expect({ saying, code }).toEqual({ saying, code: 64 });
    expect(err).toMatch(/^sendoff: --\w+: .*(is no (address|IP address|field|size)|never the null sender)/);
  }
  const whole = 'from=&to=b@example.org';
  const more = ['size=1.5', 'size=-1', 'client=host', 'header=x', 'header=a:b&header=x', 'colour=red'];
  const wrong = ['from=ann&to=b@example.org', 'from=&to=b', 'from=', ...more.map((one) => `${whole}&${one}`)];
  for (const query of wrong) {
    expect((await fetch(`${admin.url}/api/explain?${query}`)).status).toBe(400);
  }
});

test('queue show of an unknown message exits 66', async () => {
  const { code, err } = await sendoff(await adminUnderTest(), ['queue', 'show', 'no/such']);
  expect({ code, err }).toEqual({ code: 66, err: 'sendoff: id: no message no/such in the queue\n' });
});

test.each([
  ['retry', [], null, '1 entry due now; 1 being delivered right now, left alone\n'],
  ['hold', ['--reason', 'asked to'], 'asked to', '1 entry held; 1 being delivered right now, left alone\n'],
  ['release', [], null, '1 entry released; 1 being delivered right now, left alone\n'],
  ['remove', [], null, '1 entry removed; 1 being delivered right now, left alone\n'],
  ['bounce', [], null, '1 entry bounced to the sender; 1 being delivered right now, left alone\n'],
])('queue %s changes what the filter names', async (what, more, reason, said) => {
  const admin = await adminUnderTest();
  admin.operations.entries = [entryView(), entryView({ state: 'delivering' })];
  const filter = ['--domain', 'Example.ORG', '--route', 'direct'];
  const { code, out } = await sendoff(admin, ['queue', what, ...filter, ...more]);
  expect({ code, out }).toEqual({ code: 0, out: said });
  expect(admin.operations.changes).toEqual([
    { what, filter: { domain: 'example.org', route: 'direct' }, reason },
  ]);
});

test('a change without a filter exits 64, whether a daemon runs or not', async () => {
  for (const what of ['retry', 'hold', 'release', 'remove', 'bounce']) {
    const { code, err } = await sendoff({ port: 1 }, ['queue', what]);
    expect(code, what).toBe(64);
    expect(err).toMatch(/^sendoff: .*whole queue.*--id, --domain.*\n$/);
  }
});

test('a change that the disk does not take exits 75', async () => {
  const admin = await adminUnderTest();
  admin.operations.failure = new SpoolError('the disk is full');
  const { code, err } = await sendoff(admin, ['queue', 'retry', '--id', 'x']);
  expect({ code, err }).toEqual({ code: 75, err: 'sendoff: the disk is full\n' });
});

test('send hands over what is piped in, or asks for a test message', async () => {
  const admin = await adminUnderTest();
  const addresses = ['--from', 'ann@example.net', '--to', 'bob@example.org', '--to', '"a b"@example.org'];
  const content = Buffer.from('Subject: x\n\nhello\n');
  const piped = await sendoff(admin, ['send', ...addresses], { piped: content });
  expect({ code: piped.code, out: piped.out }).toEqual({ code: 0, out: 'queued as 0new00000001\n' });
  const test = await sendoff(admin, ['send', ...addresses, '--route', 'drop', '--json']);
  expect(JSON.parse(test.out)).toEqual({ id: '0new00000001' });
  const envelope = { from: 'ann@example.net', to: ['bob@example.org', '"a b"@example.org'] };
  expect(admin.operations.sent).toEqual([
    { ...envelope, content },
    { ...envelope, route: 'drop' },
  ]);
});

test('send that policy refuses exits 65, one too large too', async () => {
  const admin = await adminUnderTest();
  admin.operations.refusal = '550 5.1.2 No such domain here';
  const addresses = ['send', '--from', '<>', '--to', 'bob@example.invalid'];
  expect(await sendoff(admin, addresses)).toMatchObject({
    code: 65,
    err: 'sendoff: 550 5.1.2 No such domain here\n',
  });
  expect((await sendoff(admin, addresses, { piped: Buffer.alloc(200_000, 'x') })).code).toBe(65);
});

test('reload prints the mistakes of a broken policy and exits 78', async () => {
  const admin = await adminUnderTest();
  expect(await sendoff(admin, ['reload'])).toMatchObject({ code: 0, out: 'the policy is in force\n' });
  admin.operations.problems = ['policy.yaml:3:5: one', 'policy.yaml:4:5: two'];
  expect(await sendoff(admin, ['reload'])).toMatchObject({
    code: 78,
    err: 'policy.yaml:3:5: one\npolicy.yaml:4:5: two\nsendoff: the old policy stays in force\n',
  });
});

test('without a daemon the error names address and remedy, exit 69', async () => {
  const admin = await adminUnderTest();
  await admin.close();
  const { code, err } = await sendoff(admin, ['queue', 'list']);
  expect(code).toBe(69);
  expect(err).toMatch(
    new RegExp(`^sendoff: no daemon answers at 127.0.0.1:${admin.port} .*sendoff serve.*\n$`),
  );
});

test('something else on the port is not taken for a daemon', async () => {
  const other = createServer((_request, response) => response.end('<html>hello</html>'));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void other.close());
  const { code, err } = await sendoff(other.address() as AddressInfo, ['queue', 'list']);
  expect(code).toBe(69);
  expect(err).toContain('is not Sendoff');
});

test('the token comes from the same settings; a wrong one exits 78', async () => {
  const admin = await adminUnderTest({ token: 'secret' });
  const terminal = testTerminal();
  const right = configFile(admin.port, ', token: secret');
  expect(await run(['queue', 'list', '--config', right], terminal)).toBe(0);
  const { code, err } = await sendoff(admin, ['queue', 'list']);
  expect(code).toBe(78);
  expect(err).toContain('admin.token');
});

test('suspend says what waits and until when, queue list repeats it, resume ends it', async () => {
  const admin = await adminUnderTest();
  const line = 'suspended: route provider, until 2026-11-22 14:00:00Z (in 2h): their maintenance\n';
  const words = ['suspend', '--route', 'provider', '--for', '2h', '--reason', 'their maintenance'];
  expect(await sendoff(admin, words)).toEqual({ code: 0, out: line, err: '' });
  const waiting = { reason: 'their maintenance', until: '2026-11-22T14:00:00.000Z' };
  admin.operations.entries = [entryView({ state: 'suspended', suspended: waiting })];
  const { out } = await sendoff(admin, ['queue', 'list']);
  expect(out.startsWith(line)).toBe(true);
  expect(out).toContain('    suspended until 2026-11-22 14:00:00Z: their maintenance\n');
  const json = JSON.parse((await sendoff(admin, ['queue', 'list', '--json'])).out);
  expect(json.suspensions).toMatchObject([{ route: 'provider', domain: null, ...waiting }]);
  const resumed = (route: string) => sendoff(admin, ['resume', '--route', route]);
  expect(await resumed('other')).toMatchObject({ code: 0, out: 'no suspension has these parts\n' });
  expect(await resumed('provider')).toMatchObject({ code: 0, out: '1 suspension ended\n' });
});

test.each([
  ['suspend', []],
  ['resume', []],
  ['suspend', ['--domain', 'a.example', '--for', 'ever']],
  ['suspend', ['--domain', 'a.example', '--for', '400d']],
])('%s %j is exit 64', async (command, options) => {
  const admin = await adminUnderTest();
  expect(await sendoff(admin, [command, ...options])).toMatchObject({ code: 64, out: '' });
  admin.operations.refusal = 'route: there is no route "nowhere"';
  const unknown = await sendoff(admin, ['suspend', '--route', 'nowhere']);
  expect(unknown).toMatchObject({ code: 64, err: expect.stringContaining('no route "nowhere"') });
});

test('queue reroute says how many take the route, and whose copies may come twice', async () => {
  const admin = await adminUnderTest();
  admin.operations.entries = [entryView(), entryView({ inDoubt: true }), entryView({ state: 'delivering' })];
  const argv = ['queue', 'reroute', '--domain', 'example.org', '--to', 'provider'];
  expect(await sendoff(admin, argv)).toEqual({
    code: 0,
    out: `2 entries sent by provider from now on; 1 being delivered right now, left alone
1 entry was in doubt: the recipients may get a second copy
`,
    err: '',
  });
  expect(admin.operations.rerouted).toEqual([{ to: 'provider', filter: { domain: 'example.org' } }]);
  admin.operations.refusal = 'to: there is no route "provider"';
  expect(await sendoff(admin, argv)).toMatchObject({ code: 64, err: expect.stringContaining('no route') });
  expect(await sendoff(admin, ['queue', 'reroute', '--to', 'provider'])).toMatchObject({ code: 64 });
  expect(await sendoff(admin, ['queue', 'reroute', '--id', 'x'])).toMatchObject({ code: 64 });
});

test('queue show tells by which decision each of the last attempts was made', async () => {
  const admin = await adminUnderTest();
  const at = '2026-11-22T10:00:00.000Z';
  const attempted = [
    { at, rule: 'all', route: 'direct', reason: 'first in the list' },
    { at, rule: 'all', route: 'provider', reason: 'fallback from direct: blocked, for good' },
  ];
  const message = { id: '0abc123def45', origin: 'client', arrived: 0, from: '', recipients: ['a@b.example'] };
  const view = { message: { ...message, size: 1, eightBit: false }, entries: [entryView({ attempted })] };
  admin.operations.messages.set('0abc123def45', { ...view, decisions: [] } as never);
  const { code, out } = await sendoff(admin, ['queue', 'show', '0abc123def45']);
  expect(code).toBe(0);
  expect(out).toMatch(/decided +2026-11-22 10:00:00Z by direct, rule "all": first in the list\n/);
  expect(out).toContain(' by provider, rule "all": fallback from direct: blocked, for good\n');
});
