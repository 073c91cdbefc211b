// Pools of source addresses in placement and settlement: who keeps an address, who leaves it, and what is charged.
import { describe, expect, test } from 'vitest';
import { type Failure, isOfSource } from '../../../src/delivery/failure.ts';
import { differInSource, parseDestination, type QueueEntry } from '../../../src/queue/entry.ts';
import { place } from '../../../src/queue/placement.ts';
import { relocate } from '../../../src/queue/relocate.ts';
import { isSoftBounce, type SettleContext, settle } from '../../../src/queue/settle.ts';
import { Chance } from '../../harness/random.ts';
import { ARRIVED, entry, failure, HOUR, MINUTE, message, placing, settling } from './setting.ts';

const [A, B] = ['192.0.2.10', '192.0.2.11'];
const POOL = `sources: [{ address: ${A} }, { address: ${B} }]`;
const DIRECT = `routes: { direct: { via: mx, ${POOL} } }\n`;
const LISTED = `
routes:
  direct: { via: mx, ${POOL} }
  provider: { via: smarthost, hosts: [provider.example], sources: [{ address: ${B} }] }
rules: [{ route: [direct, provider] }]
`;
const at = (source: string): string => `direct@${source} example.org`;

const mail = message(['a@example.org', 'b@other.example', 'c@example.org']);
const one = message(['a@example.org']);
const blocked: Partial<Failure> = { class: 'blocked', reply: '421 4.7.1 blocked' };
const shutBy = (changes: Partial<Failure>, failures = 1) => ({
  failures,
  last: failure({ scope: 'destination', ...changes }),
});

const destinationsOf = (placements: ReturnType<typeof place>) =>
  placements.flatMap((placement) => (placement.kind === 'queue' ? [placement.destination] : []));

/** Where the only recipient of an entry goes now. */
function placed(
  yaml: string,
  changes: Partial<QueueEntry> | null,
  context: Parameters<typeof placing>[1] | Partial<SettleContext> = {},
) {
  const [placement] = place(one, [0], changes && entry(1, changes), { ...placing(yaml), ...context });
  return placement?.kind === 'queue' ? placement : null;
}

/** The entry after an attempt that failed so. */
function settled(yaml: string, before: Partial<QueueEntry>, failed: Partial<Failure>) {
  const outcome = { kind: 'failed', failure: failure(failed) } as const;
  const { verdicts } = settle(entry(1, before), one, new Map([[0, outcome]]), settling(yaml));
  const [verdict] = verdicts;
  return verdict?.kind === 'deferred' ? verdict.entry : verdict?.kind;
}

describe('an address', () => {
  test('is one for all recipients of a message, whatever their domain', () => {
    const sources = destinationsOf(place(mail, [0, 1, 2], null, placing(DIRECT))).map(
      (key) => parseDestination(key).source,
    );
    expect(sources).toHaveLength(2);
    expect(new Set(sources).size).toBe(1);
    expect([A, B]).toContain(sources[0]);
  });

  test.each([A, B])('that mail has (%s) is kept, in doubt too', (source) => {
    expect(placed(DIRECT, { destination: at(source) })?.destination).toBe(at(source));
    const doubt = { count: 1, since: ARRIVED, cause: 'crash' } as const;
    const uncertain = { destination: at(source), doubt, avoids: [source] };
    expect(placed(DIRECT, uncertain)?.destination).toBe(at(source));
  });

  test('is given to mail of an older version, and taken away with the pool; times and counts stay', () => {
    const older = entry(1, { due: ARRIVED + HOUR, attempts: 1, routeAttempts: 1 });
    const given = relocate(older, place(one, [0], older, placing(DIRECT)), ARRIVED);
    const [put] = given.change.put ?? [];
    expect(put).toMatchObject({ due: ARRIVED + HOUR, routeAttempts: 1 });
    expect([at(A), at(B)]).toContain(put?.destination);
    const taken = { ...older, destination: at(A) };
    const back = relocate(taken, place(one, [0], taken, placing('rules: []')), ARRIVED);
    expect(back.change.put).toMatchObject([{ destination: 'direct example.org', due: ARRIVED + HOUR }]);
  });
});

describe('a block', () => {
  test.each([false, true])('is tried at once from another address (for good: %s)', (permanent) => {
    expect(settled(LISTED, { destination: at(A) }, { ...blocked, permanent })).toMatchObject({
      destination: at(B),
      due: ARRIVED + MINUTE,
      attempts: 1,
      routeAttempts: 1,
      avoids: [A],
      routeReason: `no reason to leave it; from ${B}: ${A} is blocked there or cannot be used`,
    });
  });

  test('from all of them leaves the route, with `after` counting all attempts', () => {
    const last = { destination: at(B), attempts: 1, routeAttempts: 1, avoids: [A] };
    expect(settled(LISTED, last, blocked)).toMatchObject({
      destination: `provider@${B}`,
      due: ARRIVED + MINUTE,
      routeAttempts: 0,
    });
    const patient = LISTED.replace('[direct, provider]', '[direct, provider], fallback: { after: 3 }');
    expect(settled(patient, last, blocked)).toMatchObject({ destination: at(A), avoids: [A, B] });
  });

  test('from all of them without another route waits as long as any failure, for the oldest block', () => {
    const last = { destination: at(B), attempts: 1, routeAttempts: 1, avoids: [A] };
    const waits = settled(DIRECT, last, blocked);
    expect(waits).toMatchObject({ destination: at(A), due: ARRIVED + 6 * MINUTE, avoids: [A, B] });
    expect(settled(DIRECT, last, { ...blocked, permanent: true })).toBe('bounced');
    if (typeof waits === 'object') expect(placed(DIRECT, waits)?.destination).toBe(at(A));
  });

  test('that closed a door is no matter of the message alone: others leave the address with it', () => {
    const doors = { [at(A)]: shutBy(blocked, 5) };
    const door: SettleContext['door'] = (key) => doors[key] ?? null;
    expect(placed(LISTED, { destination: at(A) }, { door })?.destination).toBe(at(B));
    for (let n = 0; n < 10; n++) {
      const [placement] = place({ ...one, id: `d206r8j0000${n}` }, [0], null, { ...placing(LISTED), door });
      expect(placement).toMatchObject({ destination: at(B) });
    }
    const both: SettleContext['door'] = (key) => (key.startsWith('direct') ? shutBy(blocked, 2) : null);
    expect(placed(LISTED, null, { door: both })?.destination).toBe(`provider@${B}`);
    const down: SettleContext['door'] = (key) => (key === at(A) ? shutBy({ class: 'unreachable' }) : null);
    expect(placed(LISTED, { destination: at(A) }, { door: down })?.destination).toBe(at(A));
  });
});

test.each(['unfit', 'missing'] as const)('an address that is %s is left uncharged', (sourceTrouble) => {
  const trouble: Partial<Failure> = { scope: 'destination', class: 'unreachable', ours: true, sourceTrouble };
  expect(settled(LISTED, { destination: at(A) }, trouble)).toMatchObject({
    destination: at(B),
    due: ARRIVED + MINUTE,
    attempts: 0,
    avoids: [A],
  });
});

test('what an address that is used up fails with for another reason is not tried at once from the next', () => {
  const sourcePassed: SettleContext['sourcePassed'] = (address) =>
    address === A ? { reason: 'used up', until: ARRIVED + HOUR } : null;
  const outcome = (failed: Partial<Failure>) => ({ kind: 'failed', failure: failure(failed) }) as const;
  const of = (failed: Partial<Failure>) => {
    const context = settling(DIRECT, { sourcePassed });
    const { verdicts } = settle(
      entry(1, { destination: at(A) }),
      one,
      new Map([[0, outcome(failed)]]),
      context,
    );
    return verdicts[0];
  };
  expect(of({ class: 'greylisted' })).toMatchObject({
    entry: { destination: at(B), due: ARRIVED + 2 * MINUTE },
  });
  expect(of({ class: 'unknown-user', permanent: true })).toMatchObject({ kind: 'bounced' });
});

test('a block for good from all addresses of a route with softBounce waits, and is told as such', () => {
  const soft = DIRECT.replace('via: mx', 'via: mx, softBounce: true');
  const before = entry(1, { destination: at(B), attempts: 1, routeAttempts: 1, avoids: [A] });
  const outcome = { kind: 'failed', failure: failure({ ...blocked, permanent: true }) } as const;
  const { verdicts } = settle(before, one, new Map([[0, outcome]]), settling(soft));
  const [verdict] = verdicts;
  expect(verdict).toMatchObject({
    kind: 'deferred',
    entry: { destination: at(A), due: ARRIVED + 6 * MINUTE },
  });
  if (verdict?.kind === 'deferred') expect(isSoftBounce(verdict, before)).toBe(true);
  const first = { ...before, avoids: [] };
  const [early] = settle(first, one, new Map([[0, outcome]]), settling(soft)).verdicts;
  expect(early).toMatchObject({ kind: 'deferred', entry: { destination: at(A), due: ARRIVED + MINUTE } });
  if (early?.kind === 'deferred') expect(isSoftBounce(early, first)).toBe(false);
});

test('a failure of another kind keeps the address', () => {
  expect(settled(LISTED, { destination: at(B) }, { class: 'greylisted' })).toMatchObject({
    destination: at(B),
    due: ARRIVED + 2 * MINUTE,
  });
});

test('an address that is used up is passed over, new mail and old', () => {
  const sourcePassed: SettleContext['sourcePassed'] = (address) =>
    address === A ? { reason: 'used up', until: ARRIVED + HOUR } : null;
  for (const before of [null, { destination: at(A) }]) {
    expect(placed(DIRECT, before, { sourcePassed })?.destination).toBe(at(B));
  }
  const full: SettleContext['sourcePassed'] = () => ({ reason: 'used up', until: ARRIVED + HOUR });
  expect(placed(DIRECT, { destination: at(B) }, { sourcePassed: full })?.destination).toBe(at(B));
});

describe('random stories', () => {
  const context = [1, 2, 3, 4].map((size) => {
    const pool = Array.from({ length: size }, (_, n) => `{ address: 192.0.2.${n}, weight: ${1 + n} }`);
    return settling(LISTED.replace(POOL, `sources: [${pool.join(', ')}]`));
  });

  test.each([1, 2, 3, 4])('of a pool of %i: never too much at once, and placing agrees', (size) => {
    for (let seed = 1; seed <= 200; seed++) {
      const chance = new Chance(seed);
      const mail = { ...one, id: `d206r8j${seed}` };
      const policy = context[size - 1] as SettleContext;
      const [first = ''] = destinationsOf(place(mail, [0], null, policy));
      let before: QueueEntry = entry(1, { id: mail.id, destination: first });
      let [now, counted, atOnce] = [ARRIVED, 0, 0];
      for (let step = 0; step < 20; step++) {
        const failed = anyFailure(chance);
        const at = { ...policy, now };
        if (!failed.ours) counted++;
        const { verdicts, put } = settle(
          before,
          mail,
          new Map([[0, { kind: 'failed', failure: failed }]]),
          at,
        );
        const [next] = put;
        if (!next) {
          expect(verdicts[0]?.kind, `${seed}`).toMatch(/bounced|expired/);
          break;
        }
        expect(next.attempts, `${seed}`).toBe(counted);
        const later = { ...at, now: next.due };
        expect(destinationsOf(place(mail, [0], next, later)), `${seed}`).toEqual([next.destination]);
        if (differInSource(before.destination, next.destination)) {
          expect(isOfSource(failed), `${seed}`).toBe(true);
          const { source } = parseDestination(next.destination);
          const failedBefore = before.avoids?.includes(source ?? '') ?? false;
          expect(next.due > now, `${seed}: later, where it failed before`).toBe(failedBefore);
        }
        atOnce = next.due === now ? atOnce + 1 : 0;
        expect(atOnce, `${seed}`).toBeLessThanOrEqual(size);
        [before, now] = [next, next.due];
      }
    }
  });
});

/** How an attempt may fail, more often than not for the address's sake. */
function anyFailure(chance: Chance): Failure {
  const kinds: Partial<Failure>[] = [
    blocked,
    blocked,
    { ...blocked, permanent: true },
    { class: 'greylisted' },
    { class: 'unreachable', scope: 'destination' },
    { class: 'unreachable', ours: true, sourceTrouble: chance.int(2) === 0 ? 'unfit' : 'missing' },
    { class: 'unknown-user', permanent: chance.int(4) === 0 },
  ];
  return failure(chance.pick(kinds));
}
