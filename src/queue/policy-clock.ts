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

/** Noted in the spool while the policy in force has times: mail may wait for one that a policy after us has not. */
const TIMES_NOTE = 'policy-times';

export class PolicyClock {
  readonly #house: House;
  #policy: Policy;
  /** When mail was last gone over for the time. */
  #since: number;
  /** How long that holds, ms since the epoch; infinity: for ever. */
  #until: number;
  #timer: Timer | null = null;
  #working: Promise<void> = Promise.resolve();

  constructor(house: House) {
    this.#house = house;
    this.#policy = house.policy();
    this.#since = house.clock.now();
    this.#until = firstChange(this.#policy.times, this.#since);
  }

  /** Begins with a review, if mail may wait for a time or a policy that went by while nobody ran. */
  start(): void {
    const { spool } = this.#house;
    const mayWait = spool.note(TIMES_NOTE) === true || spool.totals().held > 0;
    if (mayWait || this.#policy.times.length > 0) this.#then(() => this.#review());
    this.#then(() => this.#noteTimes());
    this.#wait();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#working;
  }

  #wait(): void {
    this.#timer = this.#house.clock.after(SWEEP_MS, () => {
      if (this.#house.stopping.aborted) return;
      this.#follow(this.#house.policy());
      if (this.#isOver()) this.#then(() => this.#review());
      this.#wait();
    });
  }

  /** A reload has reviewed everything; only what comes later is ours. */
  #follow(policy: Policy): void {
    if (policy === this.#policy) return;
    this.#policy = policy;
    this.#until = firstChange(policy.times, this.#since);
    this.#then(() => this.#noteTimes());
  }

  /** A boundary has passed, or the clock was set back behind the last one. */
  #isOver(): boolean {
    const now = this.#house.clock.now();
    const { times } = this.#policy;
    const isSetBack = now < this.#since && times.length > 0;
    if (now < this.#until && !isSetBack) return false;
    this.#since = now;
    this.#until = firstChange(times, now);
    return true;
  }

  /** One after the other. What could not be moved is looked at again before its attempt. */
  #then(work: () => Promise<void>): void {
    this.#working = this.#working.then(work).catch((error: unknown) => {
      this.#house.observer.warn('the time of rules could not be followed', { error: String(error) });
    });
  }

  async #review(): Promise<void> {
    const moved = await review(this.#house, null);
    if (moved > 0) this.#house.observer.info('rules by time were followed', { moved });
  }

  async #noteTimes(): Promise<void> {
    const { spool } = this.#house;
    const hasTimes = this.#policy.times.length > 0;
    if (hasTimes === (spool.note(TIMES_NOTE) === true)) return;
    await spool.change({ notes: { [TIMES_NOTE]: hasTimes ? true : null } });
  }
}
