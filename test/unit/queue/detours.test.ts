// When a site leaves a route and how it comes back: the table by itself, then random days against a plain model.
import { expect, test } from 'vitest';
import type { FailureClass } from '../../../src/delivery/failure.ts';
import type { FallbackMemory } from '../../../src/policy/policy.ts';
import type { RouteList } from '../../../src/policy/routing.ts';
import { Detours, type Move, type Way } from '../../../src/queue/detours.ts';
import type { RecipientOutcome } from '../../../src/queue/settle.ts';
import { Chance } from '../../harness/random.ts';
import { DAY, failure, HOUR, MINUTE } from './setting.ts';

const START = Date.UTC(2026, 10, 24);
const CANARY = 15 * MINUTE;

function list(memory: Partial<FallbackMemory> | null, on: FailureClass[] = ['blocked']): RouteList {
  const whole = { siteAfter: 3, remember: HOUR, canary: 0, ...memory };
  const fallback = { on: new Set(on), after: 2, ...(memory && { memory: whole }) };
  return { routes: ['direct', 'provider'], fallback };
}

const rule = list({});
const here: Way = { route: 'direct', site: 'x' };
const delivered: RecipientOutcome = { kind: 'delivered', reply: '250 ok' };
const failed = (changes: Parameters<typeof failure>[0]): RecipientOutcome => ({
  kind: 'failed',
  failure: failure(changes),
});
const blocked = failed({ class: 'blocked', reply: '554 5.7.1 blocked' });

/** A table, and an attempt by one message with these outcomes. */
function table() {
  const detours = new Detours();
  let messages = 0;
  return {
    detours,
    attempt(
      outcome: RecipientOutcome,
      { id = `m${++messages}`, way = here, by = rule as RouteList | null, now = START } = {},
    ): Move | null {
      return detours.learn(way, { id, outcomes: [outcome], list: by, now });
    },
    isPassed: (now = START, { id = 'new', way = here, by = rule } = {}): boolean =>
      detours.passed(way, id, by, now) !== null,
  };
}

/** The same after a row of three. */
function left(by = rule) {
  const made = table();
  for (let n = 0; n < 3; n++) made.attempt(blocked, { by });
  return made;
}

test('so many different messages in a row, and the site has left the route for all', () => {
  const { attempt, isPassed, detours } = table();
  expect(attempt(blocked)).toBeNull();
  expect(attempt(blocked)).toBeNull();
  expect(isPassed()).toBe(false);
  const detour = { ...here, since: START, until: START + HOUR, class: 'blocked', messages: 3 };
  expect(attempt(blocked)).toEqual({
    kind: 'left',
    again: false,
    detour: { ...detour, failure: '554 5.7.1 blocked' },
  });
  expect(detours.passed(here, 'new', rule, START + 1)).toEqual({
    reason: 'site x left route direct until 2026-11-24T01:00:00.000Z: blocked, 3 messages in a row',
    until: START + HOUR,
  });
  expect(isPassed(START, { way: { route: 'direct', site: 'y' } })).toBe(false);
});

test('the same message again is not another one', () => {
  const { attempt, isPassed } = table();
  for (let n = 0; n < 9; n++) expect(attempt(blocked, { id: `m${n % 2}` })).toBeNull();
  expect(isPassed()).toBe(false);
});

test.each<[string, RecipientOutcome]>([
  ['an unknown user', failed({ class: 'unknown-user', permanent: true })],
  ['greylisting', failed({ class: 'greylisted' })],
  ['a doubt', failed({ class: 'blocked', inDoubt: true })],
  ['trouble of our own', failed({ class: 'blocked', ours: true })],
  ['a stop', failed({ class: 'blocked', aborted: true })],
  ['another class', failed({ class: 'mailbox-full' })],
])('%s neither counts nor ends a row', (_, outcome) => {
  const { attempt } = table();
  const by = list({}, ['blocked', 'unknown-user', 'greylisted']);
  attempt(blocked, { by });
  attempt(blocked, { by });
  for (let n = 0; n < 9; n++) expect(attempt(outcome, { by })).toBeNull();
  expect(attempt(blocked, { by })).toMatchObject({ kind: 'left' });
});

test('any delivery ends a row, whichever rule sent it, and so do some of several recipients', () => {
  const { attempt, detours } = table();
  for (const by of [rule, list(null), null]) {
    attempt(blocked);
    attempt(blocked);
    expect(attempt(delivered, { by })).toBeNull();
  }
  attempt(blocked);
  attempt(blocked);
  detours.learn(here, { id: 'two', outcomes: [blocked, delivered], list: rule, now: START });
  expect(attempt(blocked)).toBeNull();
});

test('only mail counts, and only mail leaves, whose rule remembers, falls back on that, and has a next route', () => {
  const last = { ...rule, routes: ['provider', 'direct'] };
  const others = [list(null), list({}, ['unreachable']), last];
  const { attempt } = table();
  for (const by of [...others, null]) {
    for (let n = 0; n < 4; n++) expect(attempt(blocked, { by })).toBeNull();
  }
  const { isPassed } = left();
  expect(others.map((by) => isPassed(START, { by }))).toEqual([false, false, false]);
  expect(isPassed(START, { by: list({ siteAfter: 9 }, ['blocked', 'tls']) })).toBe(true);
});

test('after its time one message tries; then all others may, or it is remembered again', () => {
  const { detours, attempt, isPassed } = left();
  const over = START + HOUR;
  expect([isPassed(over - 1), detours.takes(here, 'early', rule, over - 1)]).toEqual([true, false]);
  expect(isPassed(over)).toBe(false);
  expect(detours.takes(here, 'canary', list(null), over)).toBe(false);
  expect(detours.takes(here, 'canary', rule, over)).toBe(true);
  expect(detours.takes(here, 'other', rule, over)).toBe(false);
  expect([isPassed(over, { id: 'canary' }), isPassed(over)]).toEqual([false, true]);
  expect(detours.passed(here, 'new', rule, over)).toEqual({
    reason: 'site x left route direct: blocked, 3 messages in a row; canary tries it now',
    until: over + CANARY,
  });
  // It says nothing for long: the next one tries.
  expect(isPassed(over + CANARY)).toBe(false);
  detours.takes(here, 'second', rule, over + CANARY);
  expect(isPassed(over + CANARY, { id: 'canary' })).toBe(true);
  const now = over + CANARY + MINUTE;
  expect(attempt(failed({ class: 'mailbox-full' }), { id: 'second', now })).toBeNull();
  expect(isPassed(now)).toBe(true);
  expect(attempt(blocked, { id: 'second', now })).toMatchObject({
    kind: 'left',
    again: true,
    detour: { since: START, until: now + HOUR, messages: 3 },
  });
  expect(isPassed(now + HOUR - 1)).toBe(true);
  expect(attempt(delivered, { now: now + 1 })).toMatchObject({ kind: 'back', detour: here });
  expect(isPassed(now + 1)).toBe(false);
});

test('a share of the messages tries it meanwhile, the same ones each time; what they find out counts at once', () => {
  const by = list({ canary: 0.1 });
  const { attempt, isPassed } = left(by);
  const ids = Array.from({ length: 10_000 }, (_, n) => `1fyhe7s1${(40_000 + n).toString(32)}`);
  const sharing = ids.filter((id) => !isPassed(START, { id, by }));
  expect(sharing.length).toBeGreaterThan(900);
  expect(sharing.length).toBeLessThan(1100);
  expect(sharing.filter((id) => isPassed(START + MINUTE, { id, by }))).toEqual([]);
  expect(attempt(blocked, { id: sharing[0] as string, by, now: START + MINUTE })).toBeNull();
  expect(attempt(delivered, { id: sharing[1] as string, by })).toMatchObject({ kind: 'back' });
});

test('what nobody has tried for a day is forgotten; a clock that was set back opens it', () => {
  const { detours, isPassed } = left();
  expect(detours.dropForgotten(START + HOUR + DAY - 1)).toEqual([]);
  expect(isPassed(START - 1)).toBe(false);
  expect(detours.dropForgotten(START + HOUR + DAY)).toMatchObject([here]);
  expect(isPassed(START)).toBe(false);
});

/** A way as it is told in the manual, kept as the plain history of what was tried since the last delivery. */
interface Told {
  failures: { id: string; class: FailureClass; by: RouteList }[];
  away: { until: number; class: FailureClass } | null;
  trying: { id: string; since: number } | null;
}

const rules = [rule, list({ siteAfter: 2, remember: 2 * HOUR }, ['blocked', 'unreachable']), list(null)];

function isAway({ away, trying }: Told, id: string, by: RouteList, now: number): boolean {
  if (!away || !by.fallback.memory || !by.fallback.on.has(away.class)) return false;
  if (now < away.until) return true;
  return trying !== null && trying.id !== id && now < trying.since + CANARY;
}

function tell(told: Told, id: string, what: 'delivered' | FailureClass, by: RouteList, now: number): void {
  const { memory, on } = by.fallback;
  if (what === 'delivered') Object.assign(told, { failures: [], away: null, trying: null });
  else if (!memory || !on.has(what)) return;
  else if (told.away) {
    if (now < told.away.until || !on.has(told.away.class)) return;
    Object.assign(told, { away: { until: now + memory.remember, class: what }, trying: null });
  } else {
    told.failures.push({ id, class: what, by });
    if (new Set(told.failures.map((one) => one.id)).size < memory.siteAfter) return;
    Object.assign(told, { failures: [], away: { until: now + memory.remember, class: what }, trying: null });
  }
}

test.each(Array.from({ length: 20 }, (_, seed) => seed + 1))('random days, seed %i', (seed) => {
  const chance = new Chance(seed);
  const detours = new Detours();
  const ways: Way[] = [here, { route: 'direct', site: 'y' }, { route: 'direct', site: null }];
  const tolds = ways.map((): Told => ({ failures: [], away: null, trying: null }));
  let now = START;
  let moves = 0;
  for (let step = 0; step < 2000; step++) {
    now += chance.pick([0, 1000, MINUTE, 10 * MINUTE, HOUR]);
    const n = chance.int(ways.length);
    const [way, told] = [ways[n] as Way, tolds[n] as Told];
    const by = chance.pick(rules);
    const id = `m${chance.int(6)}`;
    const passed = detours.passed(way, id, by, now);
    expect([step, passed !== null]).toEqual([step, isAway(told, id, by, now)]);
    if (passed) continue;
    detours.takes(way, id, by, now);
    const { away, trying } = told;
    const isCanary = away && by.fallback.memory && by.fallback.on.has(away.class) && now >= away.until;
    if (isCanary && (!trying || now >= trying.since + CANARY)) told.trying = { id, since: now };
    if (chance.int(4) === 0) continue;
    const what = chance.pick(['delivered', 'blocked', 'blocked', 'unreachable', 'mailbox-full'] as const);
    const outcome = what === 'delivered' ? delivered : failed({ class: what });
    if (detours.learn(way, { id, outcomes: [outcome], list: by, now })) moves++;
    tell(told, id, what, by, now);
  }
  expect(moves).toBeGreaterThan(50);
});
