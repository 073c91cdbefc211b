// What a spool is: the one place that knows which mail exists and what became of it.
// relay/ commits into it, queue/ claims from it and settles in it; disk.ts is the kind for one machine.
// Never decides anything: no policy, no schedule, no network.
import type { Message, Origin } from '../mail/envelope.ts';
import type { DestinationKey, EntryKey, Priority, QueueEntry } from '../queue/entry.ts';

/** Ways a recipient's story ends. */
export const outcomes = ['delivered', 'bounced', 'expired', 'discarded', 'removed'] as const;
export type Outcome = (typeof outcomes)[number];

/** The books: accepted = the sum of ended + queued, in recipients, since the spool was made. */
export interface Totals {
  readonly accepted: Readonly<Record<Origin, number>>;
  readonly ended: Readonly<Record<Outcome, number>>;
  /** Held ones included. */
  readonly queued: number;
  readonly held: number;
}

/** Content on its way in. One writer, used by one message. */
export interface BodyWriter {
  /** Octets written so far. */
  readonly size: number;
  /**
   * Takes ownership of `chunk`. Resolves when more may come (back-pressure); memory stays bounded.
   * Rejects with SpoolError.
   */
  write(chunk: Buffer): Promise<void> | undefined;
  /** Forgets the content. Safe at any time before commit, and twice. */
  discard(): void;
}

/** Content on its way out. */
export type Body =
  | { readonly kind: 'buffer'; readonly data: Buffer }
  | {
      readonly kind: 'stream';
      readonly size: number;
      open(): AsyncIterable<Buffer> & { destroy(): void };
    };

export interface NewMessage {
  /** `size` is filled in from the body by the spool. */
  readonly message: Omit<Message, 'size'>;
  readonly entries: readonly QueueEntry[];
  /** Recipients that end at once (a discard route). */
  readonly discarded: number;
  readonly body: BodyWriter;
}

/**
 * Everything that one decision changes, on disk together or not at all.
 * When the last entry of a message goes, the message and its body go with it.
 */
export interface Change {
  readonly remove?: readonly EntryKey[];
  /** New or changed entries; a key that exists is replaced. */
  readonly put?: readonly QueueEntry[];
  readonly ended?: Readonly<Partial<Record<Outcome, number>>>;
  /** Messages born of this change: DSNs. */
  readonly born?: readonly NewMessage[];
  /** Small durable facts by key (destination back-off, suspensions, checkpoints); null removes. */
  readonly notes?: Readonly<Record<string, unknown>>;
}

/** An entry that this process works on and nobody else may. */
export interface Claim {
  readonly entry: QueueEntry;
  readonly message: Message;
  /** Marks durably (against a crash of the process) that the final dot is about to be sent. */
  dotSent(): void;
  /** Content of the message. Rejects with SpoolError when the disk does not give it. */
  body(): Promise<Body>;
  /** Gives the entry back unchanged. A claim that was settled by `change` needs no release. */
  release(): void;
}

export interface DueTimer {
  readonly at: number;
  readonly entry: QueueEntry;
}

/** One destination as the index has it. */
export interface DestinationStock {
  readonly destination: DestinationKey;
  /** Entries, without the held ones. */
  readonly entries: number;
  readonly nextDue: number;
}

export interface Recovery {
  /** Entries that were under way when the last process died, already marked in the index. */
  readonly underWay: readonly QueueEntry[];
  readonly orphanBodies: number;
}

export interface Spool {
  /** Made once with the data folder; names the BullMQ queue. */
  readonly id: string;
  readonly recovery: Recovery;
  newId(): string;

  /**
   * Throws SpoolFull for a client's mail when the free space is under minFree: reports and notices
   * live on that reserve. Throws SpoolError when nothing can be written any more.
   */
  receive(origin?: Origin): BodyWriter;
  /** Resolves when body, envelope and entries are on disk: then, and only then, a 250 may go out. */
  commit(added: NewMessage): Promise<Message>;
  /**
   * Durably undoes a commit whose client was answered 4xx after all; the totals are undone too.
   * False when the message is gone or being delivered already.
   */
  withdraw(id: string): Promise<boolean>;
  /**
   * Resolves when the change is on disk. Entries that it touches are no longer claimed. Rejects, with
   * nothing changed, when the recipients that leave entries are not those that end or enter others.
   */
  change(change: Change): Promise<void>;

  /**
   * The next entry of the destination that is due, exclusively, or null. Priorities take turns, six of ten
   * for high and one for low; within one the earliest due goes first. Null too when nothing can be written
   * any more: what cannot be settled is not begun.
   */
  claim(destination: DestinationKey, now: number): Claim | null;
  /** The earliest due time among unclaimed entries of the destination, or null. */
  nextDue(destination: DestinationKey): number | null;
  /** Entries of the destination that are due and unclaimed; counts no further than `limit`. */
  dueCount(destination: DestinationKey, now: number, limit: number): number;
  /** The highest priority among entries of the destination that are due and unclaimed; null: there are none. */
  urgency(destination: DestinationKey, now: number): Priority | null;
  /** All destinations with entries, for the start of the queue. */
  stock(): Iterable<DestinationStock>;
  /**
   * Entries whose expiry or warning is due and that come after `after`, earliest first, at most `limit`;
   * claimed ones are left out, and held ones: a hold stops the clock until it is released.
   */
  timers(now: number, limit: number, after?: DueTimer | null): DueTimer[];

  message(id: string): Message | undefined;
  body(id: string): Promise<Body | undefined>;
  entry(key: EntryKey): QueueEntry | undefined;
  entries(id: string): QueueEntry[];
  /** All entries, held ones too, from `after` on in key order. For listings and reviews in slices. */
  scan(after: EntryKey | null): Iterable<QueueEntry>;
  /**
   * All entries of the destination as they are due, held ones last; goes on after `after`, the last
   * one that it gave. What moves meanwhile may come twice or not at all.
   */
  entriesOf(destination: DestinationKey, after: QueueEntry | null): Iterable<QueueEntry>;
  /** Claimed, or a change of it is on its way to the disk. */
  isClaimed(key: EntryKey): boolean;
  note(key: string): unknown;
  notes(prefix: string): Iterable<readonly [string, unknown]>;

  totals(): Totals;
  /** Octets of segments and large bodies, dead ones included. */
  diskUsed(): number;
  /** Octets free on the disk, as of the last second. */
  diskFree(): number;
  /** Why no mail can be taken now (disk full, failed write), or null. */
  trouble(): string | null;
  /** Why nothing can be written any more, or null: an outcome could not be kept either. */
  broken(): string | null;
  /** Waits for what is being written, then lets the data folder go. */
  close(): Promise<void>;
}

/** The spool cannot do it now: always a temporary failure towards the client. */
export class SpoolError extends Error {
  override readonly name: string = 'SpoolError';
}

/** Less free space than spool.minFree: 452 4.3.1. */
export class SpoolFull extends SpoolError {
  override readonly name = 'SpoolFull';
}
