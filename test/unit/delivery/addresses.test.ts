import { describe, expect, test } from 'vitest';
import { addressFilter, lookUpAddresses } from '../../../src/delivery/addresses.ts';
import { never, resolverOf } from '../../integration/delivery/setting.ts';

describe('where an MX may point to', () => {
  const mayGoTo = addressFilter(['10.9.0.0/16', '::1']);

  test.each(['192.0.2.1', '8.8.8.8', '2001:db8::1', '2a00:1450::1', '10.9.1.1', '::1'])('%s', (address) => {
    expect(mayGoTo(address)).toBe(true);
  });

  test.each([
    '127.0.0.1',
    '127.8.9.1',
    '10.8.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
  ])('not %s', (address) => {
    expect(mayGoTo(address)).toBe(false);
  });
});

describe('addresses of a host', () => {
  const records = {
    a: { 'both.test': ['192.0.2.1'], 'four.test': ['192.0.2.4'], 'broken6.test': ['192.0.2.5'] },
    aaaa: { 'both.test': ['2001:db8::1'], 'broken6.test': 'SERVFAIL', 'broken.test': 'SERVFAIL' },
  };
  const found = (v4: string[], v6: string[]) => ({ kind: 'found', v4, v6 });

  test.each([
    ['both.test', 'both', found(['192.0.2.1'], ['2001:db8::1'])],
    ['both.test', 4, found(['192.0.2.1'], [])],
    ['both.test', 6, found([], ['2001:db8::1'])],
    ['four.test', 6, { kind: 'none' }],
    ['broken6.test', 'both', found(['192.0.2.5'], [])],
    ['broken.test', 'both', { kind: 'failed', reason: 'SERVFAIL', ours: false }],
    ['absent.test', 'both', { kind: 'none' }],
    ['192.0.2.8', 'both', found(['192.0.2.8'], [])],
    ['2001:db8::8', 'both', found([], ['2001:db8::8'])],
    ['localhost', 'both', found(['127.0.0.1'], ['::1'])],
  ] as const)('%s with ip %s', async (host, ip, expected) => {
    expect(await lookUpAddresses(resolverOf(records), host, ip, never)).toEqual(expected);
  });
});
