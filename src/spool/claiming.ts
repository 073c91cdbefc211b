// Hands out what is due, each entry to one at a time, and keeps it from others while it changes.
// disk-spool.ts asks it for runs and tells it of every commit; due.ts, claims.ts and store.ts serve it.
// Never hands out an entry in a state that it no longer has.
import type { Random } from '../clock/random.ts';
import type { DestinationKey, EntryKey, Priority, QueueEntry } from '../queue/entry.ts';
import { Claims } from './claims.ts';
import { DueWindows } from './due.ts';
import type { Journal } from './journal.ts';
import type { Body, Claim } from './spool.ts';
import type { Effects } from './staging.ts';
import type { Store } from './store.ts';

export class Claiming {
  readonly #store: Store;
  readonly #claims: Claims;
  readonly #windows: DueWindows;
  /** Content of a message that exists. */
  readonly #body: (id: string) => Promise<Body>;
  #closed = false;

  constructor(store: Store, journal: Journal, body: (id: string) => Promise<Body>, random: Random) {
    this.#store = store;
    this.#claims = new Claims(journal);
    this.#windows = new DueWindows(store.due, (key) => !this.#claims.isBusy(key), random);
    this.#body = body;
  }

  claim(destination: DestinationKey, now: number): Claim | null {
    for (;;) {
      const key = this.#windows.take(destination, now);
      if (key === undefined) return null;
      const entry = this.#store.entry(key);
      if (entry?.destination !== destination || entry.due !== key.due || entry.hold) continue;
      const stored = this.#store.message(key.id);
      if (stored === undefined) continue;
      this.#claims.claim(entry);
      this.#windows.claimed(destination);
      return {
        entry,
        message: stored.message,
        dotSent: () => this.#claims.dotSent(entry),
        body: () => this.#body(entry.id),
        release: () => this.#giveBack(entry),
      };
    }
  }

  #giveBack(entry: QueueEntry): void {
    if (this.#claims.release(entry)) this.#windows.givenBack(entry);
  }

  nextDue(destination: DestinationKey): number | null {
    return this.#windows.nextDue(destination);
  }

  dueCount(destination: DestinationKey, now: number, limit: number): number {
    return this.#windows.count(destination, now, limit);
  }

  urgency(destination: DestinationKey, now: number): Priority | null {
    return this.#windows.urgency(destination, now);
  }

  /** Claimed, or about to change. */
  isBusy(key: EntryKey): boolean {
    return this.#claims.isBusy(key);
  }

  /** Keeps entries from being claimed until the change that was called for is on disk, or refused. */
  beginChange(keys: readonly EntryKey[]): void {
    this.#claims.beginChange(keys);
  }

  /** The change is on disk: `committed` has told what came of it. */
  changed(keys: readonly EntryKey[]): void {
    this.#claims.endChange(keys);
  }

  /** The change was refused: what was not claimed may be claimed again. */
  unchanged(keys: readonly EntryKey[]): void {
    this.#claims.endChange(keys);
    if (this.#closed) return;
    for (const key of keys) {
      const entry = this.#store.entry(key);
      if (entry !== undefined && !entry.hold) this.#windows.insert(entry);
    }
  }

  /** Ends the claims of what a transaction has touched, and takes over what is due now. */
  committed({ left, came }: Effects): void {
    for (const entry of came) this.#unclaimed(this.#claims.release(entry));
    for (const entry of left) {
      this.#unclaimed(this.#claims.forget(entry));
      this.#windows.remove(entry);
    }
    for (const entry of came) if (!entry.hold) this.#windows.insert(entry);
  }

  /** Where it was claimed: a change may have moved it to another destination. */
  #unclaimed(claimed: QueueEntry | undefined): void {
    if (claimed !== undefined) this.#windows.settled(claimed);
  }

  close(): void {
    this.#closed = true;
    this.#claims.close();
  }
}
