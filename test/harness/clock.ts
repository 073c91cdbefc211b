// A clock that tests move: real time plus an offset, timers of both kinds in one list.
// Stands in for systemClock in unit tests and in the daemon under test.
// Never stops real time: what runs without the offset goes on.
import type { Clock, Timer } from '../../src/clock/clock.ts';

interface Waiting {
  at: number;
  fire: () => void;
  handle: NodeJS.Timeout;
}

export class MovableClock implements Clock {
  #offset = 0;
  readonly #waiting = new Set<Waiting>();

  now(): number {
    return Date.now() + this.#offset;
  }

  after(ms: number, fire: () => void): Timer {
    const waiting: Waiting = { at: this.now() + ms, fire, handle: undefined as unknown as NodeJS.Timeout };
    this.#waiting.add(waiting);
    this.#arm(waiting);
    return {
      cancel: () => {
        clearTimeout(waiting.handle);
        this.#waiting.delete(waiting);
      },
    };
  }

  /** Moves time forward; timers that come due fire in their order, each in a turn of its own. */
  advance(ms: number): void {
    this.#offset += ms;
    for (const waiting of [...this.#waiting].sort((a, b) => a.at - b.at)) this.#arm(waiting);
  }

  #arm(waiting: Waiting): void {
    clearTimeout(waiting.handle);
    const left = Math.min(Math.max(waiting.at - this.now(), 0), 2 ** 31 - 1);
    waiting.handle = setTimeout(() => {
      if (waiting.at > this.now()) return this.#arm(waiting);
      this.#waiting.delete(waiting);
      waiting.fire();
    }, left);
    waiting.handle.unref();
  }
}
