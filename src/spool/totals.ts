// The arithmetic of the books: what each commit adds to accepted, ended, queued and held.
// staging.ts counts a batch with it; the result is stored in the same transaction.
// Never lets a change pass whose recipients do not add up.
import type { Origin } from '../mail/envelope.ts';
import type { QueueEntry } from '../queue/entry.ts';
import type { Outcome, Totals } from './spool.ts';
import { outcomes } from './spool.ts';

export const emptyTotals: Totals = {
  accepted: { client: 0, dsn: 0, notice: 0 },
  ended: { delivered: 0, bounced: 0, expired: 0, discarded: 0, removed: 0 },
  queued: 0,
  held: 0,
};

/** The books while a batch is staged. */
export class Ledger {
  readonly #accepted: Record<Origin, number>;
  readonly #ended: Record<Outcome, number>;
  #queued: number;
  #held: number;

  constructor(start: Totals) {
    this.#accepted = { ...start.accepted };
    this.#ended = { ...start.ended };
    this.#queued = start.queued;
    this.#held = start.held;
  }

  accept(origin: Origin, recipients: number): void {
    this.#accepted[origin] += recipients;
  }

  end(ended: Readonly<Partial<Record<Outcome, number>>>): void {
    for (const outcome of outcomes) this.#ended[outcome] += ended[outcome] ?? 0;
  }

  enters(entry: QueueEntry): void {
    this.#queued += entry.recipients.length;
    if (entry.hold) this.#held += entry.recipients.length;
  }

  leaves(entry: QueueEntry): void {
    this.#queued -= entry.recipients.length;
    if (entry.hold) this.#held -= entry.recipients.length;
  }

  totals(): Totals {
    return {
      accepted: { ...this.#accepted },
      ended: { ...this.#ended },
      queued: this.#queued,
      held: this.#held,
    };
  }
}

/** Recipients in all entries. */
export function recipientsOf(entries: readonly QueueEntry[]): number {
  let sum = 0;
  for (const entry of entries) sum += entry.recipients.length;
  return sum;
}

export function sumOfEnded(ended: Readonly<Partial<Record<Outcome, number>>>): number {
  let sum = 0;
  for (const outcome of outcomes) sum += ended[outcome] ?? 0;
  return sum;
}
