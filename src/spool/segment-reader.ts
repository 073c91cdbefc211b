// Reads segments by number, keeping the few descriptors that are in use.
// segments.ts reads bodies through it; a segment that goes is closed here when its last reader is done.
// Never closes a descriptor under a read: its number may already mean another file.
import { closeSync, openSync } from 'node:fs';
import type { FileDoor } from './files.ts';
import { SpoolError } from './spool.ts';

interface Open {
  readonly fd: number;
  readers: number;
  /** To be closed by the last reader. */
  going: boolean;
}

/** Descriptors kept open: many segments exist, few are read at one time. */
const MOST_OPEN = 64;

export class SegmentReader {
  readonly #files: FileDoor;
  readonly #path: (number: number) => string;
  /** In the order of their last use. */
  readonly #open = new Map<number, Open>();

  constructor(files: FileDoor, path: (number: number) => string) {
    this.#files = files;
    this.#path = path;
  }

  /** Fills `buffer`; resolves with the octets read. Rejects with SpoolError. */
  async read(number: number, buffer: Buffer, offset: number): Promise<number> {
    try {
      const open = this.#use(number);
      try {
        return await this.#files.read(open.fd, buffer, offset);
      } finally {
        open.readers--;
        this.#closeIfDone(open);
      }
    } catch (error) {
      throw new SpoolError(`segment ${number} cannot be read: ${String(error)}`, { cause: error });
    }
  }

  #use(number: number): Open {
    const open = this.#open.get(number) ?? {
      fd: openSync(this.#path(number), 'r'),
      readers: 0,
      going: false,
    };
    open.readers++;
    this.#open.delete(number);
    this.#open.set(number, open);
    if (this.#open.size > MOST_OPEN) {
      const [oldest] = this.#open.keys();
      if (oldest !== undefined) this.close(oldest);
    }
    return open;
  }

  /** Closes the segment's descriptor, now or after its last read. */
  close(number: number): void {
    const open = this.#open.get(number);
    if (open === undefined) return;
    this.#open.delete(number);
    open.going = true;
    this.#closeIfDone(open);
  }

  #closeIfDone(open: Open): void {
    if (open.going && open.readers === 0) closeSync(open.fd);
  }

  closeAll(): void {
    for (const number of [...this.#open.keys()]) this.close(number);
  }
}
