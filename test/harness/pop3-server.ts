// A POP3 server of the tests' own: takes one login, remembers whose address came in, and misbehaves on request.
// Tests of POP before SMTP start it beside their smarthost, which asks it who may relay.
// Never left running: it ends with the test that started it.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';
import { certificateFor } from './certificates.ts';

/** What it does instead of the answer: exactly these octets, an end, nothing at all. */
export type PopFault = string | 'hang' | 'close';

export type PopPoint = 'greeting' | 'stls' | 'user' | 'pass' | 'apop' | 'quit';

export interface PopServerOptions {
  readonly user?: string;
  readonly password?: string;
  readonly tls?: 'none' | 'stls' | 'implicit';
  /** In the greeting, with angle brackets; null: no APOP. */
  readonly timestamp?: string | null;
  readonly address?: string;
}

/** What is known of one connection. */
interface Dialogue {
  readonly number: number;
  readonly from: string;
  user: string;
}

export class PopServer {
  address = '';
  port = 0;
  /** As they came, `2 PASS secret` for the second connection. */
  readonly commands: string[] = [];
  /** Who logged in: address of the client, in clear or not, in order. */
  readonly logins: { readonly from: string; readonly how: 'USER' | 'APOP'; readonly secure: boolean }[] = [];
  readonly faults: Partial<Record<PopPoint, PopFault>> = {};
  connectionsSeen = 0;
  readonly open = new Set<Socket>();
  password: string;
  readonly user: string;
  readonly #context: SecureContext | null;
  readonly #options: PopServerOptions;
  readonly #known = new Set<string>();

  constructor(options: PopServerOptions, context: SecureContext | null) {
    this.user = options.user ?? 'someone';
    this.password = options.password ?? 'p0p secret';
    this.#options = options;
    this.#context = context;
  }

  /** For a peer: whether the address read its mail here, and was not forgotten since. */
  knows(address: string): boolean {
    return this.#known.has(address);
  }

  /** As a provider whose window is over. */
  forget(): void {
    this.#known.clear();
  }

  serve(raw: Socket): void {
    this.connectionsSeen += 1;
    const number = this.connectionsSeen;
    this.open.add(raw);
    raw.on('close', () => this.open.delete(raw)).on('error', () => undefined);
    const { tls, timestamp = null } = this.#options;
    const dialogue: Dialogue = { number, from: raw.remoteAddress ?? '', user: '' };
    const socket = tls === 'implicit' ? this.#secured(raw) : raw;
    this.#listen(socket, dialogue);
    this.#answer(socket, 'greeting', `+OK ready${timestamp === null ? '' : ` ${timestamp}`}`);
  }

  #secured(raw: Socket): TLSSocket {
    raw.removeAllListeners('data');
    const secured = new TLSSocket(raw, { isServer: true, secureContext: this.#context as SecureContext });
    return secured.on('error', () => raw.destroy());
  }

  #listen(socket: Socket, dialogue: Dialogue): void {
    let input = '';
    socket.on('data', (chunk: Buffer) => {
      input += chunk.toString();
      for (let end = input.indexOf('\r\n'); end >= 0; end = input.indexOf('\r\n')) {
        const line = input.slice(0, end);
        input = input.slice(end + 2);
        this.commands.push(`${dialogue.number} ${line}`);
        this.#obey(socket, line, dialogue);
      }
    });
  }

  #obey(socket: Socket, line: string, dialogue: Dialogue): void {
    const [verb = '', ...rest] = line.split(' ');
    const said = rest.join(' ');
    if (verb === 'STLS') this.#startTls(socket, dialogue);
    else if (verb === 'USER') {
      dialogue.user = said;
      this.#answer(socket, 'user', '+OK');
    } else if (verb === 'PASS') {
      this.#judge(socket, 'pass', dialogue, said === this.password && dialogue.user === this.user);
    } else if (verb === 'APOP') {
      const secret = `${this.#options.timestamp ?? ''}${this.password}`;
      const digest = createHash('md5').update(secret).digest('hex');
      this.#judge(socket, 'apop', dialogue, said === `${this.user} ${digest}`);
    } else if (verb === 'QUIT') {
      this.#answer(socket, 'quit', '+OK bye');
      if (this.faults.quit === undefined) socket.end();
    } else socket.write('-ERR unknown command\r\n');
  }

  #startTls(socket: Socket, dialogue: Dialogue): void {
    const isOffered = this.#options.tls === 'stls';
    this.#answer(socket, 'stls', isOffered ? '+OK begin' : '-ERR unknown command');
    if (isOffered && this.faults.stls === undefined) this.#listen(this.#secured(socket), dialogue);
  }

  #judge(socket: Socket, point: 'pass' | 'apop', { from }: Dialogue, right: boolean): void {
    if (right && this.faults[point] === undefined) {
      this.#known.add(from);
      const how = point === 'apop' ? 'APOP' : 'USER';
      this.logins.push({ from, how, secure: socket instanceof TLSSocket });
    }
    this.#answer(socket, point, right ? '+OK 0 messages' : `-ERR [AUTH] wrong: ${this.commands.at(-1)}`);
  }

  #answer(socket: Socket, point: PopPoint, line: string): void {
    const fault = this.faults[point];
    if (fault === 'hang') return;
    if (fault === 'close') socket.destroy();
    else socket.write(fault ?? `${line}\r\n`);
  }
}

export async function startPopServer(options: PopServerOptions = {}): Promise<PopServer> {
  const address = options.address ?? '127.0.0.1';
  const needsTls = options.tls === 'stls' || options.tls === 'implicit';
  const pop = new PopServer(options, needsTls ? createSecureContext(await certificateFor([address])) : null);
  const server = createServer((socket) => pop.serve(socket));
  server.listen(0, address);
  await once(server, 'listening');
  pop.address = address;
  pop.port = (server.address() as AddressInfo).port;
  onTestFinished(async () => {
    for (const socket of pop.open) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return pop;
}
