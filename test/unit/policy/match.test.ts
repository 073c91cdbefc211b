// Address patterns: what each kind matches, and that a set agrees with its patterns one by one.
// Runs match.ts alone.
// Never times anything: a set is look-ups, whatever it holds.
import { expect, test } from 'vitest';
import {
  AddressSet,
  DomainSet,
  parseAddressPattern,
  patternText,
  subjectOf,
} from '../../../src/policy/match.ts';

function matches(pattern: string, address: string): boolean {
  const parsed = parseAddressPattern(pattern);
  if (parsed === null) throw new Error(`${pattern} is no pattern`);
  return new AddressSet([parsed]).has(subjectOf(address));
}

test.each([
  ['ann@example.net', 'ann@example.net', true],
  ['Ann@Example.NET', 'aNN@example.net', true],
  ['ann@example.net', 'ann@mail.example.net', false],
  ['ann@example.net', 'joann@example.net', false],
  ['example.net', 'ann@example.net', true],
  ['example.net', 'ann@mail.example.net', false],
  ['example.net', 'ann@notexample.net', false],
  ['*.example.net', 'ann@mail.example.net', true],
  ['*.example.net', 'ann@a.b.example.net', true],
  ['*.example.net', 'ann@example.net', false],
  ['*.example.net', 'ann@notexample.net', false],
  ['*.example.net', 'example.net@other.example', false],
  ['root@*', 'ROOT@anywhere.example', true],
  ['root@*', 'toor@anywhere.example', false],
  ['root@*', 'root', false],
  ['<>', '', true],
  ['<>', 'ann@example.net', false],
  ['example.net', '', false],
  ['*.example.net', '', false],
  ['"a b@c"@example.net', '"a b@c"@example.net', true],
  ['example.net', '"a@other.example"@example.net', true],
  ['bücher.example', 'ann@xn--bcher-kva.example', true],
  ['ann@[192.0.2.1]', 'ann@[192.0.2.1]', true],
  ['[192.0.2.1]', 'ann@[192.0.2.1]', true],
])('%s and %s: %s', (pattern, address, expected) => {
  expect(matches(pattern, address)).toBe(expected);
});

test.each([
  '',
  '*',
  '*@example.net',
  '@example.net',
  'ann@',
  '*.',
  '*.*.example',
  'a*.example',
  'ann@*.example',
  'a b',
  'x@y@',
])('%j is no pattern', (text) => {
  expect(parseAddressPattern(text)).toBeNull();
});

test('a pattern is written as it is read', () => {
  for (const text of ['ann@example.net', 'example.net', '*.example.net', 'root@*', '<>']) {
    const pattern = parseAddressPattern(text);
    expect(pattern && patternText(pattern)).toBe(text);
  }
});

test('a set matches what any of its patterns matches', () => {
  const texts = ['ann@a.example', 'b.example', '*.b.example', 'root@*', '<>', '*.c.example'];
  const patterns = texts.map((text) => parseAddressPattern(text)).filter((pattern) => pattern !== null);
  const all = new AddressSet(patterns);
  for (const local of ['ann', 'root', 'bob'])
    for (const domain of [
      'a.example',
      'b.example',
      'x.b.example',
      'c.example',
      'y.x.c.example',
      'd.example',
    ]) {
      const subject = subjectOf(`${local}@${domain}`);
      const one = patterns.some((pattern) => new AddressSet([pattern]).has(subject));
      expect([subject.address, all.has(subject)]).toEqual([subject.address, one]);
    }
});

test('domains are looked up without an address too', () => {
  const hosts = new DomainSet([
    { kind: 'below', domain: 'google.com' },
    { kind: 'domain', domain: 'mx.example.net' },
  ]);
  expect(
    ['aspmx.l.google.com', 'google.com', 'mx.example.net', 'a.mx.example.net'].map((host) => hosts.has(host)),
  ).toEqual([true, false, true, false]);
});
