// A bound on the questions that are on their way at one time; the rest waits in line, in order.
// lookup.ts goes through here for each try, exchange.ts works inside.
// Never lets a slot outlive the work that it was given for.

export class Slots {
  #free: number;
  /** In order of arrival; an asker that left is taken out. */
  readonly #line = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs the work when there is room; null when the signal aborts before that. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | null> {
    if (!(await this.#enter(signal))) return null;
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #enter(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const giveUp = (): void => {
        this.#line.delete(admit);
        resolve(false);
      };
      const admit = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(true);
      };
      this.#line.add(admit);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** The slot goes to the first in line, or back. */
  #leave(): void {
    const [next] = this.#line;
    if (!next) {
      this.#free++;
      return;
    }
    this.#line.delete(next);
    next();
  }
}
