// One greeted connection as transactions see it: write octets, hear replies, each with a deadline.
// connection.ts hands over the socket; open-session.ts and transaction.ts talk through it.
// Never opens a socket, never rejects: a lost connection is a value.
import type { Socket } from 'node:net';
import type { Clock } from '../clock/clock.ts';
import { type Reply, ReplyReader } from './reply.ts';

/** The connection is of no more use. */
export interface Lost {
  readonly kind: 'lost';
  readonly cause: 'closed' | 'timeout' | 'garbage' | 'aborted';
  readonly reason: string;
}

export type Heard = { readonly kind: 'reply'; readonly reply: Reply } | Lost;

export class Channel {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #reader = new ReplyReader();
  readonly #unread: Reply[] = [];
  #lost: Lost | null = null;
  #onChange: (() => void) | null = null;
  readonly #changed = (): void => this.#onChange?.();

  /** `early`: octets that came before the channel took over, as latin1. */
  constructor(socket: Socket, clock: Clock, early: string) {
    this.#socket = socket;
    this.#clock = clock;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lose('closed', error.code ?? error.message));
    socket.on('end', () => this.#lose('closed', 'the peer closed the connection'));
    socket.on('close', () => this.#lose('closed', 'the connection was closed'));
    if (early !== '') this.#take(Buffer.from(early, 'latin1'));
  }

  get alive(): boolean {
    return this.#lost === null;
  }

  /** Alive, and the peer said nothing unasked: a 421 to an idle connection, mostly. */
  get quiet(): boolean {
    return this.alive && this.#unread.length === 0;
  }

  /** Writes all pieces in one go. */
  write(...pieces: readonly (string | Buffer)[]): void {
    if (this.#lost) return;
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece, this.#changed);
    this.#socket.uncork();
  }

  /** The next reply, if it is complete within `limit` ms. */
  async hear(limit: number): Promise<Heard> {
    if (this.#unread.length === 0) await this.#until(() => this.#unread.length > 0, limit, 'no reply');
    const reply = this.#unread.shift();
    return reply ? { kind: 'reply', reply } : (this.#lost ?? NEVER_HEARD);
  }

  /** Waits until at most `left` octets wait for the kernel to take them. */
  async flushed(left: number, limit: number): Promise<Lost | null> {
    await this.#until(() => this.#socket.writableLength <= left, limit, 'the peer takes no data');
    return this.#lost;
  }

  /** Ends the connection at once; whoever waits is told why. */
  abort(reason: string): void {
    this.#lose('aborted', reason);
  }

  /** Ends the connection in order, without waiting; at once when the peer has not taken all yet. */
  end(): void {
    if (this.#socket.writableLength === 0) this.#socket.destroySoon();
    this.#lose('closed', 'we closed the connection');
  }

  #take(chunk: Buffer): void {
    const { replies, garbage } = this.#reader.read(chunk);
    this.#unread.push(...replies);
    if (garbage !== null) this.#lose('garbage', `not an SMTP reply: ${garbage.slice(0, 200)}`);
    this.#changed();
  }

  #lose(cause: Lost['cause'], reason: string): void {
    this.#lost ??= { kind: 'lost', cause, reason };
    if (!this.#socket.writableEnded) this.#socket.destroy();
    this.#changed();
  }

  /** Resolves when `ready`, when the connection is lost, or, having lost it, after `limit` ms. */
  #until(ready: () => boolean, limit: number, silence: string): Promise<void> {
    if (ready() || this.#lost) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(limit, () =>
        this.#lose('timeout', `${silence} within ${Math.round(limit / 1000)} s`),
      );
      this.#onChange = () => {
        if (!ready() && !this.#lost) return;
        timer.cancel();
        this.#onChange = null;
        resolve();
      };
    });
  }
}

const NEVER_HEARD: Lost = { kind: 'lost', cause: 'closed', reason: 'the connection was closed' };
