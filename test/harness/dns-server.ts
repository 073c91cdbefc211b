// A real DNS server on loopback, UDP and TCP, whose zone is whatever the test says at this moment.
// Stands where the recursive resolver stands: src/dns/ asks it, tests set its names and read its log.
// Never asks anybody else: a name that was not set does not exist.
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { decode } from 'dns-packet';
import { type DnsEntry, encodeReply, Zone } from './dns-zone.ts';

export interface DnsQuery {
  /** Lower case. */
  readonly name: string;
  readonly type: string;
  readonly via: 'udp' | 'tcp';
}

export interface DnsServer {
  /** `127.0.0.1:PORT`, as `createResolver` takes it. */
  readonly address: string;
  readonly port: number;
  /** Every question that came in, answered or not, in order. */
  readonly queries: readonly DnsQuery[];
  /** `*.bulk.example` stands for all names below `bulk.example` that are not set themselves. */
  set(name: string, entry: DnsEntry): void;
  remove(name: string): void;
  /** How often a name was asked; without `type`, for any type. */
  count(name: string, type?: string): number;
  /** While silent, questions are noted and not answered. */
  silence(silent: boolean): void;
  close(): Promise<void>;
}

/** Calls `message` for each length-prefixed message (RFC 1035 §4.2.2). */
function readMessages(socket: Socket, message: (bytes: Buffer) => void): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      message(pending.subarray(2, end));
      pending = pending.subarray(end);
    }
  });
}

/** Both transports on one port: TCP gets a free one, UDP must get the same. */
async function listen(port: number): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const tcp = createServer();
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject);
      tcp.listen(port, '127.0.0.1', resolve);
    });
    const address = tcp.address();
    const bound = typeof address === 'object' && address ? address.port : 0;
    // A burst of thousands of questions must not overflow the kernel's default buffer.
    const udp = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    const failure = await new Promise<unknown>((resolve) => {
      udp.once('error', resolve);
      udp.bind(bound, '127.0.0.1', () => resolve(null));
    });
    if (!failure) return { udp, tcp, port: bound };
    await new Promise((resolve) => tcp.close(resolve));
    if (port !== 0 || attempt === 10) throw failure;
  }
}

/** `port` is for a server that comes back where another one was; without it, a free one. */
export async function startDnsServer({ port: wanted = 0 } = {}): Promise<DnsServer> {
  const zone = new Zone();
  const queries: DnsQuery[] = [];
  const connections = new Set<Socket>();
  const delayed = new Set<NodeJS.Timeout>();
  let silent = false;
  const { udp, tcp, port } = await listen(wanted);

  const respond = (bytes: Buffer, via: 'udp' | 'tcp', send: (reply: Buffer) => void): void => {
    const query = decode(bytes);
    const question = query.questions?.[0];
    if (!question) return;
    queries.push({ name: question.name.toLowerCase(), type: question.type, via });
    if (silent) return;
    const answer = zone.answer(query, question);
    const reply = encodeReply(answer, via);
    if (!reply) return;
    const delay = answer.entry?.delayMs;
    if (delay === undefined) {
      send(reply);
      return;
    }
    const timer = setTimeout(() => {
      delayed.delete(timer);
      send(reply);
    }, delay);
    delayed.add(timer);
  };

  udp.on('message', (bytes: Buffer, peer: RemoteInfo) =>
    respond(bytes, 'udp', (reply) => udp.send(reply, peer.port, peer.address, () => {})),
  );
  tcp.on('connection', (socket) => {
    connections.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => connections.delete(socket));
    readMessages(socket, (bytes) => respond(bytes, 'tcp', (reply) => socket.write(reply)));
  });

  return {
    address: `127.0.0.1:${port}`,
    port,
    queries,
    set: (name, entry) => zone.set(name, entry),
    remove: (name) => zone.remove(name),
    count: (name, type) =>
      queries.filter((query) => query.name === name.toLowerCase() && (!type || query.type === type)).length,
    silence(value) {
      silent = value;
    },
    async close() {
      for (const timer of delayed) clearTimeout(timer);
      for (const socket of connections) socket.destroy();
      await Promise.all([
        new Promise<void>((resolve) => udp.close(resolve)),
        new Promise((resolve) => tcp.close(resolve)),
      ]);
    },
  };
}
