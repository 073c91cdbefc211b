// Looks after the time of day in the policy: at each moment at which a rule or a window begins or ends to hold,
// queued mail is gone over once. queue.ts starts it; hours.ts knows the moments, review.ts does the work.
// Never reviews for a moment that changes nothing: policies without times have none.
import type { Timer } from '../clock/clock.ts';
import { firstChange } from '../policy/hours.ts';
import type { Policy } from '../policy/policy.ts';
import type { House } from './house.ts';
import { review } from './review.ts';

/** As often as other timers of the queue: clocks that are set, by hand or by a test, are followed in time. */
const SWEEP_MS = 1_000;

export class PolicyClock {
  readonly #house: House;
  #policy: Policy;
  /** When mail was last gone over for the time. */
  #since: number;
  /** How long that holds, ms since the epoch; infinity: for ever. */
  #until: number;
  #timer: Timer | null = null;
  #reviewing: Promise<void> = Promise.resolve();

  constructor(house: House) {
    this.#house = house;
    this.#policy = house.policy();
    this.#since = house.clock.now();
    this.#until = firstChange(this.#policy.times, this.#since);
  }

  /** Begins with a review, if anything can have changed while nobody ran: what policy holds was held by the old one. */
  start(): void {
    const { spool } = this.#house;
    if (this.#policy.times.length > 0 || spool.totals().held > 0) this.#reviewing = this.#review();
    this.#wait();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#reviewing;
  }

  #wait(): void {
    this.#timer = this.#house.clock.after(SWEEP_MS, () => {
      if (this.#house.stopping.aborted) return;
      if (this.#isOver()) this.#reviewing = this.#reviewing.then(() => this.#review());
      this.#wait();
    });
  }

  /** A boundary has passed, or the clock was set back behind the last one. */
  #isOver(): boolean {
    const now = this.#house.clock.now();
    const policy = this.#house.policy();
    if (policy !== this.#policy) this.#until = firstChange(policy.times, this.#since);
    this.#policy = policy;
    const isSetBack = now < this.#since && policy.times.length > 0;
    if (now < this.#until && !isSetBack) return false;
    this.#since = now;
    this.#until = firstChange(policy.times, now);
    return true;
  }

  /** Never rejects: what could not be moved is looked at again before its attempt. */
  async #review(): Promise<void> {
    const { observer } = this.#house;
    try {
      const moved = await review(this.#house, null);
      if (moved > 0) observer.info('rules by time were followed', { moved });
    } catch (error) {
      observer.warn('a review broke off', { error: String(error) });
    }
  }
}
