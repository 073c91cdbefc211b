// The configuration files of a daemon under test.
// sendoff.ts writes them before each start.
// Never a key that scenarios do not all need: those come from the scenario.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SendoffOptions } from './sendoff.ts';

/** Returns the path of sendoff.yaml; YAML takes JSON as it is. */
export function writeConfiguration(folder: string, options: SendoffOptions): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'sendoff.yaml');
  if (options.policy) writePolicy(folder, options.policy);
  const settings = {
    hostname: 'relay.example.net',
    data: './data',
    shutdownTimeout: '5s',
    listeners: [{ address: '127.0.0.1', port: 0 }],
    admin: { port: 0 },
    spool: { minFree: '10MB' },
    limits: { messageSize: '5MB' },
    delivery: { port: options.mxPort ?? 25, allowNetworks: ['127.0.0.0/8'] },
    ...(options.dns && { dns: { servers: [options.dns.address] } }),
    ...(options.policy && { policy: './policy.yaml' }),
    ...options.settings,
  };
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

export function writePolicy(folder: string, policy: Readonly<Record<string, unknown>>): void {
  writeFileSync(join(folder, 'policy.yaml'), JSON.stringify(policy));
}
