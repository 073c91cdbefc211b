// One connection to a POP3 server: a command out, one line back, TLS in between where it is wanted.
// pop3.ts holds the conversation over it.
// Never opened for mail: it is there to log in, nothing is fetched. Never rejects: a lost connection is a value.
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { isMissingSource } from './failures.ts';

/** What the server said (RFC 1939 §3), without `+OK` or `-ERR`; or why it says nothing any more. */
export interface Said {
  readonly kind: 'ok' | 'err' | 'lost';
  readonly text: string;
}

/** RFC 2449 §4: 512 octets a line. Eight times that is a lenient server; more is no POP3 server. */
const LONGEST_LINE = 4_096;

export interface PopAddress {
  readonly address: string;
  readonly port: number;
  /** Local address; null: the system's choice. */
  readonly source: string | null;
}

export class PopLine {
  #socket: Socket;
  #input = '';
  #lost: string | null = null;
  /** This machine has no such address as the connection was to leave from. */
  isWithoutSource = false;
  #wake: (() => void) | null = null;

  constructor({ address, port, source }: PopAddress) {
    this.#socket = connect({ host: address, port, ...(source !== null && { localAddress: source }) });
    this.#listen(this.#socket);
  }

  async ask(command: string): Promise<Said> {
    // One line answers one command: more than that is another protocol.
    if (this.#input !== '') return { kind: 'lost', text: 'the server speaks unasked' };
    if (this.#lost === null) this.#socket.write(`${command}\r\n`);
    return this.hear();
  }

  async hear(): Promise<Said> {
    await this.#until(() => this.#input.includes('\n'));
    const end = this.#input.indexOf('\n');
    if (end < 0) return { kind: 'lost', text: this.#lost ?? '' };
    const line = this.#input.slice(0, end).replace(/\r$/, '');
    this.#input = this.#input.slice(end + 1);
    const [, status, text = ''] = /^(\+OK|-ERR)(?: +(.*)|)$/i.exec(line) ?? [];
    if (status !== undefined) return { kind: status.startsWith('+') ? 'ok' : 'err', text };
    this.end('not a POP3 reply');
    return { kind: 'lost', text: `not a POP3 reply: ${line.slice(0, 100)}` };
  }

  /** A handshake on this connection; null, or why it failed. */
  async secure(options: ConnectionOptions): Promise<string | null> {
    // RFC 2595 §4: what came in clear behind the answer to STLS could be anybody's.
    if (this.#input !== '') this.end('octets in clear before the handshake');
    if (this.#lost !== null) return this.#lost;
    let isSecure = false;
    this.#socket.removeAllListeners('data');
    const secured = connectTls({ ...options, socket: this.#socket });
    secured.once('secureConnect', () => {
      isSecure = true;
      this.#wake?.();
    });
    this.#socket = secured;
    this.#listen(secured);
    await this.#until(() => isSecure);
    return this.#lost;
  }

  /** Closes at once; who waits is told why. */
  end(reason: string): void {
    this.#lost ??= reason;
    this.#socket.destroy();
    this.#wake?.();
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.isWithoutSource ||= isMissingSource(error.code, error.syscall);
      this.end(error.message);
    });
    socket.on('close', () => this.end('the server closed the connection'));
  }

  #take(chunk: Buffer): void {
    this.#input += chunk.toString('latin1');
    if (this.#input.length > LONGEST_LINE) this.end('not a POP3 reply: the line has no end');
    this.#wake?.();
  }

  /** Resolves when `ready`, or when the connection is lost. Whoever opened the line ends it in time. */
  #until(ready: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        if (!ready() && this.#lost === null) return;
        this.#wake = null;
        resolve();
      };
      this.#wake();
    });
  }
}
