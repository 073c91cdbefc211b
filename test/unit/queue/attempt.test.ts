// One attempt over sessions of the test's own: which host, how many transactions, what a stop does.
import { expect, test } from 'vitest';
import type { Failure } from '../../../src/delivery/failure.ts';
import type { Outgoing, RecipientResult, Session, TransactionResult } from '../../../src/delivery/session.ts';
import { attempt, type Link } from '../../../src/queue/attempt.ts';
import { settle } from '../../../src/queue/settle.ts';
import type { Claim } from '../../../src/spool/spool.ts';
import { MovableClock } from '../../harness/clock.ts';
import { entry, failure, message, settling } from './setting.ts';

const RECIPIENTS = ['a@example.org', 'b@example.org', 'c@example.org'];
const delivered: RecipientResult = { kind: 'delivered', reply: '250 ok' };
const next: RecipientResult = { kind: 'next-transaction' };
const refused: RecipientResult = { kind: 'failed', failure: failure() };
const hostFailure = failure({ scope: 'host', class: 'unreachable', ip: '192.0.2.1' });
const lost: RecipientResult = { kind: 'failed', failure: hostFailure };

type Answer =
  | Partial<TransactionResult>
  | ((mail: Outgoing, signal: AbortSignal) => Promise<TransactionResult>);

const result = (answer: Partial<TransactionResult>): TransactionResult => ({
  results: [],
  hostFailure: null,
  stale: false,
  transferMs: 1,
  ...answer,
});

/** A session that answers one transaction after the other; `asked` sees what each was for. */
function session(answers: readonly Answer[], asked: string[][]): Session {
  let transactions = 0;
  return {
    target: { host: 'mx.example.org', address: '192.0.2.1', port: 25, implicitTls: false },
    source: '192.0.2.99',
    tls: null,
    connectMs: 1,
    get transactions() {
      return transactions;
    },
    usable: true,
    async send(mail, signal) {
      asked.push([...mail.recipients]);
      const answer = answers[transactions++] ?? {};
      return typeof answer === 'function' ? answer(mail, signal) : result(answer);
    },
    close: async () => undefined,
  };
}

const exhausted: Failure = failure({ scope: 'destination', class: 'unreachable', text: 'no host is left' });

function setting(...sessions: readonly (readonly Answer[])[]) {
  const asked: string[][] = [];
  const noted: Failure[] = [];
  const opened = sessions.map((answers) => session(answers, asked));
  const link: Link = {
    session: null,
    plan: { kind: 'hosts', bestMx: [], hosts: [] },
    approach: () => ({
      next: async () => {
        const one = opened.shift();
        return one ? { session: one } : { failure: exhausted };
      },
      note: (one) => void noted.push(one),
    }),
    opened: () => undefined,
    again: async () => true,
  };
  const claim: Claim = {
    entry: entry(3),
    message: message(RECIPIENTS),
    dotSent: () => undefined,
    body: async () => ({ kind: 'buffer', data: Buffer.from('x') }),
    release: () => undefined,
  };
  const stop = new AbortController();
  const limits = { clock: new MovableClock(), stopping: stop.signal, shutdownTimeout: 5000 };
  const kinds = async (): Promise<string[]> => {
    const { outcomes } = await attempt(claim, link, limits);
    return [0, 1, 2].map((index) => {
      const outcome = outcomes.get(index);
      if (!outcome) return 'nothing';
      return outcome.kind === 'delivered' ? 'delivered' : outcome.failure.class;
    });
  };
  return { asked, noted, link, claim, limits, stop, kinds };
}

test('recipients that the peer puts off go in further transactions on the same connection', async () => {
  const { kinds, asked, link } = setting([
    { results: [delivered, next, next] },
    { results: [refused, delivered] },
  ]);
  expect(await kinds()).toEqual(['delivered', 'unknown', 'delivered']);
  expect(asked).toEqual([RECIPIENTS, RECIPIENTS.slice(1)]);
  expect(link.session).not.toBeNull();
});

test('a further transaction waits for its turn; without one the others wait, and nobody is charged', async () => {
  const { claim, link, limits, asked } = setting([{ results: [delivered, next, next] }]);
  const { outcomes } = await attempt(claim, { ...link, again: async () => false }, limits);
  expect(asked).toEqual([RECIPIENTS]);
  const { put } = settle(claim.entry, claim.message, outcomes, settling('rules: [{ route: direct }]'));
  expect(put).toMatchObject([{ recipients: [1, 2], attempts: 0, due: settling('').now }]);
});

test('a peer that always asks for another transaction and takes nobody ends the attempt', async () => {
  const { kinds, asked } = setting([{ results: [delivered, next, next] }, { results: [next, next] }]);
  expect(await kinds()).toEqual(['delivered', 'protocol', 'protocol']);
  expect(asked).toHaveLength(2);
});

test('a host that fails is noted and the next one asked, for those without an answer alone', async () => {
  const { kinds, asked, noted } = setting(
    [{ results: [refused, lost, lost], hostFailure }],
    [{ results: [delivered, delivered] }],
  );
  expect(await kinds()).toEqual(['unknown', 'delivered', 'delivered']);
  expect(asked).toEqual([RECIPIENTS, RECIPIENTS.slice(1)]);
  expect(noted).toEqual([hostFailure]);
});

test('what is in doubt is asked of no other host', async () => {
  const doubtful: RecipientResult = { kind: 'failed', failure: { ...hostFailure, inDoubt: true } };
  const { kinds, asked } = setting([{ results: [doubtful, doubtful, doubtful], hostFailure }], [{}]);
  expect(await kinds()).toEqual(['unreachable', 'unreachable', 'unreachable']);
  expect(asked).toHaveLength(1);
});

test('when no host is left, all that have no answer fail with what the hosts failed with', async () => {
  const { kinds, link } = setting([{ results: [delivered, lost, lost], hostFailure }]);
  expect(await kinds()).toEqual(['delivered', 'unreachable', 'unreachable']);
  expect(link.session).toBeNull();
});

test('a connection that was closed while idle is replaced, and nobody has failed', async () => {
  const ok = { results: [delivered, delivered, delivered] };
  const { kinds, asked, noted } = setting([{ stale: true }], [ok]);
  expect(await kinds()).toEqual(['delivered', 'delivered', 'delivered']);
  expect([asked.length, noted]).toEqual([2, []]);
});

test('a mistake of ours fails those without an answer for a while, and is in doubt after the dot', async () => {
  const broken = setting([async () => Promise.reject(new TypeError('no such thing'))]);
  const before = await attempt(broken.claim, broken.link, broken.limits);
  expect([...before.outcomes.values()]).toHaveLength(3);
  expect(before.outcomes.get(0)).toMatchObject({
    kind: 'failed',
    failure: { permanent: false, ours: true, text: 'the attempt broke: TypeError: no such thing' },
  });
  expect(before.outcomes.get(0)).not.toHaveProperty('failure.inDoubt');
  expect(broken.link.session).toBeNull();

  const late = setting([
    async (mail) => {
      mail.dotSent();
      throw new TypeError('no such thing');
    },
  ]);
  const { outcomes } = await attempt(late.claim, late.link, late.limits);
  expect(outcomes.get(2)).toMatchObject({ failure: { inDoubt: true } });
});

test('a stop ends a transaction at once before its dot, and after it when the timeout is over', async () => {
  const untilAborted = (dot: boolean) => async (mail: Outgoing, signal: AbortSignal) => {
    if (dot) mail.dotSent();
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    const stopped: RecipientResult = {
      kind: 'failed',
      failure: failure({ aborted: true, ours: true, inDoubt: dot }),
    };
    return result({ results: [stopped, stopped, stopped] });
  };
  const early = setting([untilAborted(false)]);
  const ended = early.kinds();
  await new Promise(setImmediate);
  early.stop.abort();
  expect(await ended).toHaveLength(3);

  const late = setting([untilAborted(true)]);
  let over = false;
  const waiting = late.kinds().then(() => {
    over = true;
  });
  await new Promise(setImmediate);
  late.stop.abort();
  late.limits.clock.advance(4900);
  await new Promise(setImmediate);
  expect(over).toBe(false);
  late.limits.clock.advance(200);
  await waiting;
});

test('recipients with a header edit get the content as it says, with its size; the spool keeps its own', async () => {
  const seen: { size: number; text: string }[] = [];
  const look: Answer = async (mail) => {
    const body = await mail.body();
    const text = body.kind === 'buffer' ? body.data.toString() : 'a stream';
    seen.push({ size: mail.size, text });
    return result({ results: [delivered, delivered, delivered] });
  };
  const edit = { add: [{ name: 'X-New', value: '1' }], remove: ['x-old'] };
  const data = Buffer.from('X-Old: 0\r\nA: b\r\n\r\nt\r\n');
  const { claim, limits, link } = setting([look]);
  const body: Claim['body'] = async () => ({ kind: 'buffer', data });
  await attempt({ ...claim, body, entry: { ...claim.entry, edit } }, link, limits);
  expect(seen).toEqual([{ size: 21, text: 'X-New: 1\r\nA: b\r\n\r\nt\r\n' }]);
  expect(data.toString()).toContain('X-Old');
});

test('content that cannot be read is told when the transaction asks for it, edited or not', async () => {
  const edit = { add: [], remove: ['x-old'] };
  const asked: string[] = [];
  const ask: Answer = async (mail) => {
    asked.push(`${mail.size} ${await mail.body().catch(String)}`);
    return result({ results: [refused, refused, refused] });
  };
  const body = () => Promise.reject(new Error('the disk is gone'));
  for (const change of [{}, { edit }]) {
    const { claim, limits, link } = setting([ask]);
    await attempt({ ...claim, body, entry: { ...claim.entry, ...change } }, link, limits);
  }
  expect(asked).toEqual(['1000 Error: the disk is gone', '1000 Error: the disk is gone']);
});
