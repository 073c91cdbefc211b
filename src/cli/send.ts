// `sendoff send`: one message into the running daemon, as if a trusted client had handed it in.
// program.ts calls it; the message is what comes through a pipe, or the daemon's short test message.
// Never delivers by itself, and never changes a byte of what was piped in.
import type { AdminClient } from './client.ts';
import type { Terminal } from './terminal.ts';

export interface SendOptions {
  readonly from: string;
  readonly to: readonly string[];
  readonly route?: string;
  readonly json?: boolean;
}

export async function send(options: SendOptions, client: AdminClient, terminal: Terminal): Promise<void> {
  const { from, to, route, json } = options;
  const content = await terminal.readPiped();
  const sent = (await client.post('/api/send', content ?? Buffer.alloc(0), { from, to, route })) as {
    id: string;
  };
  terminal.out(json ? `${JSON.stringify(sent)}\n` : `queued as ${sent.id}\n`);
}
