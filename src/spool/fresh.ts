// Content of the newest messages in memory: most mail goes out moments after it came in.
// disk-spool.ts puts in what was just committed and reads here first; segments.ts has it all.
// Never grows past its bound.

/** Octets kept: a few thousand ordinary messages. */
const LARGEST = 16 * 2 ** 20;

export class FreshBodies {
  readonly #bodies = new Map<string, Buffer>();
  #octets = 0;

  get(id: string): Buffer | undefined {
    return this.#bodies.get(id);
  }

  add(id: string, content: Buffer): void {
    this.remove(id);
    this.#bodies.set(id, content);
    this.#octets += content.length;
    if (this.#octets <= LARGEST) return;
    for (const oldest of this.#bodies.keys()) {
      this.remove(oldest);
      if (this.#octets <= LARGEST) return;
    }
  }

  remove(id: string): void {
    const content = this.#bodies.get(id);
    if (content === undefined) return;
    this.#bodies.delete(id);
    this.#octets -= content.length;
  }
}
