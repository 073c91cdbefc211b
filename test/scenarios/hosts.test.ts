// From a domain to a host that takes the mail: DNS answers, MX order, faults at every step of the dialogue.
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type LogLine, type Sendoff, sendoffForFile } from '../harness/sendoff.ts';
import { close, dropRecorded, hang, type Peer, type Point, reset, type Step } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const network = networkForFile();
const daemon = sendoffForFile(() => ({
  dns: network().dns,
  mxPort: network().mxPort,
  policy: {
    routes: { provider: { via: 'smarthost', hosts: ['127.0.0.1:9'] } },
    rules: [
      { when: { to: '*.doubt.test' }, route: ['direct', 'provider'], fallback: { on: 'any', after: 1 } },
      { when: 'any', route: 'direct' },
    ],
  },
}));

test.each<{ what: string; script: Partial<Record<Point, Step>> | null }>([
  { what: 'refuses the connection', script: null },
  { what: 'greets with 554', script: { greeting: '554 No SMTP service here' } },
  { what: 'greets with 421', script: { greeting: '421 4.3.2 Shutting down' } },
  { what: 'refuses EHLO and HELO', script: { ehlo: '550 No', helo: '550 No' } },
  { what: 'closes at MAIL', script: { mail: close } },
])('the second MX gets the mail in the same attempt when the first $what', async ({ script }) => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const broken = network().address();
  if (script) await network().peer({ address: broken, script });
  const second = await network().peer({ address: network().address() });
  const domain = network().name();
  network().domain(domain, broken, second.address);
  const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(second.messages).toHaveLength(1);
  expect(await sendoff.about(id, 'attempt')).toMatchObject([
    { result: 'delivered', host: `mx2.${domain}`, ip: second.address, attempt: 1 },
  ]);
});

test.each<{ what: string; status: string; set: (domain: string) => void }>([
  {
    what: 'a null MX',
    status: '5.1.10',
    set: (domain) => network().dns.set(domain, { mx: [[0, '.']] }),
  },
  { what: 'a domain that does not exist', status: '5.1.2', set: () => undefined },
  {
    what: 'MX hosts with forbidden addresses alone',
    status: '5.4.4',
    set: (domain) => network().domain(domain, '10.0.0.1', '192.168.7.7'),
  },
  {
    what: 'ourselves as the best MX',
    status: '5.4.6',
    set: (domain) => network().dns.set(domain, { mx: [[5, 'relay.example.net']] }),
  },
])('$what is told to the sender at once, $status', async ({ status, set }) => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const domain = network().name();
  set(domain);
  const from = network().sender();
  const id = await sendoff.send({ from, to: `ann@${domain}` });
  await ledger.shows({ accepted: 2, bounced: 1, delivered: 1 });
  const { recipients } = await network().report(from);
  expect(recipients[0]?.get('status')).toBe(status);
  expect(await sendoff.about(id, 'attempt')).toMatchObject([
    { result: 'bounced', class: 'dns', host: expect.toSatisfy(isHost) },
  ]);
});

const isHost = (host: unknown): boolean => host === null || String(host).startsWith('mx');

test('MX hosts that are no better than ourselves are left out', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const [better, worse] = [await network().peer(), await network().peer()];
  const domain = network().name();
  network().domain(domain, better.address, better.address, worse.address);
  network().dns.set(domain, {
    mx: [
      [10, `mx1.${domain}`],
      [20, 'relay.example.net'],
      [30, `mx3.${domain}`],
    ],
  });
  better.setScript({ greeting: ['421 4.3.2 Not now'] });
  const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  const [deferred] = await sendoff.about(id, 'deferred');
  await sendoff.advanceTo(deferred?.next);
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect([better.messages.length, worse.connectionsSeen]).toEqual([1, 0]);
});

test('without MX records the address of the domain is its host', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const peer = await network().peer();
  const domain = network().name();
  network().dns.set(domain, { a: [peer.address] });
  await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(peer.messages).toHaveLength(1);
});

test.each([
  { what: 'SERVFAIL', entry: { rcode: 'SERVFAIL' } },
  { what: 'silence', entry: { drop: true } },
] as const)('$what of the DNS defers, and the mail goes when it answers', async ({ entry }) => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  const records = { mx: [[10, `mx1.${domain}`]] } as const;
  network().dns.set(domain, entry);
  const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  await until('a question', () => network().dns.count(domain) > 0);
  const deferred = await until('the end of patience', async () => {
    await sendoff.advance(SECOND);
    return sendoff.soFar(id, 'deferred')[0];
  });
  expect(deferred).toMatchObject({ class: 'dns', status: '4.4.3' });
  network().dns.set(domain, records);
  await sendoff.advanceTo(deferred.next);
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(peer.messages).toHaveLength(1);
});

const phases = ['greeting', 'ehlo', 'mail', 'rcpt', 'data', 'body', 'dot'] as const;
const faults: Readonly<Record<string, Step>> = { close, reset, hang, garbage: 'HTTP/1.1 400 Bad Request' };
/** RFC 5321 §4.5.3.2; before the greeting, the route's connectTimeout. */
const patience = { greeting: 1, ehlo: 5, mail: 5, rcpt: 5, data: 2, body: 10, dot: 10 } as const;

interface Victim {
  readonly id: string;
  readonly phase: (typeof phases)[number];
  readonly fault: string;
  readonly peer: Peer;
}

async function victims(sendoff: Sendoff): Promise<Victim[]> {
  const made: Victim[] = [];
  for (const phase of phases) {
    for (const [fault, step] of Object.entries(faults)) {
      // An answer to EHLO that is none is followed by HELO, as old servers need it.
      const script = { [phase]: [step], ...(phase === 'ehlo' && fault === 'garbage' && { helo: [step] }) };
      const { peer, domain } = await network().receiver({ script });
      const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
      made.push({ id, phase, fault, peer });
    }
  }
  return made;
}

/** What the first attempt came to; a small message is written with its dot, so body and dot are in doubt. */
function expectedOf({ phase, fault }: Victim): Partial<LogLine> {
  const doubtful = phase === 'body' || phase === 'dot';
  return {
    attempt: 1,
    class: fault === 'garbage' ? 'protocol' : 'unreachable',
    result: doubtful ? 'in-doubt' : 'deferred',
  };
}

/** Some minutes, unless a transaction is under way that would lose them; true when nothing is queued. */
async function passTime(sendoff: Sendoff): Promise<boolean> {
  const { entries } = (await sendoff.api('/api/queue')) as { entries: { state: string }[] };
  if (!entries.some(({ state }) => state === 'delivering')) await sendoff.advance(3 * MINUTE);
  return entries.length === 0;
}

test('whatever a peer does at whatever step, the mail waits and is delivered at last', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const all = await victims(sendoff);
  const [hung, quick] = [
    all.filter(({ fault }) => fault === 'hang'),
    all.filter(({ fault }) => fault !== 'hang'),
  ];
  const outcomes = await Promise.all(quick.map(({ id }) => sendoff.about(id, 'attempt')));
  expect(outcomes.map(([line]) => line)).toMatchObject(quick.map(expectedOf));

  const start = sendoff.now;
  for (const minutes of [1, 2, 5, 10]) {
    const due = hung.filter(({ phase }) => patience[phase] === minutes);
    const attempts = (): LogLine[] => due.flatMap(({ id }) => sendoff.soFar(id, 'attempt').slice(0, 1));
    await sendoff.advance(start + minutes * MINUTE - 20 * SECOND - sendoff.now);
    await sendoff.api('/api/totals');
    expect(attempts()).toEqual([]);
    await until(`the end of ${minutes} minutes`, async () => {
      await sendoff.advance(5 * SECOND);
      return attempts().length === due.length;
    });
    expect(attempts()).toMatchObject(due.map(expectedOf));
  }
  await until('the queue to empty', () => passTime(sendoff));
  await ledger.shows({ accepted: all.length, delivered: all.length });
  // A peer that babbles into the content and takes it all the same: the copy that doubt allows.
  const twice = all.filter(({ phase, fault }) => phase === 'body' && fault === 'garbage');
  expect(all.filter(({ peer }) => peer.messages.length > 1)).toEqual(twice);
});

test('a peer that drops after the dot: the same route, not before 10 minutes, the third in a row alarms', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver({}, 'doubt.test');
  peer.setScript({ dot: [dropRecorded, dropRecorded, dropRecorded] });
  const id = await sendoff.send({ from: network().sender(), to: `ann@${domain}` });
  for (const nth of [1, 2, 3]) {
    const deferred = (await sendoff.about(id, 'deferred', nth))[nth - 1];
    const pause = Date.parse(String(deferred?.next)) - Date.parse(String(deferred?.time));
    expect(pause).toBeGreaterThanOrEqual(10 * MINUTE - SECOND);
    const { entries } = (await sendoff.api(`/api/queue?id=${id}`)) as { entries: object[] };
    expect(entries).toMatchObject([{ route: 'direct', inDoubt: true }]);
    const alarms = sendoff.events('alarm').filter(({ alarm }) => alarm === 'doubt');
    expect(alarms).toHaveLength(nth === 3 ? 1 : 0);
    await sendoff.advanceTo(deferred?.next);
  }
  await ledger.shows({ accepted: 1, delivered: 1 });
  const attempts = await sendoff.about(id, 'attempt', 4);
  expect(attempts.map(({ result, route }) => `${result} ${route}`)).toEqual([
    ...Array.from({ length: 3 }, () => 'in-doubt direct'),
    'delivered direct',
  ]);
  expect(peer.messages).toHaveLength(4);
});
