// A rich policy under everything at once: peers with moods, clocks that jump, reloads, operators, FLUSHALL, kill -9.
// Then limits are lifted, the peers are calm, and what is left drains; every recipient is accounted for.
// Never tolerates a loss, a copy that no doubt explains, a budget that was exceeded, or an unexpected line in the log.
import { expect, onTestFinished, test } from 'vitest';
import type { Books } from '../harness/books.ts';
import { Chance } from '../harness/random.ts';
import { until } from '../harness/until.ts';
import { accountOf, type Sent } from './soak-account.ts';
import { overspent } from './soak-budgets.ts';
import type { Sighting } from './soak-moods.ts';
import { BUDGETS, freePolicy, OFFICE, SOURCES } from './soak-policies.ts';
import { Senders } from './soak-traffic.ts';
import { makeSoak, type Soak } from './soak-world.ts';
import { balanced } from './world.ts';

const CLIENTS = 4;
const STEPS = 24;
/** A crash in the middle of each so many. */
const CRASH_EVERY = 8;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Doubts whose lines a crash took along. */
const UNTOLD_DOUBTS = 2;

/** What a daemon may say of itself while all this happens. */
const EXPECTED = [
  /^a delivery was under way when the last daemon died$/,
  // A jump is longer than the patience of a lookup.
  /^name server .* does not answer$/,
  /^alarm (?:route-left|soft-bounce|doubt|crash-loop)$/,
];

/** Some mail came, and some was tried; where nothing can be tried for a moment, two minutes pass. */
async function traffic({ moods, disturbances }: Soak, { answered }: Senders): Promise<void> {
  const enough = { answered: answered.length + 20, seen: moods.sightings.length + 25 };
  let looked = 0;
  await until('mail', async () => {
    if (++looked === 30) await disturbances.jump(2 * MINUTE);
    return answered.length >= enough.answered && (moods.sightings.length >= enough.seen || looked > 60);
  });
}

/** Time passes until nothing is queued any more. */
async function drained({ disturbances }: Soak) {
  const { daemon } = disturbances;
  let looked = 0;
  return until(
    'an empty queue',
    async () => {
      const books = balanced(await daemon.books());
      if (books.queued === 0) return books;
      if (++looked % 30 === 0) await disturbances.jump(11 * MINUTE);
      return null;
    },
    20_000,
  ).catch(async (error: unknown) => {
    const left = [await daemon.api('/api/queue?limit=5'), await daemon.api('/api/destinations')];
    const now = new Date(daemon.now).toISOString();
    throw new Error(`at ${now} ${JSON.stringify(left)}`, { cause: error });
  });
}

function unexpectedLines({ disturbances }: Soak): string[] {
  const log = disturbances.daemons.flatMap((daemon) => daemon.log);
  return log
    .filter(({ level }) => level === 'warn' || level === 'error')
    .filter(({ msg, event, alarm }) => !EXPECTED.some((one) => one.test(msg ?? `${event} ${alarm}`)))
    .map((line) => JSON.stringify(line));
}

const hourOf = (time: number): number => Math.floor(time / HOUR) * HOUR;
/** Days are the host's, as the daemon takes them. */
const dayOf = (time: number): number => new Date(time).setHours(0, 0, 0, 0);
const isShut = (time: number): boolean => {
  const hours = new Date(time).getUTCHours();
  return hours < OFFICE.opens || hours >= OFFICE.shuts;
};

/** As the peers saw it, until limits were lifted. */
function expectLimitsKept({ moods, disturbances, limits }: Soak): void {
  // Of a slot that was lent in the moment of FLUSHALL neither Redis nor the daemon knows when the next is asked for.
  const unknown = disturbances.flushes > 0 ? 1 : 0;
  const isOver = ([name, most]: readonly [string, number]): boolean =>
    most > (limits.get(name) ?? 0) + unknown;
  expect([...moods.most].filter(isOver)).toEqual([]);
  const over = (max: number, windowOf: (time: number) => number, fits: (one: Sighting) => boolean) =>
    overspent(moods.sightings.filter(fits), disturbances, max, windowOf);
  const isOf = (sender: string) => (one: Sighting) => one.from.endsWith(`@${sender}.senders.example`);
  expect(over(BUDGETS.provider, hourOf, ({ peer }) => peer === 'provider')).toEqual([]);
  expect(over(BUDGETS.deferredSender, hourOf, isOf('deferred'))).toEqual([]);
  expect(over(BUDGETS.warmup, dayOf, ({ helo }) => helo === SOURCES.fresh.ehlo)).toEqual([]);
  const always = Number.POSITIVE_INFINITY;
  const inOffice = ({ to }: Sighting): boolean => to.some((one) => one.endsWith('@office.one.example'));
  // One window that never fills while it is open, and one that takes nothing.
  const closed = overspent(moods.sightings.filter(inOffice), disturbances, always, (time) =>
    isShut(time) ? Number.NaN : 0,
  );
  expect(closed).toEqual([]);
}

function expectAllAccountedFor(soak: Soak, sent: readonly Sent[], books: Books): void {
  const { untold, strange, extra } = accountOf(soak, sent);
  const { crashes, daemons } = soak.disturbances;
  const ends = new Set(['bounced', 'expired', 'removed', 'discarded']);
  const told = daemons.flatMap(({ log }) => log).filter(({ event }) => ends.has(String(event))).length;
  // The last lines before a crash are lost; the books know how many they were.
  const lost = books.bounced + books.expired + books.removed + books.discarded - told;
  expect(untold.length, untold.join(', ')).toBeLessThanOrEqual(lost);
  expect(strange).toEqual([]);
  expect(extra.length, extra.join(', ')).toBeLessThanOrEqual(UNTOLD_DOUBTS * crashes);
}

test('a rich policy under chaos: nobody is lost, limits hold, nothing is stuck', async () => {
  // biome-ignore lint/style/noProcessEnv: the seed of a failure, to see it again.
  const seed = Number(process.env.SOAK_SEED ?? Date.now() % 1_000_000);
  const soak = await makeSoak(seed);
  const { moods, disturbances } = soak;
  onTestFinished(({ task }) => {
    if (task.result?.state !== 'fail') return;
    process.stderr.write(`the seed of the soak was ${seed}: ${disturbances.story.join(', ')}\n`);
  });
  await disturbances.begin(new Chance(seed).int(24) * HOUR);
  const senders = new Senders(new Chance(seed + 2), () => disturbances.daemon);
  const sending = Promise.all(Array.from({ length: CLIENTS }, () => senders.run()));
  for (let step = 1; step <= STEPS; step++) {
    await traffic(soak, senders);
    await disturbances.next();
    if (step % CRASH_EVERY === CRASH_EVERY / 2) await disturbances.crash();
    balanced(await disturbances.daemon.books());
  }
  senders.stop();
  await sending;
  moods.becomeCalm();
  soak.dropConnections();
  await disturbances.free(freePolicy(soak.around));
  const books = await drained(soak);
  expect(books.accepted).toBe(
    books.delivered + books.bounced + books.expired + books.discarded + books.removed,
  );
  expect(unexpectedLines(soak)).toEqual([]);
  expectLimitsKept(soak);
  expectAllAccountedFor(soak, senders.answered, books);
  expect(await disturbances.daemon.stop()).toBe(0);
}, 90_000);
