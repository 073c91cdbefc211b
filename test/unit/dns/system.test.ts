// What resolv.conf says.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemServers } from '../../../src/dns/system.ts';
import { temporaryFolder } from '../../harness/folder.ts';

function servers(text: string): string[] {
  const file = join(temporaryFolder(), 'resolv.conf');
  writeFileSync(file, text);
  return systemServers(file);
}

test('the name servers, each once, in their order', () => {
  const text = [
    '# nameserver 192.0.2.9',
    'search example.org',
    'nameserver 192.0.2.53 # ours',
    'nameserver\t2001:db8::53',
    'nameserver 192.0.2.53',
    'nameserver dns.example',
    'options edns0',
  ].join('\n');
  expect(servers(text)).toEqual(['192.0.2.53', '2001:db8::53']);
});

test('this machine, when nobody is named or the file is missing', () => {
  expect(servers('options edns0\n')).toEqual(['127.0.0.1']);
  expect(systemServers('/nonexistent/resolv.conf')).toEqual(['127.0.0.1']);
});
