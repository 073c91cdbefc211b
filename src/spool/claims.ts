// Who works on what: claimed entries, and entries whose change is on its way to the disk.
// claiming.ts asks here before it hands out or changes an entry; each claim has a slot in the journal.
// Never lives longer than the process: a start begins with nothing claimed.
import type { EntryKey, QueueEntry } from '../queue/entry.ts';
import type { Journal } from './journal.ts';

interface Held {
  readonly entry: QueueEntry;
  readonly slot: number;
  dotSent: boolean;
}

export class Claims {
  readonly #journal: Journal;
  readonly #claimed = new Map<string, Held>();
  /** How many changes of an entry wait for the disk. */
  readonly #changing = new Map<string, number>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  claim(entry: QueueEntry): void {
    this.#claimed.set(nameOf(entry), { entry, slot: this.#journal.claim(entry), dotSent: false });
  }

  isClaimed(key: EntryKey): boolean {
    return this.#claimed.has(nameOf(key));
  }

  /** Claimed, or about to change: nobody else may touch it. */
  isBusy(key: EntryKey): boolean {
    const name = nameOf(key);
    return this.#claimed.has(name) || this.#changing.has(name);
  }

  dotSent(key: EntryKey): void {
    const held = this.#claimed.get(nameOf(key));
    if (held === undefined || held.dotSent) return;
    held.dotSent = true;
    this.#journal.dotSent(held.slot);
  }

  /** Ends the claim of an entry that goes on to exist; returns it as it was claimed, if it still was. */
  release(key: EntryKey): QueueEntry | undefined {
    const held = this.#take(key);
    if (held !== undefined) this.#journal.clear(held.slot);
    return held?.entry;
  }

  /** Ends the claim of an entry that is gone; returns it as it was claimed, if it still was. */
  forget(key: EntryKey): QueueEntry | undefined {
    const held = this.#take(key);
    if (held !== undefined) this.#journal.reuse(held.slot);
    return held?.entry;
  }

  #take(key: EntryKey): Held | undefined {
    const name = nameOf(key);
    const held = this.#claimed.get(name);
    if (held !== undefined) this.#claimed.delete(name);
    return held;
  }

  beginChange(keys: readonly EntryKey[]): void {
    for (const key of keys) {
      const name = nameOf(key);
      this.#changing.set(name, (this.#changing.get(name) ?? 0) + 1);
    }
  }

  endChange(keys: readonly EntryKey[]): void {
    for (const key of keys) {
      const name = nameOf(key);
      const left = (this.#changing.get(name) ?? 1) - 1;
      if (left > 0) this.#changing.set(name, left);
      else this.#changing.delete(name);
    }
  }

  /** Gives back what no peer can have; what had its dot sent stays in the journal for the next start. */
  close(): void {
    for (const held of this.#claimed.values()) if (!held.dotSent) this.#journal.clear(held.slot);
    this.#claimed.clear();
    this.#journal.close();
  }
}

function nameOf({ id, seq }: EntryKey): string {
  return `${id}/${seq}`;
}
