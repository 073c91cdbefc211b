// The story of one message under given replies: times, routes, warnings, and every way in which it ends.
import { expect, test } from 'vitest';
import { simulate } from '../../../src/operations/simulate.ts';
import { parseReplies } from '../../../src/operations/simulated-replies.ts';
import { policyFrom } from '../../harness/policy.ts';
import { ARRIVED, DAY, HOUR, MINUTE } from '../queue/setting.ts';

const POLICY = `
routes:
  provider: { via: smarthost, hosts: [smtp.example], auth: { user: relay, password: secret } }
  trash: { via: discard }
rules:
  - { name: refused, when: { to: "*.invalid" }, reject: { text: No such domain } }
  - { name: load, when: { from: load@* }, route: trash }
  - { name: reports, when: { from: "<>" }, retry: { after: 6h, expire: 1d } }
  - { name: rest, route: [direct, provider] }
`;

function story(replies: string, { policy = POLICY, from = 'a@example.net', to = 'b@example.org' } = {}) {
  const said = parseReplies(replies);
  if ('wrong' in said) throw new Error(said.wrong);
  return simulate(policyFrom(policy), { from, to }, said, ARRIVED);
}

/** Each step in one line: minutes after the arrival, and what happened. */
function told(replies: string, options: Parameters<typeof story>[1] = {}): string[] {
  const { steps, ended } = story(replies, options);
  expect(ended).toBe(true);
  return steps.map((step) => {
    const at = (step.at - ARRIVED) / MINUTE;
    if (step.what === 'attempt') return `${at} ${step.route} ${step.reply} ${step.result} ${step.attempts}`;
    return step.what === 'fallback' ? `${at} to ${step.to}: ${step.reason}` : `${at} ${step.what}`;
  });
}

test('attempts follow the schedule, a delivery ends the story', () => {
  expect(told('451,450,250')).toEqual([
    '0 direct 451 deferred 1',
    '1 direct 450 deferred 2',
    '6 direct 250 delivered 3',
  ]);
});

test('by a route with softBounce the story of a refusal goes on', () => {
  const policy = 'routes: { direct: { via: mx, softBounce: true } }\nretry: { default: { warn: [] } }';
  const { steps } = story("'550 5.1.1 unknown','550 5.1.1 unknown',250", { policy });
  expect(steps).toMatchObject([
    { at: ARRIVED, result: 'deferred', soft: true, next: ARRIVED + MINUTE },
    { at: ARRIVED + MINUTE, result: 'deferred', soft: true, next: ARRIVED + 6 * MINUTE },
    { at: ARRIVED + 6 * MINUTE, result: 'delivered', soft: false },
  ]);
  const [first, second] = story('556,250', { policy }).steps;
  expect(first, 'a domain that takes no mail').toMatchObject({ soft: true, next: ARRIVED + MINUTE });
  expect(second).toMatchObject({ at: ARRIVED + MINUTE, result: 'delivered' });
});

test('a time that a reply names comes in the place of the schedule', () => {
  const waits = told("'451 4.7.1 Greylisted, try again in 5 minutes','421 4.7.0 Busy, wait 30 minutes',250");
  expect(waits.map((step) => step.split(' ')[0])).toEqual(['0', '5.25', '36.75']);
  expect(told("'450 4.2.0 Greylisted for 300 seconds, retry after 300',250", { from: '' })[1]).toMatch(
    /^5.25 /,
  );
});

test('a window puts attempts off, and what a rule holds by day is let go at night', () => {
  const window = 'window: { hours: 12:00-13:00, zone: UTC }, route: direct';
  expect(told('451,250', { policy: `rules: [{ retry: { after: [2h], warn: [3h] }, ${window} }]` })).toEqual([
    '120 direct 451 deferred 1',
    '300 warning',
    '1560 direct 250 delivered 2',
  ]);
  const days =
    'rules: [{ when: { time: { hours: 06:00-22:00, zone: UTC } }, hold: night }, { route: direct }]';
  expect(told('451,250', { policy: days })).toEqual([
    '0 held',
    '720 let-go',
    '720 direct 451 deferred 1',
    '720 warning',
    '721 direct 250 delivered 2',
  ]);
  expect(told('250', { policy: 'rules: [{ name: no, hold: never }]' })).toEqual(['0 held']);
});

test('what closes the door moves the message to its fallback once it happened often enough', () => {
  expect(told('timeout,refused,250')).toEqual([
    '0 direct timeout deferred 1',
    '1 direct refused deferred 2',
    '1 to provider: fallback from direct: unreachable, 2 times',
    '1 provider 250 delivered 3',
  ]);
  expect(told("'554 5.7.1 blocked using zen.spamhaus.org, sorry',250")).toEqual([
    '0 direct 554 5.7.1 blocked using zen.spamhaus.org, sorry deferred 1',
    '0 to provider: fallback from direct: blocked, for good',
    '0 provider 250 delivered 2',
  ]);
});

test('an unknown user bounces at once; a login that is refused is not counted and never bounces', () => {
  expect(told("'550 5.1.1 unknown'")).toEqual(['0 direct 550 5.1.1 unknown bounced 1']);
  expect(told('535,535,250', { policy: POLICY.replace('[direct, provider]', 'provider') })).toEqual([
    '0 provider 535 deferred 0',
    '1 provider 535 deferred 0',
    '6 provider 250 delivered 1',
  ]);
});

test('a lost answer pauses ten minutes and keeps the route', () => {
  expect(told('lost,lost,lost,250').map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
    '0 direct lost',
    '10 direct lost',
    '20 direct lost',
    '30 direct 250',
  ]);
});

test('the last reply repeats to the end: warnings on the way, the last attempt when the time is up', () => {
  const { steps, ended } = story('451');
  expect(ended).toBe(true);
  expect(steps.filter(({ what }) => what === 'warning').map(({ at }) => at - ARRIVED)).toEqual([
    4 * HOUR,
    DAY,
  ]);
  expect(steps.at(-1)).toMatchObject({
    at: ARRIVED + 5 * DAY,
    what: 'attempt',
    result: 'expired',
    next: null,
  });
  expect(told('450', { from: '' })).toEqual([
    '0 direct 450 deferred 1',
    '360 direct 450 deferred 2',
    '720 direct 450 deferred 3',
    '1080 direct 450 deferred 4',
    '1440 direct 450 expired 5',
  ]);
});

test('a closed door that outlasts the time to expire leaves no last attempt', () => {
  const policy = 'retry: { default: { after: 1d, expire: 1h, warn: [30m] } }\nrules: [{ route: direct }]';
  expect(told('timeout', { policy })).toEqual(['0 direct timeout deferred 1', '30 warning', '420 expired']);
});

test('what is rejected or discarded makes no attempt', () => {
  expect(story('250', { to: 'x@some.invalid' }).steps).toMatchObject([
    { what: 'rejected', rule: 'refused', reply: { code: 550, text: 'No such domain' } },
  ]);
  expect(told('250', { from: 'load@example.net' })).toEqual(['0 discarded']);
});

test('a fallback that discards ends the story', () => {
  const policy = POLICY.replace('[direct, provider]', '[direct, trash]');
  expect(told('timeout', { policy })).toEqual([
    '0 direct timeout deferred 1',
    '1 direct timeout discarded 2',
  ]);
});

test('a schedule of thousands of attempts is cut off', () => {
  const { steps, ended } = story('451', { policy: 'retry: { default: { after: 1m } }' });
  expect({ steps: steps.length, ended }).toEqual({ steps: 1000, ended: false });
});

test.each([
  [
    "450 4.2.1 busy,'550 no, never',\"451 'soon'\", 250",
    ['450 4.2.1 busy', '550 no, never', "451 'soon'", '250'],
  ],
  ['timeout , refused,dns,lost', ['timeout', 'refused', 'dns', 'lost']],
])('replies: %s', (text, expected) => {
  const said = parseReplies(text);
  expect('wrong' in said ? said : said.map((one) => one.text)).toEqual(expected);
});

test.each([
  ['', ''],
  ['451,,250', ',250'],
  ['451,later', 'later'],
  ['354', '354'],
  ['99', '99'],
  ["'450 busy", "'450 busy"],
])('no replies: %s', (text, wrong) => {
  expect(parseReplies(text)).toEqual({ wrong });
});

test('the story is that of the recipient that mail comes to have; copies have their own', () => {
  const policy = `
rewrite: { recipients: { team@example.org: [ann@moved.example, bob@example.org] } }
rules:
  - { when: any, copy: all@archive.example }
  - { name: moved, when: { to: moved.example }, redirect: x@gone.invalid }
  - { name: no, when: { to: "*.invalid" }, reject: { text: No such domain } }
  - { name: gone, when: { to: gone.example }, discard: true }`;
  expect(story('250', { policy, to: 'team@example.org' })).toMatchObject({
    rule: 'no',
    steps: [{ what: 'rejected', reply: { text: 'No such domain' } }],
  });
  expect(told('451,250', { policy })).toEqual(['0 direct 451 deferred 1', '1 direct 250 delivered 2']);
  expect(story('250', { policy, to: 'b@gone.example' })).toMatchObject({
    rule: 'gone',
    steps: [{ what: 'discarded', route: null }],
  });
});

test('a block is told from address to address, and then as the fallback', () => {
  const policy =
    'routes: { direct: { via: mx, sources: [{ address: 192.0.2.10 }, { address: 192.0.2.11 }] } }\nrules: [{ route: direct }]';
  const [first, moved, second, ...end] = told("'550 5.7.1 on the block list of spamhaus'", { policy });
  expect([first, second, ...end]).toEqual([
    expect.stringMatching(/^0 direct .* deferred 1$/),
    expect.stringMatching(/^0 direct .* bounced 2$/),
  ]);
  expect(moved).toMatch(/^0 to direct@192\.0\.2\.1[01]: .*; from 192\.0\.2\.1[01]: .* is blocked there/);
});
