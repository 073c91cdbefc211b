// Everything at once: clients, peers that fail at random, kill -9, FLUSHALL, a clock that jumps.
// Some seconds of chaos, then the peers are well and what is left drains; every recipient is accounted for.
// Never tolerates a loss; copies are allowed only where a final dot was sent and its outcome was not on disk.
import { expect, onTestFinished, test } from 'vitest';
import type { Milestone } from '../../src/clock/milestones.ts';
import { parseDsn } from '../harness/dsn.ts';
import { startRedis, type TestRedis } from '../harness/redis.ts';
import type { Sendoff } from '../harness/sendoff.ts';
import { SmtpClient } from '../harness/smtp-client.ts';
import type { Call, Peer, Script, Step } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';
import { balanced, change, mailOf, makeWorld } from './world.ts';

const CRASHES = 3;
const CLIENTS = 6;
/** Longer than any pause that a retry, a closed door or a doubt takes here. */
const JUMP = 11 * 60_000;
const DOMAINS = ['one.example', 'two.example', 'three.example'];

/** Numbers in [0, 1) that a seed repeats (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Peers that fail at random, and what each recipient's copies without an answer came to. */
class Moods {
  /** Copies whose sender never heard of them, by recipient. */
  readonly unanswered = new Map<string, number>();
  /** Recipients whose final dot was once left without an answer, recorded or not. */
  readonly dropped = new Set<string>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  script(): Script {
    return {
      greeting: () => this.#pick([0.02, '421 4.3.2 not now'], [0.02, { do: 'close' }]),
      ehlo: () => this.#pick([0.01, { do: 'hang' }]),
      mail: () => this.#pick([0.02, '451 4.3.0 not now'], [0.01, { do: 'reset' }]),
      rcpt: () => this.#pick([0.05, '450 4.2.0 not now'], [0.04, '550 5.1.1 no such user']),
      // Content and dot come in one piece: who closes at the first octet leaves the dot without an answer.
      body: (call) => this.#noted(call, this.#pick([0.01, { do: 'close' }])),
      dot: (call) => this.#noted(call, this.#atDot()),
    };
  }

  #atDot(): Step {
    return this.#pick(
      [0.04, '451 4.3.0 not now'],
      [0.03, '554 5.6.0 not that'],
      [0.02, { do: 'close' }],
      [0.02, { do: 'close', record: true }],
      [0.02, { do: 'reset', record: true }],
      [0.005, { do: 'hang', record: true }],
    );
  }

  #pick(...choices: readonly (readonly [share: number, step: Step])[]): Step {
    let at = this.#random();
    for (const [share, step] of choices) {
      if (at < share) return step;
      at -= share;
    }
    return null;
  }

  #noted({ to }: Call, step: Step): Step {
    if (typeof step !== 'object' || step === null) return step;
    for (const recipient of to) {
      this.dropped.add(recipient);
      if (!('record' in step)) continue;
      this.unanswered.set(recipient, (this.unanswered.get(recipient) ?? 0) + 1);
    }
    return step;
  }
}

/** Clients that look for the daemon of the moment and send to one to three recipients, all of them new. */
class Senders {
  /** Recipients of messages that were answered 250. */
  readonly answered: string[] = [];
  readonly #random: () => number;
  readonly #daemon: () => Sendoff;
  #count = 0;
  #stopped = false;

  constructor(random: () => number, daemon: () => Sendoff) {
    this.#random = random;
    this.#daemon = daemon;
  }

  stop(): void {
    this.#stopped = true;
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      await this.#onOneConnection().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #onOneConnection(): Promise<void> {
    const client = await SmtpClient.ready({ port: this.#daemon().port });
    try {
      while (!this.#stopped) {
        const n = ++this.#count;
        const to = DOMAINS.slice(0, 1 + Math.floor(this.#random() * 3)).map((domain) => `r${n}@${domain}`);
        const { code } = await client.message(`s${n}@senders.example`, to, mailOf(`message ${n}`));
        if (code === 250) this.answered.push(...to);
        // A human pace: the peers are to be kept busy, not buried.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    } finally {
      client.destroy();
    }
  }
}

/** Copies by recipient. */
function copiesOf(peers: readonly Peer[]): Map<string, number> {
  const counted = new Map<string, number>();
  for (const recipient of peers.flatMap(({ messages }) => messages.flatMap(({ to }) => to))) {
    counted.set(recipient, (counted.get(recipient) ?? 0) + 1);
  }
  return counted;
}

/** Recipients that reports say were given up. */
function reported(postbox: Peer): Set<string> {
  const addresses = postbox.messages.flatMap(({ data }) =>
    parseDsn(data).recipients.map((fields) => {
      expect(fields.get('action')).toBe('failed');
      return fields.get('final-recipient')?.replace('rfc822;', '').trim() ?? '';
    }),
  );
  return new Set(addresses);
}

async function startedWorld(moods: Moods) {
  const redis = await startRedis();
  const policy = {
    routes: { direct: { via: 'mx' } },
    retry: { default: { after: ['1s'], expire: '5d' } },
    rules: [{ name: 'all', when: 'any', route: 'direct' }],
  };
  const world = await makeWorld({ policy, settings: { shutdownTimeout: '1s', redis: { url: redis.url } } });
  const peers: Peer[] = [];
  for (const [n, domain] of DOMAINS.entries()) {
    peers.push(await world.neighbour(`127.0.1.${n + 1}`, [domain], { script: moods.script() }));
  }
  const postbox = await world.neighbour('127.0.1.9', ['senders.example']);
  return { world, redis, peers, postbox };
}

/** Time passes until nothing is queued any more. */
async function drained(sendoff: Sendoff) {
  for (const domain of DOMAINS) await change(sendoff, 'release', { domain });
  let waited = 0;
  return until(
    'an empty queue',
    async () => {
      const books = balanced(await sendoff.books());
      if (books.queued === 0) return books;
      if (waited++ % 50 === 0) await sendoff.advance(JUMP);
      return null;
    },
    30_000,
  );
}

const ENDS: readonly Milestone[] = [
  'body-synced',
  'committed',
  'replied',
  'claimed',
  'mail-sent',
  'dot-sent',
  'reply-read',
  'settled',
  'dsn',
];

/** Dies at a point that chance picks, or of a plain kill -9 when it does not come to that point; now and then it is stopped. */
async function ended(sendoff: Sendoff, random: () => number): Promise<void> {
  const milestone = ENDS[Math.floor(random() * (ENDS.length + 2))];
  if (milestone === undefined) {
    expect(await sendoff.stop()).toBe(0);
    return;
  }
  await sendoff.die({ milestone, nth: 1 + Math.floor(random() * 30) });
  const late = setTimeout(() => sendoff.process.kill('SIGKILL'), 2000);
  expect(await sendoff.ended).toBe('SIGKILL');
  clearTimeout(late);
}

/** Trouble for a moment: no room on the disk, or an emptied Redis, or one that dies and comes back. */
async function troubled(sendoff: Sendoff, redis: TestRedis, round: number): Promise<void> {
  await sendoff.disk('full');
  await (round % 2 === 0 ? redis.flush() : redis.kill9());
  await sendoff.advance(JUMP);
  if (round % 2 === 1) await redis.restart();
  await sendoff.disk('well');
}

test('chaos: every answered recipient is delivered or bounced, and copies are accounted for', async () => {
  const seed = Date.now() % 1_000_000;
  onTestFinished(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`the seed of the chaos was ${seed}\n`);
  });
  const random = randomFrom(seed);
  const moods = new Moods(random);
  const { world, redis, peers, postbox } = await startedWorld(moods);
  const daemons = [await world.start()];
  const present = (): Sendoff => daemons.at(-1) as Sendoff;
  const senders = new Senders(random, present);
  const sending = Promise.all(Array.from({ length: CLIENTS }, () => senders.run()));
  for (let round = 1; round <= CRASHES; round++) {
    const mail = (count: number) => {
      const enough = senders.answered.length + count;
      return until('mail', () => senders.answered.length >= enough, 20_000);
    };
    await mail(200 + random() * 200);
    await troubled(present(), redis, round);
    await mail(100 + random() * 100);
    await ended(present(), random);
    daemons.push(await world.start({ offset: round * JUMP }));
    balanced(await present().books());
  }
  senders.stop();
  await sending;
  for (const peer of peers) peer.setScript({});
  const books = await drained(present());

  const counted = copiesOf(peers);
  const bounced = reported(postbox);
  expect(senders.answered.filter((to) => !counted.has(to) && !bounced.has(to))).toEqual([]);
  expect(books.accepted).toBe(books.delivered + books.bounced);
  expect(books.accepted).toBeGreaterThanOrEqual(senders.answered.length + bounced.size);
  // Each recorded doubt allows one copy more: those that the peers' moods explain, those that a crash
  // left, and those of an answer that the jump of the clock or a stop cut off.
  const extra = [...counted].map(([to, count]) => ({
    to,
    extra: count - 1 - (moods.unanswered.get(to) ?? 0),
  }));
  expect(extra.filter(({ extra }) => extra > 2 * CRASHES)).toEqual([]);
  const log = daemons.flatMap((daemon) => daemon.log);
  const cutOff = log.filter(({ result, to }) => result === 'in-doubt' && !moods.dropped.has(String(to)));
  const doubts = [...log.filter(({ inDoubt }) => inDoubt === true), ...cutOff];
  const twiceReported = postbox.messages.length - bounced.size;
  const ofCrashes = extra.reduce((sum, { extra }) => sum + Math.max(0, extra), twiceReported);
  expect(ofCrashes).toBeLessThanOrEqual(doubts.length);
  expect(await present().stop()).toBe(0);
}, 90_000);
