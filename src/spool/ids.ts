// Makes queue ids: short, sortable by time, never twice in one spool.
// disk-spool.ts hands them out through Spool.newId(); they stand in replies, Received fields and every event.
// Never goes back in time, also when the system's clock does.
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import type { QueueId } from '../mail/envelope.ts';

/** Crockford's base32 in lower case: no i, l, o, u to misread on the phone. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

/** Ids in one millisecond: 18 of the 60 bits; the other 42 are milliseconds and last until 2109. */
const PER_MILLISECOND = 2 ** 18;

export class QueueIds {
  readonly #clock: Clock;
  readonly #random: Random;
  #time: number;
  #count = 0;

  /** `floor`: the latest time that an earlier process may have used, ms since the epoch. */
  constructor(clock: Clock, random: Random, floor: number) {
    this.#clock = clock;
    this.#random = random;
    this.#time = floor + 1;
  }

  /** The time in the last id: the floor for the next process. */
  get latest(): number {
    return this.#time;
  }

  next(): QueueId {
    const now = this.#clock.now();
    if (now > this.#time) {
      this.#time = now;
      // A random start in the lower half: ids tell nobody how many came before.
      this.#count = Math.floor((this.#random() * PER_MILLISECOND) / 2);
    } else if (++this.#count >= PER_MILLISECOND) {
      this.#time++;
      this.#count = 0;
    }
    const upper = Math.floor(this.#time / 4);
    const lower = (this.#time % 4) * PER_MILLISECOND + this.#count;
    return base32(upper, 8) + base32(lower, 4);
  }
}

/** `length` digits of `value`, most significant first. */
function base32(value: number, length: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < length; i++) {
    text = DIGITS[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
