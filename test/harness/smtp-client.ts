// A raw SMTP client: sends exactly the octets it is told and reads whole replies.
// Used against the listener and the whole daemon, also for what no real client would send.
// Never interprets SMTP beyond the shape of a reply.
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface SmtpReply {
  readonly code: number;
  /** Text of each line, without code and separator. */
  readonly lines: readonly string[];
}

export interface SmtpClientOptions {
  readonly port: number;
  readonly host?: string;
  readonly tls?: boolean;
  readonly localAddress?: string;
  /** How long a reply may take, ms. */
  readonly deadline?: number;
}

export class SmtpClient {
  #socket: Socket;
  #received = '';
  #ended = false;
  #error: Error | null = null;
  /** Looks whether what is waited for is there. */
  #waiting: (() => void) | null = null;
  readonly #deadline: number;

  private constructor(socket: Socket, deadline: number) {
    this.#socket = socket;
    this.#deadline = deadline;
    this.#listen(socket);
    // Only for tests that forget: a socket left open would keep the listener from closing.
    onTestFinished(() => this.destroy());
  }

  /** Connected, banner not read. */
  static async connect(options: SmtpClientOptions): Promise<SmtpClient> {
    const { port, host = '127.0.0.1', localAddress, deadline = 10_000 } = options;
    // Content and dot are two writes: without noDelay the dot waits 40 ms for an acknowledgement.
    const manners = { allowHalfOpen: true, noDelay: true };
    const address = { port, host, ...(localAddress ? { localAddress } : {}), ...manners };
    const socket = options.tls ? connectTls({ ...address, rejectUnauthorized: false }) : connect(address);
    const client = new SmtpClient(socket, deadline);
    await client.#event(options.tls ? 'secureConnect' : 'connect');
    return client;
  }

  /** Connected, banner read and EHLO done. */
  static async ready(options: SmtpClientOptions): Promise<SmtpClient> {
    const client = await SmtpClient.connect(options);
    await client.expect(220);
    await client.command('EHLO client.example', 250);
    return client;
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  /** Octets as they are; a string is sent as UTF-8. Resolves when the socket has taken them. */
  send(octets: string | Buffer): Promise<void> {
    return new Promise((resolve) => this.#socket.write(octets, () => resolve()));
  }

  /** The next whole reply, of any number of lines. Rejects when the server closes or time is up. */
  reply(): Promise<SmtpReply> {
    return this.#until('a reply', () => {
      const match = /^(?:\d{3}-[^\n]*\n)*\d{3}(?:[ ][^\n]*)?\r\n/.exec(this.#received);
      if (!match) return undefined;
      this.#received = this.#received.slice(match[0].length);
      const lines = match[0].trimEnd().split('\r\n');
      return { code: Number(match[0].slice(0, 3)), lines: lines.map((line) => line.slice(4)) };
    });
  }

  /** Reads one reply and checks its code, and its enhanced status when one is given. */
  async expect(code: number, enhanced = ''): Promise<SmtpReply> {
    const reply = await this.reply();
    const [status = ''] = (reply.lines[0] ?? '').split(' ');
    if (reply.code !== code || (enhanced !== '' && status !== enhanced)) {
      throw new Error(`expected ${code} ${enhanced}, got ${reply.code} ${reply.lines.join(' | ')}`);
    }
    return reply;
  }

  /** One line and its reply. */
  async command(line: string, code: number, enhanced = ''): Promise<SmtpReply> {
    await this.send(`${line}\r\n`);
    return this.expect(code, enhanced);
  }

  /** Several lines in one write; all their replies. */
  async pipeline(...lines: readonly string[]): Promise<SmtpReply[]> {
    await this.send(lines.map((line) => `${line}\r\n`).join(''));
    const replies: SmtpReply[] = [];
    for (const _ of lines) replies.push(await this.reply());
    return replies;
  }

  /** One message in full; `content` is sent as it is, the final dot is added. The reply to the dot. */
  async message(from: string, to: readonly string[], content: string | Buffer): Promise<SmtpReply> {
    await this.command(`MAIL FROM:<${from}>`, 250);
    for (const recipient of to) await this.command(`RCPT TO:<${recipient}>`, 250);
    await this.command('DATA', 354);
    await this.send(content);
    await this.send('.\r\n');
    return this.reply();
  }

  /** STARTTLS and the handshake; EHLO is up to the caller. `pipelined` follows the command in clear text. */
  async startTls(pipelined = ''): Promise<void> {
    await this.send(`STARTTLS\r\n${pipelined}`);
    await this.expect(220);
    this.#socket.removeAllListeners('data');
    const secure = connectTls({ socket: this.#socket, rejectUnauthorized: false });
    this.#socket = secure;
    this.#listen(secure);
    await this.#event('secureConnect');
  }

  /** Shuts our side down; replies can still be read. */
  halfClose(): void {
    this.#socket.end();
  }

  /** Replies stay in the network from now on. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** A TCP reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves with what was left unread when the server has closed its side; ours is closed then too. */
  async closed(): Promise<string> {
    const ended = (): string | undefined => (this.#ended ? this.#received : undefined);
    const unread = await this.#until('the end of the connection', ended, true);
    this.destroy();
    return unread;
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      this.#look();
    });
    socket.on('end', () => this.#end(null));
    socket.on('close', () => this.#end(null));
    socket.on('error', (error: Error) => this.#end(error));
  }

  #end(error: Error | null): void {
    this.#ended = true;
    this.#error ??= error;
    this.#look();
  }

  #look(): void {
    this.#waiting?.();
  }

  #event(name: string): Promise<void> {
    let happened = false;
    this.#socket.once(name, () => {
      happened = true;
      this.#look();
    });
    return this.#until(name, () => (happened ? true : undefined)).then(() => {});
  }

  /** Waits until `take` gives something; one waiter at a time. */
  #until<T>(what: string, take: () => T | undefined, endIsFine = false): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiting = null;
      };
      const fail = (error: Error): void => {
        finish();
        reject(error);
      };
      const timer = setTimeout(
        () =>
          fail(
            new Error(`waited ${this.#deadline} ms for ${what}; unread: ${JSON.stringify(this.#received)}`),
          ),
        this.#deadline,
      );
      this.#waiting = () => {
        const value = take();
        if (value !== undefined) {
          finish();
          resolve(value);
        } else if (this.#ended && !endIsFine) {
          fail(this.#error ?? new Error(`connection closed while waiting for ${what}`));
        }
      };
      this.#look();
    });
  }
}
