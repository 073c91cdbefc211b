// Runs that were asked for and have not begun: the request goes to BullMQ, the count stays with its destination.
// dispatcher.ts asks here; bull.ts takes the request, and run.ts begins with the dispatcher's admission.
// Never waits for Redis: what it did not take is as good as not asked for.
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Spool } from '../spool/spool.ts';
import type { RunPriority, RunQueue } from './bull.ts';
import type { Destination } from './destinations.ts';

/** Of so many runs to destinations that have not answered, one queues with the living: none waits for ever. */
const SLOW_SHARE = 4;

/**
 * Of so many runs for urgent mail, one queues with the others of its standing. A destination asks for its
 * next run when one has ended: so the others begin at least this share of all runs, and none waits for ever,
 * however much is urgent. Low mail queues like normal mail: behind it, it could.
 */
const URGENT_SHARE = 3;

/** A run that nobody began this long after it was asked for, with places free, is lost. */
const LOST_MS = 5000;

export interface RunRequestsOptions {
  readonly ask: RunQueue['ask'];
  readonly spool: Pick<Spool, 'urgency'>;
  readonly clock: Clock;
  readonly reached: ReachMilestone;
  /** Told of each run that has begun, or never will. */
  readonly gone: (destination: Destination) => void;
}

export class RunRequests {
  readonly #options: RunRequestsOptions;
  #open = 0;
  #slowRuns = 0;
  #urgentRuns = 0;

  constructor(options: RunRequestsOptions) {
    this.#options = options;
  }

  /** Runs asked for without a delay that have not begun, of all destinations. */
  get open(): number {
    return this.#open;
  }

  /** A run at once; `slow` for a destination that has not answered lately. */
  now(destination: Destination, slow: boolean): void {
    const { ask, clock, reached } = this.#options;
    if (destination.asked++ === 0) destination.askedAt = clock.now();
    this.#open++;
    const priority = this.#priorityOf(destination, slow);
    void ask({ destination: destination.key, delay: 0, priority }).then((taken) => {
      if (taken) reached('run-asked');
      else this.begun(destination);
    });
  }

  #priorityOf({ key }: Destination, slow: boolean): RunPriority {
    const { spool, clock } = this.#options;
    const standing = slow && ++this.#slowRuns % SLOW_SHARE !== 0 ? 'slow' : 'live';
    const isUrgent = spool.urgency(key, clock.now()) === 'high' && ++this.#urgentRuns % URGENT_SHARE !== 0;
    return isUrgent ? `${standing}-urgent` : standing;
  }

  /** A run at `start`, unless one is on its way that begins no later. */
  later(destination: Destination, start: number): void {
    const now = this.#options.clock.now();
    const { delayedUntil } = destination;
    if (delayedUntil !== null && delayedUntil > now && delayedUntil <= start) return;
    destination.delayedUntil = start;
    const request = { destination: destination.key, delay: start - now, priority: 'slow' } as const;
    void this.#options.ask(request).then((taken) => {
      if (!taken) destination.delayedUntil = null;
    });
  }

  /** One run that was asked for has begun, or never will. */
  begun(destination: Destination): void {
    if (destination.asked === 0) return;
    destination.asked--;
    this.#open--;
    this.#options.gone(destination);
  }

  /** Gives up what should have begun long ago, so that it is asked for again. */
  forgetLost(destination: Destination): void {
    if (destination.asked === 0 || this.#options.clock.now() - destination.askedAt <= LOST_MS) return;
    while (destination.asked > 0) this.begun(destination);
  }
}
