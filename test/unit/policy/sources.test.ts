// Which address of a pool a message leaves from: shares, constancy, and what speaks against an address.
import { describe, expect, test } from 'vitest';
import { chooseSource, type PoolState } from '../../../src/policy/sources.ts';

const source = (address: string, weight = 1) => ({ address, ehlo: null, weight });
const [A, B, C] = ['192.0.2.10', '192.0.2.11', '2001:db8::10'] as const;

function state(changes: Partial<PoolState> = {}): PoolState {
  const quiet = { avoided: [], isShut: () => false, passed: () => null };
  return { present: null, inDoubt: false, ...quiet, ...changes };
}

/** Ids of the same seconds, as a busy daemon gives them. */
const ids = Array.from({ length: 20_000 }, (_, n) => `d206r8j${n.toString(36).padStart(5, '0')}`);

const shareOf = (pool: readonly ReturnType<typeof source>[]) => {
  const counts = new Map<string | null, number>();
  for (const id of ids) {
    const { address } = chooseSource(pool, id, state());
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  return (address: string) => (counts.get(address) ?? 0) / ids.length;
};

describe('the own address of a message', () => {
  test.each([[[1, 1, 1]], [[3, 1, 1]], [[100, 10, 1]]])('is drawn by weight: %j', (weights) => {
    const pool = [A, B, C].map((address, n) => source(address, weights[n]));
    const share = shareOf(pool);
    const whole = weights.reduce((a, b) => a + b);
    for (const { address, weight } of pool) {
      expect(Math.abs(share(address) - weight / whole), address).toBeLessThan(0.01);
    }
  });

  test('is the same each time, and another one only where its own is gone', () => {
    const all = [source(A, 2), source(B), source(C)];
    const moved = ids.filter((id) => {
      const before = chooseSource(all, id, state()).address;
      expect(chooseSource(all.toReversed(), id, state()).address).toBe(before);
      const after = chooseSource([source(A, 2), source(C)], id, state()).address;
      if (before !== B) expect(after).toBe(before);
      return after !== before;
    });
    expect(moved.length / ids.length).toBeCloseTo(0.25, 1);
  });

  test('is the system’s choice where the route names none', () => {
    expect(chooseSource([], 'x', state())).toEqual({ address: null, isFresh: false, reason: null });
  });
});

describe('what speaks against an address', () => {
  const pool = [source(A), source(B), source(C)];
  const own = ids.find((id) => chooseSource(pool, id, state()).address === A) ?? '';
  const usedUp = (...addresses: readonly string[]): Partial<PoolState> => ({
    passed: (address) => {
      const index = addresses.indexOf(address);
      return index < 0 ? null : { reason: 'used up', until: 10 - index };
    },
  });
  const shut = (...addresses: readonly string[]): Partial<PoolState> => ({
    isShut: (address) => addresses.includes(address),
  });
  const choice = (changes: Partial<PoolState>) => chooseSource(pool, own, state(changes));

  test.each<[what: string, changes: Partial<PoolState>, address: string, isFresh: boolean]>([
    ['nothing', {}, A, true],
    ['the present one stays', { present: B }, B, true],
    ['one that the route has no more does not', { present: '192.0.2.99' }, A, true],
    ['a block of the present one', { present: B, avoided: [B] }, A, true],
    ['blocks of all but one', { present: B, avoided: [A, B] }, C, true],
    ['blocks of all: the oldest has its turn', { present: B, avoided: [C, A, B] }, C, false],
    [
      'all blocked, of some the door alone: they come first',
      { present: B, avoided: [A, B], ...shut(C) },
      C,
      false,
    ],
    ['all doors: the present one', { present: B, ...shut(A, B, C) }, B, false],
    ['doubt keeps a blocked one', { present: B, avoided: [B], inDoubt: true }, B, false],
    ['doubt keeps one that is used up', { present: B, inDoubt: true, ...usedUp(B) }, B, false],
    ['doubt about one that is gone keeps nothing', { present: '192.0.2.99', inDoubt: true }, A, true],
    ['used up is left for one that is not', { present: B, ...usedUp(B) }, A, true],
    ['used up counts before blocked', { present: B, avoided: [A, C], ...usedUp(B) }, A, false],
    ['all used up: the one that opens first', { present: B, ...usedUp(A, B, C) }, C, false],
  ])('%s', (_, changes, address, isFresh) => {
    expect(choice(changes)).toMatchObject({ address, isFresh });
  });

  test('and the words for it', () => {
    expect(choice({ present: B }).reason).toBeNull();
    expect(choice({ present: B, ...usedUp(B) }).reason).toBe(`from ${A}: used up`);
    expect(choice({ avoided: [A] }).reason).toMatch(new RegExp(`: ${A} is blocked there or cannot be used$`));
  });
});
