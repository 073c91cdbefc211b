// Content on its way in: small in memory until its commit, large streamed to a file of its own.
// relay/ and mail/ write; commits.ts takes what is small into a segment.
// Never lets memory grow with the size of a message or with the number of writers.
import type { Commits } from './commits.ts';
import type { Frame } from './frames.ts';
import type { LargeFiles, LargeWriter } from './large.ts';
import { type BodyWriter, SpoolError } from './spool.ts';

/** Larger ones get a file: a segment's copying, and memory while waiting, stay small. */
export const LARGEST_IN_SEGMENT = 256 * 1024;
/** Octets of all small bodies in memory; above it the next that grows goes to a file early. */
export const MEMORY_FOR_BODIES = 32 * 2 ** 20;

/** What all writers of a spool share. */
export class BodyRoom {
  readonly large: LargeFiles;
  readonly commits: Commits;
  /** Octets in memory now. */
  held = 0;

  constructor(large: LargeFiles, commits: Commits) {
    this.large = large;
    this.commits = commits;
  }
}

type State =
  | { readonly kind: 'small'; readonly chunks: Buffer[] }
  | { readonly kind: 'large'; readonly writer: LargeWriter }
  | { readonly kind: 'done' };

export class SpoolBody implements BodyWriter {
  readonly #room: BodyRoom;
  #state: State = { kind: 'small', chunks: [] };
  #size = 0;
  #inFrame = false;

  constructor(room: BodyRoom) {
    this.#room = room;
  }

  get size(): number {
    return this.#size;
  }

  write(chunk: Buffer): Promise<void> | undefined {
    const { broken } = this.#room.commits;
    if (broken !== null) return Promise.reject(broken);
    const state = this.#state;
    if (state.kind === 'done') return Promise.reject(new SpoolError('the content was discarded'));
    this.#size += chunk.length;
    if (state.kind === 'large') return state.writer.write(chunk);
    state.chunks.push(chunk);
    this.#room.held += chunk.length;
    const tooMuch = this.#size > LARGEST_IN_SEGMENT || this.#room.held > MEMORY_FOR_BODIES;
    return tooMuch ? this.#spill(state.chunks) : undefined;
  }

  #spill(chunks: readonly Buffer[]): Promise<void> | undefined {
    const writer = this.#room.large.create((error) => this.#room.commits.breakOff(error));
    this.#room.held -= this.#size;
    this.#state = { kind: 'large', writer };
    return writer.write(...chunks);
  }

  /**
   * Ends the writing: a frame for a segment, or null when the content is on disk in its own file.
   * Rejects with SpoolError.
   */
  finish(id: string): Frame | Promise<null> {
    const state = this.#state;
    this.#state = { kind: 'done' };
    if (state.kind === 'small') {
      this.#inFrame = true;
      return { id, chunks: state.chunks, size: this.#size };
    }
    if (state.kind === 'done') return Promise.reject(new SpoolError('the content was used or discarded'));
    return finishFile(state.writer, id, this.#size);
  }

  /** The commit is over: nobody needs the frame any more. */
  release(): void {
    if (this.#inFrame) this.#room.held -= this.#size;
    this.#inFrame = false;
  }

  /** The commit failed: a file that bears the message's name already is not needed. */
  abandon(id: string): void {
    if (!this.#inFrame) this.#room.large.remove(id);
    this.release();
  }

  discard(): void {
    const state = this.#state;
    this.#state = { kind: 'done' };
    if (state.kind === 'small') this.#room.held -= this.#size;
    if (state.kind === 'large') void state.writer.discard();
  }
}

async function finishFile(writer: LargeWriter, id: string, size: number): Promise<null> {
  try {
    await writer.finish(id, size);
    return null;
  } catch (error) {
    await writer.discard();
    throw error;
  }
}
