// Addresses in a From field: what people, programs and attackers write there.
// Runs address-list.ts alone.
// Never judges whether an address can be delivered to.
import { expect, test } from 'vitest';
import { addressesIn } from '../../../src/mail/address-list.ts';

test.each([
  ['ann@example.net', ['ann@example.net']],
  ['Ann <ann@example.net>', ['ann@example.net']],
  ['"Ann, Bob <x@y.example>" <ann@example.net>', ['ann@example.net']],
  ['"a \\" b" <ann@example.net>', ['ann@example.net']],
  [
    'Ann <ann@example.net>, bob@example.org , C <c@example.com>',
    ['ann@example.net', 'bob@example.org', 'c@example.com'],
  ],
  [
    'team: ann@example.net, Bob <bob@example.org>; , c@example.com',
    ['ann@example.net', 'bob@example.org', 'c@example.com'],
  ],
  ['Undisclosed:;', []],
  ['ann@example.net (Ann, at <home@x.example> (really))', ['ann@example.net']],
  ['(x@y.example) ann (c) @ (d) example . net', ['ann@example.net']],
  ['"ann b"@example.net', ['"ann b"@example.net']],
  ['ann.b . c@example.net', ['ann.b.c@example.net']],
  ['Ann <@a.example,@b.example:ann@example.net>', ['ann@example.net']],
  ['ann@[192.0.2.1]', ['ann@[192.0.2.1]']],
  ['<ann@[IPv6:2001:db8::1]>', ['ann@[IPv6:2001:db8::1]']],
  ['Re: Ann <ann@example.net>', ['ann@example.net']],
  ['Ann Smith ann@example.net', ['ann@example.net']],
  ['Ann <ann@example.net', ['ann@example.net']],
  ['"Ann <ann@example.net>', ['ann@example.net']],
  ['Ann (at home <ann@example.net>', ['ann@example.net']],
  ['ann@example.net via list <list@example.org>', ['list@example.org']],
  ['Ann <Ann@Example.NET> <b@example.org>', ['b@example.org']],
  ['=?utf-8?q?A=2C_B?= <ann@example.net>', ['ann@example.net']],
  ['jürgen@bücher.example', ['jürgen@bücher.example']],
  ['a@b@c.example', ['b@c.example']],
  ['ann@', []],
  ['@example.net', []],
  ['<>', []],
  ['ann', []],
  ['', []],
])('%s', (value, addresses) => {
  expect(addressesIn(value).map(({ address }) => address)).toEqual(addresses);
});

test('an address is told with its place', () => {
  const value = 'Ann <ann@example.net>, (c) bob @ example.org';
  const places = addressesIn(value).map(({ start, end }) => value.slice(start, end));
  expect(places).toEqual(['ann@example.net', 'bob @ example.org']);
});

test.each(['"', '(', '[', '\\"', '<', '<<@', 'a@b,', '(a"', '( ', '" ', '@.', ':', '"a"', '(a)'])(
  'a hundred thousand times %s takes no time',
  (part) => {
    const before = performance.now();
    addressesIn(part.repeat(100_000));
    expect(performance.now() - before).toBeLessThan(1_000);
  },
);
