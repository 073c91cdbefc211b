// What was started and has to be ended, in the opposite order.
// parts.ts notes each part here as it starts it, and ends them all when the daemon stops.
// Never leaves a part running because another one did not end in order.

export class Started {
  readonly #ends: (() => void | Promise<void>)[] = [];

  add(end: () => void | Promise<void>): void {
    this.#ends.push(end);
  }

  /** All of it: a part that cannot end in order is told to `trouble`, and the next one ends. */
  async end(trouble: (error: unknown) => void): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        trouble(error);
      }
    }
  }
}
