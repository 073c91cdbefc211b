import { describe, expect, it } from 'vitest';
import {
  addressIn,
  checkMailParameters,
  checkRcptParameters,
  parseCommand,
  parsePathCommand,
} from '../../../src/relay/command.ts';

describe('a command line', () => {
  it.each([
    ['QUIT', 'QUIT', ''],
    ['quit ', 'QUIT', ''],
    ['ehlo  a.example ', 'EHLO', 'a.example'],
    ['MAIL\tFROM:<>', 'MAIL', 'FROM:<>'],
    ['', '', ''],
  ])('%j', (line, verb, argument) => expect(parseCommand(Buffer.from(line))).toEqual({ verb, argument }));

  it.each(['RSET\r', 'RS\0ET', 'NOOP \u0007', 'NOOP \x7f'])('%j is none', (line) =>
    expect(parseCommand(Buffer.from(line))).toBeNull(),
  );
});

describe('MAIL and RCPT', () => {
  it('takes path and parameters apart', () => {
    expect(parsePathCommand('FROM:<a@b.example> SIZE=10  body=8BitMime FLAG', 'FROM')).toEqual({
      path: { kind: 'address', address: 'a@b.example' },
      parameters: [
        ['SIZE', '10'],
        ['BODY', '8BitMime'],
        ['FLAG', null],
      ],
    });
  });

  it.each(['from:<a@b.example>', 'FROM: <a@b.example>', 'FROM :<a@b.example>', 'FROM:a@b.example'])(
    'lets pass %s',
    (argument) =>
      expect(parsePathCommand(argument, 'FROM')).toMatchObject({ path: { address: 'a@b.example' } }),
  );

  it.each([
    '',
    'FROM',
    'FROM:',
    'TO:<a@b.example>',
    '<a@b.example>',
    'FROM:<a@b.example>junk',
    'FROM:<a@b.example>SIZE=1',
    'FROM:<a@b.example> SIZE=1 SIZE=2',
    'FROM:<a@b.example> =1',
    'FROM:<a@b.example> SIZE=',
    'FROM:<a@b.example> SIZE=1=2',
    'FROM:<a@b.example',
  ])('refuses %j', (argument) => expect(parsePathCommand(argument, 'FROM')).toMatchObject({ code: 501 }));
});

describe('parameters', () => {
  it.each<[string, string | null, number | null]>([
    ['SIZE', '1000', null],
    ['SIZE', '1001', 552],
    ['SIZE', '99999999999999999999', 552],
    ['SIZE', '999999999999999999999', 501],
    ['SIZE', '-1', 501],
    ['SIZE', null, 501],
    ['BODY', '7bit', null],
    ['BODY', '8BITMIME', null],
    ['BODY', 'BINARYMIME', 501],
    ['BODY', null, 501],
    ['SMTPUTF8', null, 555],
    ['RET', 'FULL', 555],
    ['ENVID', 'x', 555],
    ['AUTH', '<>', 555],
    ['REQUIRETLS', null, 555],
  ])('MAIL %s=%s: %s', (keyword, value, code) =>
    expect(checkMailParameters([[keyword, value]], 1000)?.code ?? null).toBe(code),
  );

  it('RCPT has none', () => {
    expect(checkRcptParameters([])).toBeNull();
    expect(checkRcptParameters([['NOTIFY', 'NEVER']])).toMatchObject({ code: 555, enhanced: '5.5.4' });
  });
});

it.each([
  ['TO:<bob@example.org>', 'bob@example.org'],
  ['FROM: <ann@example.net> SIZE=12 AUTH=<>', 'ann@example.net'],
  ['FROM:<>', ''],
  ['TO:<"a>b"@example.org>', '"a>b"@example.org'],
  ['TO:bob@example.org x', 'bob@example.org'],
  ['TO:<bob@example.org', '<bob@example.org'],
])('a refusal of %s is logged for %s', (argument, address) => expect(addressIn(argument)).toBe(address));
