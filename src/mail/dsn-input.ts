// What a delivery report is made of.
// queue/bounce.ts fills it in; dsn.ts and the files beside it put it into fields and words.
// Never holds text for people: the words are dsn-words.ts's.
import type { Failure } from '../delivery/failure.ts';
import type { Original } from './dsn-original.ts';
import type { Address, QueueId } from './envelope.ts';

export interface DsnRecipient {
  readonly address: Address;
  /** The last one. Permanent: refused; temporary in a `failed` report: given up after too long. */
  readonly failure: Failure;
  /** Attempts that reached the recipient's side. */
  readonly attempts: number;
  /** Times in ms since the epoch. */
  readonly lastAttempt?: number;
  /** When the message will be given up: for `delayed`. */
  readonly willRetryUntil?: number;
}

export interface DsnInput {
  readonly kind: 'failed' | 'delayed';
  /** Of the report itself. */
  readonly id: QueueId;
  /** Our name. */
  readonly hostname: string;
  readonly now: number;
  /** Where the report goes: `from`, somebody who hears in its place, or the postmaster when `from` is null. */
  readonly to: Address;
  /** Reverse path of the original; `''` when the original is a report itself (double bounce). */
  readonly from: Address;
  readonly originalId: QueueId;
  readonly arrived: number;
  /** All of one kind and of one message; never empty. */
  readonly recipients: readonly DsnRecipient[];
  readonly original: Original;
}
