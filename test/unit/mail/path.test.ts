import { describe, expect, it } from 'vitest';
import { type Path, parsePath, pathEnd } from '../../../src/mail/path.ts';

const address = (text: string): string => {
  const path = parsePath(text);
  if (path.kind !== 'address') throw new Error(`${text}: ${JSON.stringify(path)}`);
  return path.address;
};

describe('an address in its normal form', () => {
  it.each([
    ['<a@b.example>', 'a@b.example'],
    ['<C@D.Example>', 'C@d.example'],
    ['a@b.example', 'a@b.example'],
    ['<"a b"@d.example>', '"a b"@d.example'],
    ['<"ab"@d.example>', 'ab@d.example'],
    ['<"a.b"@d.example>', 'a.b@d.example'],
    ['<"a..b"@d.example>', '"a..b"@d.example'],
    ['<"a@b"@d.example>', '"a@b"@d.example'],
    ['<"a>b"@d.example>', '"a>b"@d.example'],
    ['<"a\\"b"@d.example>', '"a\\"b"@d.example'],
    ['<"a\\\\b"@d.example>', '"a\\\\b"@d.example'],
    ['<"\\a"@d.example>', 'a@d.example'],
    ['<""@d.example>', '""@d.example'],
    ["<a+b=c!#$%&'*/?^_`{|}~-@d.example>", "a+b=c!#$%&'*/?^_`{|}~-@d.example"],
    ['<@one.example,@two.example:a@b.example>', 'a@b.example'],
    ['<a@[192.0.2.1]>', 'a@[192.0.2.1]'],
    ['<a@[IPv6:2001:DB8::1]>', 'a@[ipv6:2001:db8::1]'],
    ['<a@localhost>', 'a@localhost'],
    ['<a@under_score.example>', 'a@under_score.example'],
    ['<a@xn--bcher-kva.example>', 'a@xn--bcher-kva.example'],
    ['<a@BÜCHER.example>', 'a@xn--bcher-kva.example'],
  ])('%s is %s', (text, expected) => expect(address(text)).toBe(expected));

  it('takes parts that are as long as they may be', () => {
    expect(address(`<${'a'.repeat(64)}@b.example>`)).toHaveLength(74);
    const domain = `${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(60)}`;
    expect(address(`<${'a'.repeat(64)}@${domain}>`).length).toBe(253);
  });
});

describe('what is no address', () => {
  it.each([
    ['<a@b.example'],
    ['a@b.example>'],
    ['<a b@c.example>'],
    ['<a..b@c.example>'],
    ['<.a@c.example>'],
    ['<a.@c.example>'],
    ['<@c.example>'],
    ['<a@>'],
    ['<a@b@c.example>'],
    ['<a@c..example>'],
    ['<a@.example>'],
    ['<a@c.example.>'],
    ['<a@-c.example>'],
    ['<a@c d.example>'],
    [`<a@${'d'.repeat(64)}.example>`],
    ['<a@[192.0.2.256]>'],
    ['<a@[IPv6:192.0.2.1]>'],
    ['<a@[192.0.2.1>'],
    ['<a@[x400:c=us]>'],
    ['<"a"b@c.example>'],
    ['<"a@c.example>'],
    ['<"a\u0001"@c.example>'],
    ['<<a@c.example>>'],
  ])('%s', (text) => expect(parsePath(text)).toEqual({ kind: 'bad', why: 'syntax' }));

  it.each([
    [`<${'a'.repeat(65)}@b.example>`],
    [`<a@${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(63)}>`],
    [`<${'a'.repeat(64)}@${'d'.repeat(63)}.${'d'.repeat(63)}.${'d'.repeat(63)}>`],
  ])('too long: %s', (text) => expect(parsePath(text)).toEqual({ kind: 'bad', why: 'too-long' }));

  it.each([['<jörg@b.example>'], ['<"jörg"@b.example>'], ['<用户@例子.example>'], ['<jörg>']])(
    'not ASCII: %s',
    (text) => expect(parsePath(text)).toEqual({ kind: 'bad', why: 'utf8' }),
  );
});

describe('special paths', () => {
  it.each<[string, Path]>([
    ['<>', { kind: 'null' }],
    ['<Postmaster>', { kind: 'unqualified', local: 'Postmaster' }],
    ['root', { kind: 'unqualified', local: 'root' }],
    ['', { kind: 'bad', why: 'syntax' }],
  ])('%s', (text, expected) => expect(parsePath(text)).toEqual(expected));
});

describe('the end of a path', () => {
  it.each([
    ['<a@b> SIZE=1', 5],
    ['<"a>b"@c> X', 9],
    ['<"a\\">b"@c>', 11],
    ['a@b SIZE=1', 3],
    ['a@b', 3],
    ['<a@b', -1],
    ['<"a>', -1],
  ])('%s: %i', (text, end) => expect(pathEnd(text)).toBe(end));
});
