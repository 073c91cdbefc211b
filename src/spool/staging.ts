// One transaction in the making: what each of its works writes, seen through what came before it.
// commits.ts hands it from work to work and applies it; disk.ts takes over its effects afterwards.
// Never touches the disk or the memory of the spool before the transaction is on disk.
import type { EntryKey, QueueEntry } from '../queue/entry.ts';
import { FRAME_HEADER } from './frames.ts';
import type { Place, StoredMessage } from './records.ts';
import type { SegmentPlace, Segments } from './segments.ts';
import { SpoolError, type Totals } from './spool.ts';
import type { IndexWrite, Store } from './store.ts';
import { Ledger } from './totals.ts';

/** What is true once the transaction is on disk. */
export interface Effects {
  readonly totals: Totals;
  /** Entries that left the index, as they stood there, and those that came into it. */
  readonly left: readonly QueueEntry[];
  readonly came: readonly QueueEntry[];
  readonly goneMessages: readonly StoredMessage[];
  readonly liveOctets: ReadonlyMap<number, number>;
  readonly placed: readonly SegmentPlace[];
}

export class Staging {
  readonly ledger: Ledger;
  readonly #store: Store;
  readonly #writes: IndexWrite[] = [];
  readonly #messages = new Map<string, StoredMessage | null>();
  readonly #entries = new Map<string, Map<number, QueueEntry | null>>();
  readonly #left: QueueEntry[] = [];
  readonly #came: QueueEntry[] = [];
  readonly #gone: StoredMessage[] = [];
  readonly #live = new Map<number, number>();
  readonly #placed: SegmentPlace[] = [];
  #touched = false;

  constructor(store: Store, totals: Totals) {
    this.#store = store;
    this.ledger = new Ledger(totals);
  }

  /** Nothing to write. */
  get empty(): boolean {
    return this.#writes.length === 0 && !this.#touched;
  }

  /** The books change, though nothing else does. */
  touch(): void {
    this.#touched = true;
  }

  message(id: string): StoredMessage | undefined {
    const staged = this.#messages.get(id);
    return staged === undefined ? this.#store.message(id) : (staged ?? undefined);
  }

  entry(key: EntryKey): QueueEntry | undefined {
    const staged = this.#entries.get(key.id)?.get(key.seq);
    return staged === undefined ? this.#store.entry(key) : (staged ?? undefined);
  }

  entries(id: string): QueueEntry[] {
    const staged = this.#entries.get(id);
    const stored = this.#store.entries(id).filter(({ seq }) => staged?.get(seq) === undefined);
    const fresh = [...(staged?.values() ?? [])].filter((entry) => entry !== null);
    return [...stored, ...fresh];
  }

  addMessage(stored: StoredMessage): void {
    this.#messages.set(stored.message.id, stored);
    this.#writes.push(this.#store.putMessage(stored));
    this.#place(stored.place, stored.message.size, 1);
  }

  /** A body now stands elsewhere. */
  moveMessage(stored: StoredMessage, place: Place): void {
    this.#place(stored.place, stored.message.size, -1);
    const moved = { ...stored, place };
    this.#messages.set(stored.message.id, moved);
    this.#writes.push(this.#store.putMessage(moved));
    this.#place(place, stored.message.size, 1);
  }

  /** Notes that a frame was written, whether or not a message still needs it. */
  framePlaced(place: SegmentPlace): void {
    this.#placed.push(place);
  }

  putEntry(entry: QueueEntry): void {
    const before = this.entry(entry);
    if (before !== undefined) this.#leave(before);
    this.#stage(entry, entry);
    this.#writes.push(...this.#store.putEntry(entry));
    this.#came.push(entry);
    this.ledger.enters(entry);
  }

  removeEntry(entry: QueueEntry): void {
    this.#leave(entry);
    this.#stage(entry, null);
  }

  /** Removes the message, and counts its body dead, when no entry is left. */
  dropIfDone(id: string): void {
    if (this.#hasEntries(id)) return;
    const stored = this.message(id);
    if (stored === undefined) return;
    this.#messages.set(id, null);
    this.#writes.push(this.#store.removeMessage(id));
    this.#gone.push(stored);
    this.#place(stored.place, stored.message.size, -1);
  }

  note(key: string, json: string | null): void {
    this.#writes.push(this.#store.putNote(key, json));
  }

  #leave(before: QueueEntry): void {
    this.#writes.push(...this.#store.removeEntry(before));
    this.#left.push(before);
    this.ledger.leaves(before);
  }

  #stage(key: EntryKey, entry: QueueEntry | null): void {
    const staged = this.#entries.get(key.id);
    if (staged === undefined) this.#entries.set(key.id, new Map([[key.seq, entry]]));
    else staged.set(key.seq, entry);
  }

  #hasEntries(id: string): boolean {
    const staged = this.#entries.get(id);
    for (const entry of staged?.values() ?? []) if (entry !== null) return true;
    for (const key of this.#store.entryKeys(id)) if (staged?.get(key.seq) === undefined) return true;
    return false;
  }

  #place(place: Place, size: number, sign: 1 | -1): void {
    if (place.kind !== 'segment') return;
    const octets = sign * (FRAME_HEADER + size);
    this.#live.set(place.segment, (this.#live.get(place.segment) ?? 0) + octets);
  }

  /** All writes of the transaction. */
  writes(segments: Segments, latestId: number): readonly IndexWrite[] {
    const rows = [...this.#live].map(([number, live]) =>
      this.#store.putSegment(number, segments.rowAfter(number, live)),
    );
    const gone = segments.takeGone().map((number) => this.#store.removeSegment(number));
    return [...this.#writes, ...gone, ...rows, this.#store.putTotals(this.ledger.totals(), latestId)];
  }

  effects(): Effects {
    return {
      totals: this.ledger.totals(),
      left: this.#left,
      came: this.#came,
      goneMessages: this.#gone,
      liveOctets: this.#live,
      placed: this.#placed,
    };
  }
}

/** The message is no longer there for what was to be done with it. */
export class MessageGone extends SpoolError {}
