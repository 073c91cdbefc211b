// Content of the newest messages in memory: most mail goes out moments after it came in.
// disk-spool.ts puts in what was just committed and reads here first; segments.ts has it all.
// Never grows: one ring of memory, in which the new overwrites the old.
import { type Frame, putChunks } from './frames.ts';

/** Octets in the ring: a few thousand ordinary messages. */
const RING = 16 * 2 ** 20;

export class FreshBodies {
  #ring: Buffer | null = null;
  /** Octets ever written, gaps at the end of the ring included. */
  #written = 0;
  /** Where each begins, counted like `written`; the oldest first. */
  readonly #places = new Map<string, { readonly at: number; readonly size: number }>();

  /** A copy of the content, if it is still there. */
  get(id: string): Buffer | undefined {
    const place = this.#places.get(id);
    if (place === undefined || this.#ring === null) return undefined;
    const start = place.at % RING;
    return Buffer.from(this.#ring.subarray(start, start + place.size));
  }

  /** Copies the content, which is smaller than the ring. */
  add({ id, chunks, size }: Frame): void {
    this.#ring ??= Buffer.allocUnsafeSlow(RING);
    const left = RING - (this.#written % RING);
    if (left < size) this.#written += left;
    putChunks(chunks, this.#ring, this.#written % RING);
    this.#places.set(id, { at: this.#written, size });
    this.#written += size;
    for (const [oldest, { at }] of this.#places) {
      if (at >= this.#written - RING) break;
      this.#places.delete(oldest);
    }
  }

  remove(id: string): void {
    this.#places.delete(id);
  }
}
