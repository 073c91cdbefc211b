// What attempts mean for their entries: every recipient ends in one verdict, and where the rest waits.
import { expect, test } from 'vitest';
import type { Failure } from '../../../src/delivery/failure.ts';
import type { QueueEntry } from '../../../src/queue/entry.ts';
import {
  isSoftBounce,
  type RecipientOutcome,
  type SettleContext,
  settle,
} from '../../../src/queue/settle.ts';
import { ARRIVED, DAY, entry, failure, HOUR, MINUTE, message, settling } from './setting.ts';

const ORG = ['a@example.org', 'b@example.org', 'c@example.org', 'd@example.org'];
const FALLBACK = 'rules: [{ when: any, route: [direct, drop], fallback: { on: any, after: 2 } }]';
const withDrop = `routes: { drop: { via: smarthost, hosts: [provider.example] } }\n${FALLBACK}`;

const delivered: RecipientOutcome = { kind: 'delivered', reply: '250 ok' };
const failed = (changes: Partial<Failure> = {}): RecipientOutcome => ({
  kind: 'failed',
  failure: failure(changes),
});

/** One recipient, one failure: what is put back. */
function after(one: RecipientOutcome, context: SettleContext, before: Partial<QueueEntry> = {}) {
  return settle(entry(1, before), message(ORG.slice(0, 1)), new Map([[0, one]]), context);
}

test('each recipient has its own end, and those that fared alike wait together', () => {
  const outcomes = new Map([
    [0, delivered],
    [1, failed()],
    [2, failed({ permanent: true, class: 'unknown-user', status: '5.1.1' })],
    [3, failed()],
  ]);
  const { verdicts, put, ended } = settle(entry(4), message(ORG), outcomes, settling('rules: []'));
  expect(verdicts.map(({ kind }) => kind)).toEqual(['delivered', 'deferred', 'bounced', 'deferred']);
  expect(put).toMatchObject([
    { seq: 1, recipients: [1, 3], attempts: 1, routeAttempts: 1, due: ARRIVED + 2 * MINUTE },
  ]);
  expect(ended).toEqual({ delivered: 1, bounced: 1 });
});

test('recipients of different classes wait in entries of their own', () => {
  const outcomes = new Map([
    [0, failed()],
    [1, failed({ class: 'mailbox-full' })],
  ]);
  const context = settling('retry: { default: { classes: { mailbox-full: { after: [12h], expire: 2d } } } }');
  const { put } = settle(entry(2), message(ORG.slice(0, 2)), outcomes, context);
  expect(put.map(({ seq, recipients, due, expires }) => ({ seq, recipients, due, expires }))).toEqual([
    { seq: 0, recipients: [0], due: context.now + MINUTE, expires: ARRIVED + 5 * DAY },
    { seq: 1, recipients: [1], due: context.now + 12 * HOUR, expires: ARRIVED + 2 * DAY },
  ]);
});

test('hints of different times wait in entries of their own, those of one minute together for the later', () => {
  const greylisted = (retryAfter: number) => failed({ class: 'greylisted', retryAfter });
  const outcomes = new Map([
    [0, greylisted(298_000)],
    [1, greylisted(300_000)],
    [2, greylisted(2 * HOUR)],
  ]);
  const context = settling('rules: []', { random: () => 0 });
  const { put } = settle(entry(3), message(ORG.slice(0, 3)), outcomes, context);
  expect(put.map(({ recipients, due }) => ({ recipients, due }))).toEqual([
    { recipients: [0, 1], due: context.now + 300_000 },
    { recipients: [2], due: context.now + 2 * HOUR },
  ]);
});

test('a recipient that the attempt did not come to waits and is charged nothing', () => {
  const { verdicts, put } = settle(entry(1), message(ORG.slice(0, 1)), new Map(), settling('rules: []'));
  expect(verdicts).toHaveLength(1);
  expect(put).toMatchObject([{ attempts: 0, last: { text: 'the attempt ended before this recipient' } }]);
});

test.each([
  { what: 'our own trouble', changes: { ours: true }, attempts: 3 },
  { what: 'a stop', changes: { ours: true, aborted: true }, attempts: 3 },
  { what: 'an answer', changes: {}, attempts: 4 },
])('$what leaves $attempts attempts', ({ changes, attempts }) => {
  const { put } = after(failed(changes), settling('rules: []'), { attempts: 3, routeAttempts: 3 });
  expect(put).toMatchObject([{ attempts, routeAttempts: attempts }]);
});

test('a stop before the dot leaves the mail due at once, and an older doubt as it was', () => {
  const doubt = { count: 2, since: ARRIVED, cause: 'connection-lost' } as const;
  const context = settling('rules: []');
  const { put } = after(failed({ ours: true, aborted: true }), context, { doubt });
  expect(put).toMatchObject([{ due: context.now, doubt }]);
});

test('mail is given up when its time is up, or its attempts', () => {
  const late = settling('rules: []', { now: ARRIVED + 5 * DAY });
  expect(after(failed(), late)).toMatchObject({
    verdicts: [{ kind: 'expired' }],
    put: [],
    ended: { expired: 1 },
  });
  const thrice = settling('retry: { default: { attempts: 3 } }');
  expect(after(failed(), thrice, { attempts: 2 }).ended).toEqual({ expired: 1 });
  expect(after(failed(), thrice, { attempts: 1 }).ended).toEqual({});
});

test('a lost answer after the dot: not before 10 minutes, by the same route, counted until a clear answer', () => {
  const context = settling(withDrop);
  const lost = failed({ scope: 'message', class: 'unreachable', phase: 'final-dot', inDoubt: true });
  const first = after(lost, context, { routeAttempts: 5 }).put[0];
  expect(first).toMatchObject({
    destination: 'direct example.org',
    due: context.now + 10 * MINUTE,
    doubt: { count: 1, cause: 'connection-lost' },
  });
  expect(after(lost, context, first).put[0]?.doubt?.count).toBe(2);
  expect(after(failed({ class: 'greylisted' }), context, first).put[0]).not.toHaveProperty('doubt');
});

test('a stop after the dot is a doubt like any other', () => {
  const context = settling('rules: []');
  const { put } = after(failed({ ours: true, aborted: true, inDoubt: true }), context);
  expect(put).toMatchObject([{ due: context.now + 10 * MINUTE, doubt: { count: 1 } }]);
});

test('the fallback takes over at once, with a count of its own, also where a refusal is for good', () => {
  const context = settling(withDrop);
  const moved = { destination: 'drop', routeAttempts: 0, attempts: 3, due: context.now };
  expect(after(failed({ class: 'blocked' }), context, { attempts: 2, routeAttempts: 1 }).put).toMatchObject([
    moved,
  ]);
  const refused = failed({ class: 'blocked', permanent: true, status: '5.7.1' });
  expect(after(refused, context, { attempts: 2 })).toMatchObject({ put: [moved], ended: {} });
  expect(after(refused, context, { destination: 'drop' }).ended).toEqual({ bounced: 1 });
});

test('a user who does not exist bounces, whatever fallback there is', () => {
  const refused = failed({ class: 'unknown-user', permanent: true, status: '5.1.1' });
  expect(after(refused, settling(withDrop)).ended).toEqual({ bounced: 1 });
});

test('what policy rejects by now is held, what it discards has ended', () => {
  const held = after(failed(), settling('rules: [{ name: no, when: any, reject: { text: Go away } }]'));
  expect(held.put).toMatchObject([
    { hold: { by: 'policy', reason: 'rule "no" would now reject it: Go away' } },
  ]);
  const nowhere = settling('routes: { drop: { via: discard } }\nrules: [{ when: any, route: drop }]');
  expect(after(failed(), nowhere)).toMatchObject({
    put: [],
    ended: { discarded: 1 },
    verdicts: [{ route: 'drop' }],
  });
});

test('trouble of our own is no attempt: an older doubt stays, and with it the route', () => {
  const doubt = { count: 2, since: ARRIVED - HOUR, cause: 'connection-lost' } as const;
  const ours = failed({ scope: 'host', class: 'unreachable', ours: true });
  const context = settling(withDrop);
  const { put } = after(ours, context, { doubt, attempts: 1, routeAttempts: 5 });
  expect(put).toMatchObject([{ destination: 'direct example.org', attempts: 1, doubt }]);
  expect(put[0]?.due).toBe(context.now + MINUTE);
  expect(after(failed({ class: 'protocol' }), context, { doubt, routeAttempts: 5 }).put).toMatchObject([
    { destination: 'drop' },
  ]);
});

test('recipients whose attempts differ do not share an entry', () => {
  const outcomes = new Map([
    [0, failed({ ours: true })],
    [1, failed()],
  ]);
  const { put } = settle(
    entry(2, { attempts: 1 }),
    message(ORG.slice(0, 2)),
    outcomes,
    settling('rules: []'),
  );
  expect(put.map(({ recipients, attempts }) => ({ recipients, attempts }))).toEqual([
    { recipients: [0], attempts: 1 },
    { recipients: [1], attempts: 2 },
  ]);
});

const softly = (rules: string): string =>
  `routes: { direct: { via: mx, softBounce: true }, drop: { via: smarthost, hosts: [provider.example] } }\n${rules}`;
const refused = failed({ permanent: true, class: 'blocked', status: '5.7.1' });

test('by a route with softBounce a refusal for good waits as a temporary one, until it expires', () => {
  const context = settling(softly('rules: [{ when: any, route: direct }]'));
  const unknown = failed({ permanent: true, class: 'unknown-user', status: '5.1.1' });
  const { verdicts, put, ended } = after(unknown, context);
  expect(put).toMatchObject([
    { attempts: 1, due: context.now + MINUTE, expires: ARRIVED + 5 * DAY, last: { status: '5.1.1' } },
  ]);
  expect(ended).toEqual({});
  expect(verdicts.map((one) => one.kind === 'deferred' && isSoftBounce(one, entry(1)))).toEqual([true]);
  const late = { ...context, now: ARRIVED + 5 * DAY };
  expect(after(unknown, late).ended).toEqual({ expired: 1 });
  expect(after(unknown, settling('rules: []')).ended, 'by any other route it bounces').toEqual({
    bounced: 1,
  });
});

test('a fallback goes before softBounce, and the last route of the list keeps to its own', () => {
  const rules = 'rules: [{ when: any, route: [direct, drop], fallback: { on: blocked } }]';
  const context = settling(softly(rules));
  const { verdicts, put } = after(refused, context);
  expect(put).toMatchObject([{ destination: 'drop', due: context.now }]);
  expect(verdicts.map((one) => one.kind === 'deferred' && isSoftBounce(one, entry(1)))).toEqual([false]);
  expect(after(refused, context, { destination: 'drop' }).ended).toEqual({ bounced: 1 });
});
