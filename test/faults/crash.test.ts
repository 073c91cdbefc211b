// kill -9 at each named point of a message's life: what was answered 250 arrives, and how often at most.
// A daemon dies at the point, another one starts on its folder; the peer counts copies.
// Never more than one extra copy for a final dot whose outcome was not on disk.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Milestone } from '../../src/clock/milestones.ts';
import { parseDsn } from '../harness/dsn.ts';
import { serverProgram } from '../harness/redis.ts';
import type { Sendoff } from '../harness/sendoff.ts';
import { until } from '../harness/until.ts';
import { balanced, change, copies, DOMAIN, mailOf, makeWorld, type World } from './world.ts';

interface Case {
  readonly milestone: Milestone;
  /** Whether the client can have read its 250; null: either way. */
  readonly answered: boolean | null;
  readonly copies: readonly [least: number, most: number];
}

const CASES: readonly Case[] = [
  { milestone: 'body-synced', answered: false, copies: [0, 0] },
  // What is committed is delivered; a client that heard nothing may send it again.
  { milestone: 'committed', answered: false, copies: [1, 1] },
  { milestone: 'replied', answered: true, copies: [1, 1] },
  { milestone: 'run-asked', answered: null, copies: [1, 1] },
  { milestone: 'claimed', answered: null, copies: [1, 1] },
  { milestone: 'mail-sent', answered: null, copies: [1, 1] },
  { milestone: 'dot-sent', answered: true, copies: [1, 2] },
  { milestone: 'reply-read', answered: true, copies: [2, 2] },
  { milestone: 'settled', answered: true, copies: [1, 1] },
];

/** Sends one message to a daemon that may die of it; true when the client read a 250. */
async function answered(sendoff: Sendoff, content: string, to = `b@${DOMAIN}`): Promise<boolean> {
  return sendoff.send({ from: `a@${DOMAIN}`, to, content }).then(
    () => true,
    () => false,
  );
}

test.each(CASES)('a crash at $milestone', async (expected) => {
  const world = await makeWorld();
  const first = await world.start({ fate: { milestone: expected.milestone, nth: 1 } });
  const heard = await answered(first, mailOf('the one'));
  expect(await first.ended).toBe('SIGKILL');
  if (expected.answered !== null) expect(heard).toBe(expected.answered);
  const second = await world.start();
  const books = balanced(await second.settled());
  const [least, most] = expected.copies;
  const received = copies(world.peer).get('the one') ?? 0;
  expect(received).toBeGreaterThanOrEqual(heard ? 1 : least);
  expect(received).toBeLessThanOrEqual(most);
  expect(books).toMatchObject({ accepted: least > 0 ? 1 : 0, delivered: least > 0 ? 1 : 0, queued: 0 });
  expect(await second.stop()).toBe(0);
});

test('a crash after a bounce and its report: one report', async () => {
  const world = await makeWorld({}, { script: { rcpt: refuseNobody } });
  const first = await world.start({ fate: { milestone: 'dsn', nth: 1 } });
  await answered(first, mailOf('refused'), `nobody@${DOMAIN}`);
  expect(await first.ended).toBe('SIGKILL');
  const second = await world.start();
  expect(balanced(await second.settled())).toMatchObject({ accepted: 2, bounced: 1, delivered: 1 });
  expect(world.peer.messages).toHaveLength(1);
  const report = parseDsn(world.peer.messages[0]?.data ?? '');
  expect(report.recipients[0]?.get('final-recipient')).toContain(`nobody@${DOMAIN}`);
});

test('a crash in the middle of a recovery is not counted twice', async () => {
  const world = await makeWorld();
  const first = await world.start({ fate: { milestone: 'dot-sent', nth: 1 } });
  expect(await answered(first, mailOf('the one'))).toBe(true);
  await first.ended;
  await world.startDoomed({ fate: { milestone: 'recovering', nth: 1 } });
  await world.startDoomed({ fate: { milestone: 'recovering', nth: 1 } });
  const last = await world.start();
  expect(balanced(await last.settled())).toMatchObject({ accepted: 1, delivered: 1, queued: 0, held: 0 });
  expect(copies(world.peer).get('the one')).toBeLessThanOrEqual(2);
});

test('a crash after a segment was copied, before it is unlinked', async () => {
  const world = await makeWorld();
  const fate = { milestone: 'segment-copied', nth: 1 } as const;
  const first = await world.start({ segmentSize: 20_000, fate });
  world.peer.setScript({ rcpt: ({ line }) => (line.includes('later') ? '450 4.2.0 later' : null) });
  // Of each ten one stays, so that segments are emptied but for little.
  const sent: string[] = [];
  for (let n = 0; n < 400 && first.process.signalCode === null; n++) {
    const stays = n % 10 === 0;
    if (!(await answered(first, mailOf(`number ${n}`, 2000), `${stays ? 'later' : 'now'}@${DOMAIN}`))) break;
    sent.push(`number ${n}`);
  }
  expect(await first.ended).toBe('SIGKILL');
  world.peer.setScript({});
  const second = await world.start({ segmentSize: 20_000, offset: 3_600_000 });
  const books = balanced(await second.settled());
  const counted = copies(world.peer);
  expect(sent.filter((subject) => !counted.has(subject))).toEqual([]);
  expect(books.delivered).toBe(books.accepted);
});

test('what was in doubt is tried again at once, by the same route', async () => {
  const world = await makeWorld();
  const other = await world.neighbour('127.0.0.2', []);
  const policy = {
    routes: {
      direct: { via: 'mx' },
      upstream: { via: 'smarthost', hosts: [`127.0.0.2:${other.port}`], tls: 'none' },
    },
    rules: [
      {
        name: 'all',
        when: 'any',
        route: ['direct', 'upstream'],
        fallback: { on: ['unreachable'], after: 1 },
      },
    ],
  };
  const first = await world.start({ policy, fate: { milestone: 'dot-sent', nth: 1 } });
  expect(await answered(first, mailOf('the one'))).toBe(true);
  await first.ended;
  const greeting = Promise.withResolvers<void>();
  world.peer.setScript({ greeting: { do: 'wait', for: greeting.promise } });
  const second = await world.start({ policy });
  const said = await until('the doubt in the log', () => second.log.find(({ inDoubt }) => inDoubt === true));
  expect(said).toMatchObject({ cause: 'crash', crashes: 1 });
  const entry = await until('its next attempt', async () => {
    const { entries } = (await second.api('/api/queue')) as { entries: { state: string }[] };
    return entries.find(({ state }) => state === 'delivering');
  });
  expect(entry).toMatchObject({ route: 'direct', inDoubt: true });
  greeting.resolve();
  expect(balanced(await second.settled(3000))).toMatchObject({ delivered: 1 });
  expect(other.messages).toHaveLength(0);
});

test('the third crash in one delivery holds the message; release delivers it', async () => {
  const world = await makeWorld();
  const fate = { milestone: 'dot-sent', nth: 1 } as const;
  const first = await world.start({ fate });
  expect(await answered(first, mailOf('poison'))).toBe(true);
  await first.ended;
  await world.startDoomed({ fate });
  await world.startDoomed({ fate });
  const fourth = await world.start();
  const alarm = await fourth.event('alarm', ({ alarm }) => alarm === 'crash-loop');
  expect(balanced(await fourth.books())).toMatchObject({ accepted: 1, delivered: 0, queued: 1, held: 1 });
  const copiesSoFar = copies(world.peer).get('poison');
  expect(copiesSoFar).toBeLessThanOrEqual(3);
  expect(await change(fourth, 'release', { id: alarm.id })).toEqual({ changed: 1, busy: 0 });
  expect(balanced(await fourth.settled())).toMatchObject({ accepted: 1, delivered: 1, held: 0 });
  expect(copies(world.peer).get('poison')).toBe((copiesSoFar ?? 0) + 1);
});

test('a Redis that a killed daemon left behind is ended by the next start', async () => {
  const world = await makeWorld();
  const first = await world.start({ environment: { PATH: await pathWithRedisAlone(world) } });
  const pidFile = join(world.folder, 'data', 'redis', 'redis.pid');
  const left = Number(readFileSync(pidFile, 'utf8'));
  await first.kill9();
  expect(isAlive(left)).toBe(true);
  const second = await world.start();
  expect(isAlive(left)).toBe(false);
  expect(await answered(second, mailOf('after'))).toBe(true);
  expect(balanced(await second.settled())).toMatchObject({ delivered: 1 });
});

/** Without setpriv the kernel does not end Redis with its daemon. */
async function pathWithRedisAlone(world: World): Promise<string> {
  const folder = join(world.folder, 'bin');
  const program = await serverProgram();
  const place = execFileSync('sh', ['-c', `command -v ${program}`])
    .toString()
    .trim();
  mkdirSync(folder);
  symlinkSync(place, join(folder, program));
  return folder;
}

/** A process that nobody has waited for yet is over all the same. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function refuseNobody({ line }: { line: string }): string | null {
  return line.includes('nobody') ? '550 5.1.1 no such user' : null;
}
