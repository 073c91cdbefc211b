// Whether the daemon's own name will do for MX hosts.
import { expect, test } from 'vitest';
import { hostnameTrouble } from '../../src/hostname.ts';
import { policyFrom } from '../harness/policy.ts';

const direct = policyFrom('rules: [{ name: all, route: direct }]');
const provider = policyFrom(
  'routes: { p: { via: smarthost, hosts: h.example }, direct: { via: discard } }\nrules: [{ route: p }]',
);

test('a name without a dot is trouble where mail goes straight to MX hosts, and nowhere else', () => {
  expect(hostnameTrouble('relay', direct)).toContain('(route direct) may refuse mail from it');
  expect(hostnameTrouble('relay.example.net', direct)).toBeNull();
  expect(hostnameTrouble('relay', provider)).toBeNull();
});

test('nor where each address that mail leaves from has a name of its own', () => {
  const from = (sources: string) => policyFrom(`routes: { direct: { via: mx, sources: [${sources}] } }`);
  const named = '{ address: 192.0.2.10, ehlo: mail.example.net }';
  expect(hostnameTrouble('relay', from(named))).toBeNull();
  expect(hostnameTrouble('relay', from(`${named}, { address: 192.0.2.11 }`))).not.toBeNull();
});
