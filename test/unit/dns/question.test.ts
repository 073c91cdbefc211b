// Which names the DNS can hold.
import { expect, test } from 'vitest';
import { isName } from '../../../src/dns/question.ts';

const label = 'a'.repeat(63);

test.each([
  ['example.org', true],
  ['localhost', true],
  ['_25._tcp.mx.example.org', true],
  ['xn--bcher-kva.example', true],
  [`${label}.example`, true],
  [`${label}a.example`, false],
  [`${label}.${label}.${label}.${'a'.repeat(61)}`, true],
  [`${label}.${label}.${label}.${'a'.repeat(62)}`, false],
  ['', false],
  ['.', false],
  ['a..b', false],
  ['.example.org', false],
  ['example.org.', false],
  ['ex ample.org', false],
  ['example.org\r\n', false],
  ['bücher.example', false],
])('%j: %s', (name, valid) => {
  expect(isName(name)).toBe(valid);
});
