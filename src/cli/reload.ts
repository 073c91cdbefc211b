// `sendoff reload`: the running daemon reads its policy again.
// program.ts calls it; SIGHUP does the same, but cannot say what was wrong.
// Never stops the daemon: with a broken file the old policy stays in force.
import type { AdminClient } from './client.ts';
import type { Terminal } from './terminal.ts';

export async function reload(client: AdminClient, terminal: Terminal): Promise<void> {
  await client.post('/api/reload', {});
  terminal.out('the policy is in force\n');
}
