// What every command's action works with: the terminal, and the daemon when it is asked for.
// program.ts makes it; actions take from it what they need.
// Never reads a file or opens a connection before an action asks.
import type { Command } from 'commander';
import type { AdminClient } from './client.ts';
import type { Terminal } from './terminal.ts';

export interface CommandLine {
  readonly terminal: Terminal;
  /** The running daemon, found by the same settings that it reads. */
  client(): Promise<AdminClient>;
  /** The file that --config names. */
  config(): string | undefined;
}

export function commandLine(program: Command, terminal: Terminal): CommandLine {
  const config = (): string | undefined => program.opts<{ config?: string }>().config;
  const client = async (): Promise<AdminClient> => {
    const [{ adminClient }, { readSettings }] = await Promise.all([
      import('./client.ts'),
      import('./configuration.ts'),
    ]);
    return adminClient((await readSettings(config())).admin);
  };
  return { terminal, client, config };
}
