// The client's octets, chunk by chunk: cut into command lines, or handed on as content.
// Stands between the socket (connection.ts) and session.ts.
// Never runs ahead: the next octet waits until the one before it is dealt with.
import { no } from './replies.ts';
import type { Session } from './session.ts';

/**
 * RFC 5321 §4.5.3.1.4 allows 512 octets and extensions add to it; four times as much (Postfix's
 * line_length_limit) bounds what a client can make us keep.
 */
const LONGEST_COMMAND = 2048;

/** After so many commands other clients have their turn: 64 KB of RSET would take 20 ms. */
const COMMANDS_PER_TURN = 100;

const LF = 0x0a;
const CR = 0x0d;

export class Input {
  readonly #session: Session;
  /** Start of a command line that has not ended yet. */
  #partial: Buffer | null = null;
  /** The present line is too long: dropped up to its end. */
  #skipping = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Calls `done` when the chunk is dealt with, at once or later. One chunk at a time. */
  feed(chunk: Buffer, done: () => void): void {
    this.#read(chunk, 0, done);
  }

  #read(chunk: Buffer, from: number, done: () => void): void {
    let at = from;
    for (let commands = 0; at < chunk.length; ) {
      const expected = this.#session.expects;
      if (expected === 'nothing') break;
      if (expected === 'command') {
        if (++commands > COMMANDS_PER_TURN) return void setImmediate(() => this.#read(chunk, at, done));
        at = this.#line(chunk, at);
      } else {
        const { next, wait } = this.#session.content(chunk, at);
        if (wait !== null) return void wait.then(() => this.#read(chunk, next, done));
        at = next;
      }
    }
    done();
  }

  /** Handles the line that ends next; returns the index after it. */
  #line(chunk: Buffer, at: number): number {
    const end = chunk.indexOf(LF, at);
    const stop = end < 0 ? chunk.length : end + 1;
    let line = chunk.subarray(at, stop);
    if (this.#partial) line = Buffer.concat([this.#partial, line]);
    const tooLong = this.#skipping || line.length > LONGEST_COMMAND;
    this.#skipping = tooLong && end < 0;
    this.#partial = end < 0 && !tooLong ? line : null;
    if (end >= 0) this.#hand(line, tooLong);
    return stop;
  }

  #hand(line: Buffer, tooLong: boolean): void {
    if (tooLong) this.#session.malformed(no.tooLong);
    // RFC 5321 §2.3.8: CRLF and nothing else.
    else if (line[line.length - 2] !== CR) this.#session.malformed(no.bareLf);
    else this.#session.command(line.subarray(0, -2));
  }
}
