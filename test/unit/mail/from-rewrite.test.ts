// Other addresses in From fields: which octets change, and that no other does.
// Runs from-rewrite.ts alone.
// Never a policy: the rewrite is a function of the test's own.
import { describe, expect, test } from 'vitest';
import { fromRewriting, rewriteAddresses } from '../../../src/mail/from-rewrite.ts';

const LAN = /^(.*)@(?:office\.lan|xn--bro-hoa\.lan)$/;

const rewrite = (address: string): string | null => {
  const local = LAN.exec(address)?.[1];
  return local === undefined ? null : `${local}@example.net`;
};

const rewritten = (field: string): string => rewriteAddresses(Buffer.from(field), rewrite).toString();

describe('in a From field', () => {
  test.each([
    ['From: ann@office.lan\r\n', 'From: ann@example.net\r\n'],
    ['From:ann@office.lan', 'From:ann@example.net'],
    ['From: Ann <ann@Office.LAN>\r\n', 'From: Ann <ann@example.net>\r\n'],
    [
      'From: "Ann, <of> office.lan" <Ann.B@office.lan>\r\n',
      'From: "Ann, <of> office.lan" <Ann.B@example.net>\r\n',
    ],
    [
      'From: Ann\r\n\t(at ann@office.lan)\r\n <ann@office.lan>\r\n',
      'From: Ann\r\n\t(at ann@office.lan)\r\n <ann@example.net>\r\n',
    ],
    [
      'From: ann@office.lan (Ann),\r\n Bob <bob@other.example>, cyd@office.lan\r\n',
      'From: ann@example.net (Ann),\r\n Bob <bob@other.example>, cyd@example.net\r\n',
    ],
    [
      'From: Team: ann@office.lan, Bob <bob@office.lan>;\r\n',
      'From: Team: ann@example.net, Bob <bob@example.net>;\r\n',
    ],
    ['From: "a b"@office.lan\r\n', 'From: "a b"@example.net\r\n'],
    ['From: Ännchen <ann@büro.lan>\r\n', 'From: Ännchen <ann@example.net>\r\n'],
    ['From: "never closed <ann@office.lan>\r\n', 'From: "never closed <ann@example.net>\r\n'],
    ['From: =?utf-8?q?=C3=84?= <ann@office.lan>\r\n', 'From: =?utf-8?q?=C3=84?= <ann@example.net>\r\n'],
  ])('%j becomes %j', (field, expected) => expect(rewritten(field)).toBe(expected));

  test.each([
    'From: ann@other.example\r\n',
    'From: ann@notoffice.lan\r\n',
    'From: ann at office.lan\r\n',
    'From: "ann@office.lan" <ann@other.example>\r\n',
    'From: <>\r\n',
    'From: \r\n',
  ])('%j stays, and is not copied', (field) => {
    const octets = Buffer.from(field);
    expect(rewriteAddresses(octets, rewrite)).toBe(octets);
  });
});

test('every From field of the header changes and nothing else, wherever chunks end', () => {
  const content =
    'To: x@office.lan\r\nFrom: Ann\r\n <ann@office.lan>\r\nReply-To: a@office.lan\r\nfrom : b@office.lan\r\n\r\nFrom: c@office.lan\r\n';
  const expected =
    'To: x@office.lan\r\nFrom: Ann\r\n <ann@example.net>\r\nReply-To: a@office.lan\r\nfrom : b@example.net\r\n\r\nFrom: c@office.lan\r\n';
  const data = Buffer.from(content);
  for (let size = 1; size <= data.length; size++) {
    const filter = fromRewriting(rewrite);
    const out: Buffer[] = [];
    for (let at = 0; at < data.length; at += size) out.push(...filter.push(data.subarray(at, at + size)));
    expect(Buffer.concat([...out, ...filter.end()]).toString(), `by ${size}`).toBe(expected);
  }
});

test('a header of nothing but From fields is looked at no further than a few', () => {
  const field = 'From: ann@office.lan\r\n';
  const filter = fromRewriting(rewrite);
  const out = [...filter.push(Buffer.from(`${field.repeat(1000)}\r\n`)), ...filter.end()];
  expect(
    Buffer.concat(out)
      .toString()
      .match(/example\.net/g),
  ).toHaveLength(3);
});
