// Networks, endpoints, domains and addresses as people write them, and how far a network reaches.
// Runs network.ts alone.
// Never resolves a name.
import { expect, test } from 'vitest';
import {
  isLoopback,
  type Network,
  parseAddress,
  parseDomain,
  parseEndpoint,
  parseNetwork,
  reachesTooFar,
} from '../../../src/config/network.ts';

test.each([
  ['10.0.0.0/8', '10.0.0.0', 8],
  ['192.0.2.7', '192.0.2.7', 32],
  ['::1', '::1', 128],
  ['2001:db8::/32', '2001:db8::', 32],
])('%s is a network', (text, address, prefix) => {
  expect(parseNetwork(text)).toMatchObject({ address, prefix });
});

test.each([
  '10.0.0.0/33',
  '10.0.0',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  'fe80::1%eth0',
  'example.net',
  '::/129',
  '010.0.0.1',
  '',
])('%j is no network', (text) => {
  expect(parseNetwork(text)).toBeNull();
});

test.each([
  ['0.0.0.0/0', true],
  ['::/0', true],
  ['8.0.0.0/8', true],
  ['8.8.0.0/15', true],
  ['8.8.0.0/16', false],
  ['10.0.0.0/8', false],
  ['10.0.0.0/7', true], // half of it is public
  ['172.16.0.0/12', false],
  ['127.0.0.0/8', false],
  ['fd00::/8', false],
  ['2001:db8::/31', true],
  ['2001:db8::/32', false],
])('%s is too wide to be trusted: %s', (text, tooWide) => {
  expect(reachesTooFar(parseNetwork(text) as Network)).toBe(tooWide);
});

test.each([
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['::1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['192.168.0.1', false],
])('%s is reached from this machine alone: %s', (address, alone) => {
  expect(isLoopback(address)).toBe(alone);
});

test.each([
  ['mail.example.net', 'mail.example.net', null],
  ['Mail.Example.NET:587', 'mail.example.net', 587],
  ['192.0.2.1:25', '192.0.2.1', 25],
  ['::1', '::1', null],
  ['[2001:db8::1]:25', '2001:db8::1', 25],
  ['bücher.example:25', 'xn--bcher-kva.example', 25],
])('%s is an endpoint', (text, host, port) => {
  expect(parseEndpoint(text)).toEqual({ host, port });
});

test.each([
  '',
  ':25',
  'host:',
  'host:0',
  'host:65536',
  'a b',
  'http://a',
  '[192.0.2.1]:25',
  '2001:db8::1:x',
  '-a.example',
])('%j is no endpoint', (text) => {
  expect(parseEndpoint(text)).toBeNull();
});

test.each([
  ['Example.NET.', 'example.net'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['_dmarc.example.net', '_dmarc.example.net'],
  ['a'.repeat(64), null],
  [`${'a.'.repeat(127)}a`, null],
  ['a..b', null],
  ['192.0.2.1', null],
  ['1', null],
  ['', null],
])('the domain %j is %j', (text, domain) => {
  expect(parseDomain(text)).toBe(domain);
});

test.each([
  ['Ops@Example.NET', 'Ops@example.net'],
  ['"a b"@example.net', '"a b"@example.net'],
  ['"a@b"@example.net', '"a@b"@example.net'],
  ['ops', null],
  ['@example.net', null],
  ['a b@example.net', null],
  [`${'x'.repeat(65)}@example.net`, null],
  ['ops@', null],
])('the address %j is %j', (text, address) => {
  expect(parseAddress(text)).toBe(address);
});
