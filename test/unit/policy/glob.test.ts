// Patterns with stars: what fits, and that no pattern and no text makes them slow.
// Runs glob.ts alone; conditions.test.ts holds it against a model.
// Never looks at a header.
import { expect, test } from 'vitest';
import { fits, parseGlob } from '../../../src/policy/glob.ts';

test.each([
  ['Invoice', 'invoice', true],
  ['invoice', 'invoices', false],
  ['inv*', 'invoice', true],
  ['*ice', 'invoice', true],
  ['in*ice', 'inice', true],
  ['ab*ba', 'aba', false],
  ['*', '', true],
  ['**', 'x', true],
  ['a**b', 'ab', true],
  ['*a*b*', 'b a', false],
  ['[x].*', '[x].y', true],
  ['.*', 'xy', false],
])('%s and %s: %s', (glob, text, expected) => {
  expect(fits(parseGlob(glob), text)).toBe(expected);
});

test.each([
  ['many stars', '*a'.repeat(100), `${'a'.repeat(200_000)}b`, false],
  ['many stars and an end that is not there', `${'a*'.repeat(100)}b`, 'a'.repeat(200_000), false],
  ['a part that almost fits everywhere', `*${'a'.repeat(200)}b*`, 'a'.repeat(200_000), false],
  ['a part that fails at its beginning', `*b${'a'.repeat(200)}*`, 'a'.repeat(200_000), false],
  ['a part that is everywhere', `*${'ab'.repeat(100)}*c`, 'ab'.repeat(100_000), false],
])('%s: no exponential time, no quadratic one', (_, glob, text, expected) => {
  const pattern = parseGlob(glob);
  const before = performance.now();
  expect(fits(pattern, text)).toBe(expected);
  // One look at each character for each of the pattern is 40 million steps; the square of the text would be 40 billion.
  expect(performance.now() - before).toBeLessThan(1_000);
});
