// When the daemon's own name is trouble: a name without a dot that MX hosts would hear.
import { expect, test } from 'vitest';
import { hostnameTrouble } from '../../src/hostname.ts';
import { policyFrom } from '../harness/policy.ts';

const direct = (sources: string) => `routes: { direct: { via: mx, sources: [${sources}] } }`;
const named = '{ address: 192.0.2.10, ehlo: mail.example.net }';
const smarthost = 'routes: { out: { via: smarthost, hosts: [out.example] } }\nrules: [{ route: out }]';

test.each([
  ['mail.example.net', 'rules: []', false],
  ['mail', 'rules: []', true],
  ['mail', direct(`${named}, { address: 192.0.2.11 }`), true],
  ['mail', direct(named), false],
  ['mail', `${smarthost}\n`, true],
])('%s with %j: %s', (hostname, yaml, isTrouble) => {
  expect(hostnameTrouble(hostname, policyFrom(yaml)) !== null).toBe(isTrouble);
});
