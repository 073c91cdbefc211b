// The name servers that this machine uses, for a configuration that names none.
// Reads resolv.conf for daemon.ts; servers.ts takes what it returns.
// Never changes anything, and never fails: a machine without the file has a resolver of its own.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

/** What resolv.conf(5) says of a file that is missing or names nobody. */
const DEFAULT_SERVER = '127.0.0.1';

/** Addresses in the order of the file, at least one. */
export function systemServers(file = '/etc/resolv.conf'): string[] {
  const servers = read(file)
    .split('\n')
    .map((line) => /^nameserver\s+([^\s#;]+)/.exec(line)?.[1] ?? '')
    .filter((address) => isIP(address) !== 0);
  return servers.length > 0 ? [...new Set(servers)] : [DEFAULT_SERVER];
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
