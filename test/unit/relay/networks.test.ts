import { expect, it } from 'vitest';
import { clientAddress, trustedNetworks } from '../../../src/relay/networks.ts';

it.each([
  ['127.0.0.1', true],
  ['127.255.255.255', true],
  ['128.0.0.1', false],
  ['::1', true],
  ['::2', false],
  ['192.0.2.7', true],
  ['192.0.2.8', false],
  ['2001:db8::ffff', true],
  ['2001:db9::1', false],
  ['::ffff:127.0.0.1', true],
  ['', false],
])('%s: %s', (address, trusted) => {
  const networks = trustedNetworks(['127.0.0.0/8', '::1', '192.0.2.7', '2001:db8::/32']);
  expect(networks(address)).toBe(trusted);
});

it.each([
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['2001:db8::1', '2001:db8::1'],
  [undefined, ''],
])('%s is known as %s', (remote, address) => expect(clientAddress(remote)).toBe(address));
