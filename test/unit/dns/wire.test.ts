// What an answer's bytes say, and that no bytes at all make the reader throw.
import { type Answer, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import type { Question, RecordType } from '../../../src/dns/question.ts';
import { decodeAnswer, encodeQuestion } from '../../../src/dns/wire.ts';

const ID = 4711;
const mx: Question<'MX'> = { name: 'example.org', type: 'MX' };
const a: Question<'A'> = { name: 'example.org', type: 'A' };
const soa = (ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name: 'org',
  ttl,
  data: { mname: 'ns.org', rname: 'hostmaster.org', minimum },
});
const cname = (name: string, data: string, ttl = 300): Answer => ({ type: 'CNAME', name, ttl, data });
const address = (name: string, data: string, ttl = 300): Answer => ({ type: 'A', name, ttl, data });

function bytes(question: Question, message: Packet): Buffer {
  return encode({ type: 'response', id: ID, questions: [question], ...message });
}

function read<T extends RecordType>(question: Question<T>, message: Packet) {
  return decodeAnswer(bytes(question, message), ID, question);
}

test('a question is recursive, asks for the AD flag, and offers 1232 octets by EDNS0', () => {
  const query = decode(encodeQuestion(ID, mx, true));
  expect(query).toMatchObject({ id: ID, type: 'query', flag_rd: true, flag_ad: true });
  expect(query.questions).toEqual([{ name: 'example.org', type: 'MX', class: 'IN' }]);
  expect(query.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232, flag_do: false }]);
  expect(decode(encodeQuestion(ID, mx, false)).additionals).toEqual([]);
});

describe('records', () => {
  test('MX in lower case, with the least TTL and the AD flag', () => {
    const record = (ttl: number, preference: number, exchange: string): Answer => ({
      type: 'MX',
      name: 'Example.ORG',
      ttl,
      data: { preference, exchange },
    });
    const answers = [record(600, 10, 'MX1.Example.org'), record(300, 20, 'mx2.example.org')];
    expect(read(mx, { flags: 0x20, answers })).toEqual({
      kind: 'records',
      records: [
        { preference: 10, exchange: 'mx1.example.org' },
        { preference: 20, exchange: 'mx2.example.org' },
      ],
      ttl: 300,
      authenticated: true,
    });
  });

  test('the null MX has an empty exchange', () => {
    const answers: Answer[] = [
      { type: 'MX', name: 'example.org', ttl: 60, data: { preference: 0, exchange: '.' } },
    ];
    expect(read(mx, { answers })).toMatchObject({ records: [{ preference: 0, exchange: '' }] });
  });

  test('an exchange that is no name is left out; when none remains, that is not the absence of MX', () => {
    const record = (exchange: string): Answer => ({
      type: 'MX',
      name: 'example.org',
      ttl: 60,
      data: { preference: 5, exchange },
    });
    expect(read(mx, { answers: [record('a b.example'), record('mx.example')] })).toMatchObject({
      records: [{ exchange: 'mx.example' }],
    });
    expect(read(mx, { answers: [record('a\r\nb.example')] })).toMatchObject({ kind: 'error' });
  });

  test('records of other names do not count', () => {
    expect(read(a, { answers: [address('other.org', '192.0.2.1')], authorities: [soa(60, 60)] })).toEqual({
      kind: 'no-data',
      ttl: 60,
    });
  });

  test('a TTL with its top bit set is zero (RFC 2181 §8)', () => {
    expect(read(a, { answers: [address('example.org', '192.0.2.1', 0x80000001)] })).toMatchObject({ ttl: 0 });
  });
});

describe('aliases', () => {
  test('are followed within the answer, in any order, and lower the TTL', () => {
    const answers = [
      address('c.test', '192.0.2.1', 900),
      cname('B.test', 'c.test', 30),
      cname('example.org', 'b.test', 600),
    ];
    expect(read(a, { answers })).toMatchObject({ kind: 'records', records: ['192.0.2.1'], ttl: 30 });
  });

  test('that leave the answer say where to ask on', () => {
    expect(read(a, { answers: [cname('example.org', 'Other.net', 30)] })).toMatchObject({
      kind: 'alias',
      target: 'other.net',
      hops: 1,
      ttl: 30,
    });
  });

  test('to a name without such records are no data, to none at all NXDOMAIN (RFC 6604)', () => {
    const answers = [cname('example.org', 'other.net', 30)];
    expect(read(a, { answers, authorities: [soa(600, 60)] })).toEqual({ kind: 'no-data', ttl: 30 });
    expect(read(a, { flags: 3, answers, authorities: [soa(600, 60)] })).toEqual({
      kind: 'nxdomain',
      ttl: 30,
    });
  });

  test('in a loop, in a row of more than 8, or to what is no name, are errors', () => {
    const loop = [cname('example.org', 'b.test'), cname('b.test', 'example.org')];
    expect(read(a, { answers: loop })).toMatchObject({
      kind: 'error',
      reason: expect.stringMatching(/loop/),
    });
    const row = (length: number) => [
      cname('example.org', 'n1.test'),
      ...Array.from({ length: length - 1 }, (_, i) => cname(`n${i + 1}.test`, `n${i + 2}.test`)),
      address(`n${length}.test`, '192.0.2.1'),
    ];
    expect(read(a, { answers: row(8) })).toMatchObject({ kind: 'records' });
    expect(read(a, { answers: row(9) })).toMatchObject({ kind: 'error' });
    expect(read(a, { answers: [cname('example.org', 'not a name')] })).toMatchObject({ kind: 'error' });
  });
});

describe('absence', () => {
  test('lasts for the lesser of the SOA TTL and its minimum (RFC 2308 §5)', () => {
    expect(read(mx, { flags: 3, authorities: [soa(600, 60)] })).toEqual({ kind: 'nxdomain', ttl: 60 });
    expect(read(mx, { authorities: [soa(30, 60)] })).toEqual({ kind: 'no-data', ttl: 30 });
  });

  test('without an SOA is for this moment only', () => {
    expect(read(mx, { flags: 3 })).toEqual({ kind: 'nxdomain', ttl: 0 });
    expect(read(mx, {})).toEqual({ kind: 'no-data', ttl: 0 });
  });

  test('is not what a referral says', () => {
    const authorities: Answer[] = [{ type: 'NS', name: 'org', ttl: 60, data: 'ns.org' }];
    expect(read(mx, { authorities })).toMatchObject({ kind: 'error' });
  });
});

describe('errors', () => {
  test.each([
    [2, 'SERVFAIL'],
    [5, 'REFUSED'],
    [9, 'rcode 9'],
  ])('rcode %i is an error', (flags, reason) => {
    expect(read(mx, { flags })).toEqual({ kind: 'error', reason });
  });

  test('an extended rcode is not NOERROR', () => {
    const additionals: Answer[] = [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        extendedRcode: 1,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ];
    expect(read(mx, { additionals })).toEqual({ kind: 'error', reason: 'BADVERS' });
  });

  test('a bare header is taken for FORMERR alone', () => {
    expect(read(mx, { flags: 1, questions: [] })).toEqual({ kind: 'error', reason: 'FORMERR' });
    expect(read(mx, { flags: 3, questions: [] })).toMatchObject({ kind: 'unusable' });
  });

  test('TC is seen before the rest is read', () => {
    expect(read(mx, { flags: TRUNCATED_RESPONSE })).toEqual({ kind: 'truncated' });
  });
});

describe('what is no answer to the question', () => {
  const answers = [address('example.org', '192.0.2.1')];
  test.each<[string, Packet]>([
    ['another id', { id: ID + 1, answers }],
    ['another name', { questions: [{ name: 'example.net', type: 'A' }], answers }],
    ['another type', { questions: [{ name: 'example.org', type: 'AAAA' }], answers }],
    ['another class', { questions: [{ name: 'example.org', type: 'A', class: 'CH' }], answers }],
    ['two questions', { questions: [a, a], answers }],
    ['a query', { type: 'query', answers }],
    ['another opcode', { flags: 4 << 11, answers }],
  ])('%s', (_, message) => {
    expect(read(a, message)).toMatchObject({ kind: 'unusable' });
  });

  test('the question may come back in other letters', () => {
    expect(read(a, { questions: [{ name: 'EXAMPLE.org', type: 'A' }], answers })).toMatchObject({
      kind: 'records',
    });
  });

  test('a message cut anywhere, or with any octet changed, never makes the reader throw', () => {
    const whole = bytes(mx, {
      answers: [
        cname('example.org', 'b.test'),
        { type: 'MX', name: 'b.test', ttl: 60, data: { preference: 10, exchange: 'mx.b.test' } },
      ],
      authorities: [soa(60, 60)],
    });
    for (let length = 0; length < whole.length; length++)
      expect(decodeAnswer(whole.subarray(0, length), ID, mx)).toMatchObject({ kind: 'unusable' });
    for (let at = 0; at < whole.length; at++) {
      for (const octet of [0x00, 0x3f, 0x7f, 0xc0, 0xff]) {
        const changed = Buffer.from(whole);
        changed[at] = octet;
        expect(decodeAnswer(changed, ID, mx)).toHaveProperty('kind');
      }
    }
  });
});
