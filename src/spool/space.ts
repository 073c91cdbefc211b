// How much room the disk has left for mail, asked of the system once a second at most.
// disk-spool.ts refuses new mail by it; delivery and settlement go on below the limit.
// Never counts what other programs will write next: minFree is there for that.
import type { Clock } from '../clock/clock.ts';
import type { FileDoor } from './files.ts';

/** Milliseconds for which an answer holds. */
const HOLDS = 1000;

export class FreeSpace {
  readonly #files: FileDoor;
  readonly #folder: string;
  readonly #minFree: number;
  readonly #clock: Clock;
  #asked = Number.NEGATIVE_INFINITY;
  #free = 0;
  #answer: string | null = null;

  constructor(files: FileDoor, folder: string, minFree: number, clock: Clock) {
    this.#files = files;
    this.#folder = folder;
    this.#minFree = minFree;
    this.#clock = clock;
  }

  /** Why no mail may come in, or null. */
  trouble(): string | null {
    const now = this.#clock.now();
    if (Math.abs(now - this.#asked) >= HOLDS) {
      this.#asked = now;
      this.#answer = this.#ask();
    }
    return this.#answer;
  }

  /** Octets, as of the last answer; 0 when the system gave none. */
  free(): number {
    this.trouble();
    return this.#free;
  }

  #ask(): string | null {
    this.#free = 0;
    try {
      const free = this.#files.freeSpace(this.#folder);
      this.#free = free;
      if (free >= this.#minFree) return null;
      return `${free} octets are free on the disk, spool.minFree is ${this.#minFree}`;
    } catch (error) {
      return `the free space on the disk is not known: ${String(error)}`;
    }
  }
}
