// Content of large messages: each in a file of its own, written as it arrives.
// bodies.ts turns to it when a message outgrows memory; delivery reads it back as a stream.
// Never keeps more than one write's worth of a message in memory.
import { join } from 'node:path';
import { type FileDoor, isFull } from './files.ts';
import { type Body, SpoolError, SpoolFull } from './spool.ts';

/** Octets that may wait for the disk before a writer is told to pause. */
const PAUSE_ABOVE = 256 * 1024;
/** Octets read at a time for delivery: what a socket takes in one or two writes. */
const READ_SIZE = 64 * 1024;

export class LargeFiles {
  readonly files: FileDoor;
  readonly folder: string;
  readonly #sizes = new Map<string, number>();
  #incoming = 0;

  constructor(files: FileDoor, folder: string, sizes: ReadonlyMap<string, number>) {
    this.files = files;
    this.folder = folder;
    for (const [id, size] of sizes) this.#sizes.set(id, size);
  }

  /** `onFatal` is told of a write or fsync whose failure leaves the disk in doubt. */
  create(onFatal: (error: Error) => void): LargeWriter {
    return new LargeWriter(this, join(this.folder, `incoming-${++this.#incoming}`), onFatal);
  }

  /** Gives a finished file its message's name, on disk. */
  async keep(writer: LargeWriter, id: string, size: number): Promise<void> {
    await this.files.rename(writer.path, join(this.folder, id));
    await this.files.syncFolder(this.folder);
    this.#sizes.set(id, size);
  }

  /** A file that does not go is found by the next start. */
  remove(id: string): void {
    this.#sizes.delete(id);
    this.files.unlink(join(this.folder, id)).catch(() => undefined);
  }

  body(id: string, size: number): Body {
    return { kind: 'stream', size, open: () => readingOf(this.files, join(this.folder, id), size) };
  }

  used(): number {
    let sum = 0;
    for (const size of this.#sizes.values()) sum += size;
    return sum;
  }
}

/** One large message on its way in. */
export class LargeWriter {
  readonly path: string;
  readonly #owner: LargeFiles;
  readonly #onFatal: (error: Error) => void;
  #waiting: Buffer[] = [];
  #waitingOctets = 0;
  #position = 0;
  #pump: Promise<void> | null = null;
  #fd: number | null = null;
  #failure: SpoolError | null = null;
  #discarded = false;

  constructor(owner: LargeFiles, path: string, onFatal: (error: Error) => void) {
    this.#owner = owner;
    this.path = path;
    this.#onFatal = onFatal;
  }

  /** A promise means: wait before the next ones. Rejects with SpoolError. */
  write(...chunks: readonly Buffer[]): Promise<void> | undefined {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    for (const chunk of chunks) {
      this.#waiting.push(chunk);
      this.#waitingOctets += chunk.length;
    }
    this.#pump ??= this.#run();
    return this.#waitingOctets > PAUSE_ABOVE ? this.#drained() : undefined;
  }

  async #drained(): Promise<void> {
    await this.#pump;
    if (this.#failure !== null) throw this.#failure;
  }

  async #run(): Promise<void> {
    const { files } = this.#owner;
    try {
      this.#fd ??= await files.open(this.path, 'w');
      while (this.#waiting.length > 0 && !this.#discarded) {
        const buffers = this.#waiting;
        const octets = this.#waitingOctets;
        this.#waiting = [];
        this.#waitingOctets = 0;
        await files.write(this.#fd, buffers, this.#position);
        this.#position += octets;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#pump = null;
  }

  #fail(error: unknown): void {
    this.#waiting = [];
    this.#waitingOctets = 0;
    if (isFull(error)) {
      this.#failure = new SpoolFull('no space is left for mail', { cause: error });
    } else {
      this.#failure = new SpoolError(`content was not written: ${String(error)}`, { cause: error });
      this.#onFatal(this.#failure);
    }
  }

  /** Resolves when all of it is on disk, under its last name. */
  async finish(id: string, size: number): Promise<void> {
    await this.#pump;
    if (this.#failure !== null) {
      await this.discard();
      throw this.#failure;
    }
    try {
      const fd = this.#fd as number;
      await this.#owner.files.sync(fd);
      this.#fd = null;
      await this.#owner.files.close(fd);
      await this.#owner.keep(this, id, size);
    } catch (error) {
      this.#failure = new SpoolError(`content was not synced: ${String(error)}`, { cause: error });
      this.#onFatal(this.#failure);
      throw this.#failure;
    }
  }

  /** Removes the file. What fails here is found by the next start. */
  async discard(): Promise<void> {
    this.#discarded = true;
    await this.#pump;
    const fd = this.#fd;
    this.#fd = null;
    if (fd === null) return;
    await this.#owner.files.close(fd).catch(() => undefined);
    await this.#owner.files.unlink(this.path).catch(() => undefined);
  }
}

function readingOf(files: FileDoor, path: string, size: number): AsyncIterable<Buffer> & { destroy(): void } {
  const chunks = chunksOf(files, path, size);
  return {
    [Symbol.asyncIterator]: () => chunks,
    destroy: () => void chunks.return(undefined).catch(() => undefined),
  };
}

async function* chunksOf(files: FileDoor, path: string, size: number): AsyncGenerator<Buffer, void> {
  let fd: number | null = null;
  try {
    fd = await files.open(path, 'r');
    for (let at = 0; at < size; ) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(READ_SIZE, size - at));
      const octets = await files.read(fd, chunk, at);
      if (octets < chunk.length) throw new SpoolError(`${path} ends after ${at + octets} of ${size} octets`);
      at += octets;
      yield chunk;
    }
  } catch (error) {
    if (error instanceof SpoolError) throw error;
    throw new SpoolError(`${path} cannot be read: ${String(error)}`, { cause: error });
  } finally {
    if (fd !== null) await files.close(fd);
  }
}
