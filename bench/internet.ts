// A small Internet on loopback: a DNS server, a host that takes mail, a host that accepts and says nothing.
// latency.ts and memory.ts deliver into it by MX.
// Never leaves this machine.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { startDnsServer } from '../test/harness/dns-server.ts';
import { freePort } from './children.ts';
import type { SendoffSettings } from './sendoff.ts';

const LIVE = '127.0.0.1';
const SILENT = '127.0.0.2';

/** Where mail to live domains arrives, and when. */
export interface Internet {
  readonly settings: NonNullable<SendoffSettings['settings']>;
  /** When the final dot for a recipient came, as performance.now(). */
  readonly arrivals: ReadonlyMap<string, number>;
  /** Makes a domain whose only MX hosts are names of its own: a site of its own. */
  add(domain: string, kind: 'live' | 'silent'): void;
  close(): Promise<void>;
}

export async function startInternet(): Promise<Internet> {
  const dns = await startDnsServer();
  const arrivals = new Map<string, number>();
  const port = await freePort(SILENT);
  const sockets = new Set<Socket>();
  const live = await listen(port, LIVE, sockets, (socket) => serve(socket, arrivals));
  const silent = await listen(port, SILENT, sockets, () => undefined);
  return {
    arrivals,
    settings: {
      dns: { servers: [dns.address] },
      delivery: { port, allowNetworks: ['127.0.0.0/8'] },
    },
    add(domain, kind) {
      dns.set(domain, { mx: [[10, `mx.${domain}`]], ttl: 3600 });
      dns.set(`mx.${domain}`, { a: [kind === 'live' ? LIVE : SILENT], ttl: 3600 });
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      live.close();
      silent.close();
      await dns.close();
    },
  };
}

async function listen(
  port: number,
  address: string,
  sockets: Set<Socket>,
  greet: (socket: Socket) => void,
): Promise<Server> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    // Several replies to pipelined commands must not wait for each other's ACK.
    socket.setNoDelay(true);
    greet(socket);
  });
  server.listen(port, address);
  await once(server, 'listening');
  return server;
}

/** As much SMTP as a sender needs that takes every message. */
function serve(socket: Socket, arrivals: Map<string, number>): void {
  let pending = '';
  let recipient = '';
  let inData = false;
  socket.write('220 live.example\r\n');
  socket.on('data', (chunk) => {
    const lines = (pending + chunk.toString('latin1')).split('\r\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      if (inData && line !== '.') continue;
      if (inData) arrivals.set(recipient, performance.now());
      inData = line === 'DATA';
      recipient = /^RCPT TO:<([^>]*)>/.exec(line)?.[1] ?? recipient;
      socket.write(replyTo(line));
      if (line === 'QUIT') socket.end();
    }
  });
}

function replyTo(line: string): string {
  if (line.startsWith('EHLO')) return '250-live.example\r\n250 PIPELINING\r\n';
  if (line === 'DATA') return '354 go on\r\n';
  return line === 'QUIT' ? '221 bye\r\n' : '250 ok\r\n';
}
