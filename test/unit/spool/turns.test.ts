// Whose turn it is: the shares of the three priorities, wherever one begins, and what is given back.
import { expect, test } from 'vitest';
import { type Priority, priorities } from '../../../src/queue/entry.ts';
import { Turns } from '../../../src/spool/turns.ts';

const SOME = ['high', 'normal', 'low'] as const;

/** Whom `count` claims serve when these have mail, each claim given back as often as `givesBack` says. */
function served(turns: Turns, count: number, have: readonly Priority[] = SOME, givesBack = 0): Priority[] {
  const next = (): Priority => turns.order().find((priority) => have.includes(priority)) as Priority;
  return Array.from({ length: count }, () => {
    for (let i = 0; i < givesBack; i++) {
      const priority = next();
      turns.taken();
      turns.givenBack(priority);
    }
    const priority = next();
    turns.taken();
    return priority;
  });
}

function shares(given: readonly Priority[]): number[] {
  return priorities.map((priority) => given.filter((one) => one === priority).length);
}

test.each([0, 0.05, 0.5, 0.61, 0.99])('of ten claims six, three and one, begun at %d', (start) => {
  const turns = new Turns(() => start);
  for (let i = 0; i < 5; i++) expect(shares(served(turns, 10))).toEqual([6, 3, 1]);
});

test('a first claim is any of the ten', () => {
  const firsts = Array.from({ length: 10 }, (_, i) => served(new Turns(() => i / 10), 1)).flat();
  expect(shares(firsts)).toEqual([6, 3, 1]);
});

test.each([
  [
    ['high', 'low'],
    [9, 0, 1],
  ],
  [
    ['normal', 'low'],
    [0, 9, 1],
  ],
  [
    ['high', 'normal'],
    [7, 3, 0],
  ],
  [['low'], [0, 0, 10]],
] as const)('where only %j have mail the shares are %j', (have, expected) => {
  expect(shares(served(new Turns(() => 0), 10, have))).toEqual(expected);
});

test.each([1, 2, 3])(
  'claims that come to nothing, %i for each that does, take nobody’s turn',
  (givesBack) => {
    expect(shares(served(new Turns(() => 0), 100, SOME, givesBack))).toEqual([60, 30, 10]);
  },
);

test('of several at work, each gives back its own turn', () => {
  const turns = new Turns(() => 0);
  const underWay = served(turns, 7);
  for (const priority of underWay) turns.givenBack(priority);
  expect(shares(served(turns, 10))).toEqual([6, 3, 1]);
});
