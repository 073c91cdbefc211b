// Lines to a file descriptor in large writes: what 10,000 log lines a second need.
// log-output.ts uses it for standard output.
// Never blocks the loop while mail flows, never grows without bound, never ends or holds up the process.
import { write, writeSync } from 'node:fs';
import type { Clock, Timer } from '../clock/clock.ts';

/** A line is out after this at the latest: short for a person, long for thousands of lines a second. */
const FLUSH_MS = 50;

/** Written at once when so much is buffered: a pipe's capacity on Linux. */
const FLUSH_OCTETS = 64 * 1024;

/** When nobody reads: beyond it lines are dropped. */
const BUFFER_LIMIT = 16 * 1024 * 1024;

/** Before a full, non-blocking pipe is tried again. */
const FULL_PIPE_MS = 50;

/** Writes to a file descriptor that stays open as long as the process. */
export class BufferedOutput {
  readonly #fd: number;
  readonly #clock: Clock;
  readonly #onDrop: () => void;
  #lines: string[] = [];
  #size = 0;
  #timer: Timer | null = null;
  /** What a write under way, or waiting for a full pipe, has still to bring out. */
  #leaving: Buffer | null = null;
  /** The reader is gone for good. */
  #broken = false;

  constructor(fd: number, clock: Clock, onDrop: () => void) {
    this.#fd = fd;
    this.#clock = clock;
    this.#onDrop = onDrop;
  }

  write(line: string): void {
    if (this.#broken || this.#size > BUFFER_LIMIT) {
      this.#onDrop();
      return;
    }
    this.#lines.push(line);
    this.#size += line.length;
    if (this.#size >= FLUSH_OCTETS) this.start();
    else if (this.#leaving === null) this.#timer ??= this.#clock.after(FLUSH_MS, () => this.start());
  }

  /** Begins to write what is buffered, without waiting. */
  start(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#leaving !== null || this.#size === 0) return;
    this.#leaving = this.#take();
    this.#writeOn();
  }

  /** Writes what is buffered before it returns; what a full or broken pipe does not take is lost. */
  flush(): void {
    let rest = this.#take();
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest));
    } catch {
      this.#onDrop();
    }
  }

  #take(): Buffer {
    const taken = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.#size = 0;
    return taken;
  }

  #writeOn(): void {
    const leaving = this.#leaving as Buffer;
    write(this.#fd, leaving, (error, written) => {
      if (error?.code === 'EAGAIN') {
        this.#clock.after(FULL_PIPE_MS, () => this.#writeOn());
      } else if (error !== null) {
        this.#broken = error.code === 'EPIPE';
        this.#onDrop();
        this.#leaving = null;
      } else if (written < leaving.length) {
        this.#leaving = leaving.subarray(written);
        this.#writeOn();
      } else {
        this.#leaving = null;
        this.start();
      }
    });
  }
}
