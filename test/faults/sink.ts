// An SMTP server that keeps nothing of a message but its subject and the hash of its body.
// For mail that is too large to be kept in a test's memory; smtp-peer.ts is for everything else.
// Never misbehaves.
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Sink {
  readonly port: number;
  /** Subject and SHA-1 of everything after the header, dots as they travelled. */
  readonly bodies: ReadonlyMap<string, string>;
}

const END = Buffer.from('\r\n.\r\n');

export async function startSink(): Promise<Sink> {
  const bodies = new Map<string, string>();
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    talk(socket, bodies);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const socket of open) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return { port: (server.address() as AddressInfo).port, bodies };
}

function talk(socket: Socket, bodies: Map<string, string>): void {
  let receiving: Receiving | null = null;
  socket.write('220 sink.test ESMTP\r\n');
  socket.on('data', (chunk: Buffer) => {
    if (receiving !== null) {
      if (!receiving.take(chunk)) return;
      bodies.set(receiving.subject, receiving.hash.digest('hex'));
      receiving = null;
      socket.write('250 2.0.0 taken\r\n');
      return;
    }
    for (const line of chunk.toString('latin1').split('\r\n').slice(0, -1)) {
      if (line === 'DATA') receiving = new Receiving();
      socket.write(line === 'DATA' ? '354 go on\r\n' : '250 2.0.0 fine\r\n');
      if (line === 'QUIT') socket.end();
    }
  });
}

/** One message between 354 and its final dot. */
class Receiving {
  readonly hash: Hash = createHash('sha1');
  subject = '';
  #header = '';
  /** Octets that may be the begin of the final dot. */
  #tail = Buffer.alloc(0);

  /** True when the final dot has come. */
  take(chunk: Buffer): boolean {
    const octets = Buffer.concat([this.#tail, this.subject === '' ? this.#body(chunk) : chunk]);
    const ended = octets.subarray(-END.length).equals(END);
    const certain = Math.max(0, octets.length - END.length);
    this.hash.update(octets.subarray(0, certain));
    this.#tail = octets.subarray(certain);
    return ended;
  }

  /** What follows the header in the first chunks. */
  #body(chunk: Buffer): Buffer {
    this.#header += chunk.toString('latin1');
    const end = this.#header.indexOf('\r\n\r\n');
    if (end < 0) return Buffer.alloc(0);
    this.subject = /^Subject: (.*)\r$/m.exec(this.#header)?.[1] ?? 'none';
    return Buffer.from(this.#header.slice(end + 4), 'latin1');
  }
}
