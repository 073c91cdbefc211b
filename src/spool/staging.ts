// One transaction in the making: what each of its works writes, seen through what came before it.
// commits.ts hands it from work to work and applies it; disk-spool.ts takes over its effects afterwards.
// Never touches the disk or the memory of the spool before the transaction is on disk.
import type { EntryKey, QueueEntry } from '../queue/entry.ts';
import { FRAME_HEADER } from './frames.ts';
import type { Place, StoredMessage } from './records.ts';
import type { SegmentChange, SegmentPlace, Segments } from './segments.ts';
import type { Totals } from './spool.ts';
import type { IndexWrite, Store } from './store.ts';
import { Ledger } from './totals.ts';

/** What is true once the transaction is on disk. */
export interface Effects {
  readonly totals: Totals;
  /** Entries that left the index, as they stood there, and those that came into it. */
  readonly left: readonly QueueEntry[];
  readonly came: readonly QueueEntry[];
  readonly goneMessages: readonly StoredMessage[];
  readonly segments: ReadonlyMap<number, SegmentChange>;
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
  readonly #segments = new Map<number, SegmentChange>();
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
    this.#lives(stored.place, stored.message.size);
  }

  /** A body now stands elsewhere. */
  moveMessage(stored: StoredMessage, place: Place): void {
    this.#dies(stored);
    this.addMessage({ ...stored, place });
  }

  /** Notes that a frame of `octets` was written, whether or not a message still needs it. */
  framePlaced({ segment, offset }: SegmentPlace, octets: number): void {
    const change = this.#segmentChange(segment);
    change.placed++;
    change.end = Math.max(change.end, offset + octets);
    this.touch();
  }

  putEntry(entry: QueueEntry): void {
    const before = this.entry(entry) ?? null;
    if (before !== null) this.#leaves(before);
    this.#writes.push(...this.#store.replaceEntry(before, entry));
    this.#stage(entry, entry);
    this.#came.push(entry);
    this.ledger.enters(entry);
  }

  /** Takes out an entry as it stands. */
  removeEntry(entry: QueueEntry): void {
    this.#leaves(entry);
    this.#writes.push(...this.#store.replaceEntry(entry, null));
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
    this.#dies(stored);
  }

  /** `json` null removes. */
  note(key: string, json: string | null): void {
    this.#writes.push(this.#store.putNote(key, json));
  }

  #leaves(before: QueueEntry): void {
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

  #lives(place: Place, size: number): void {
    if (place.kind === 'segment') this.#segmentChange(place.segment).live += FRAME_HEADER + size;
  }

  #dies({ place, message }: StoredMessage): void {
    if (place.kind === 'segment') this.#segmentChange(place.segment).live -= FRAME_HEADER + message.size;
  }

  #segmentChange(number: number): SegmentChange {
    const known = this.#segments.get(number);
    if (known !== undefined) return known;
    const change: SegmentChange = { live: 0, end: 0, placed: 0 };
    this.#segments.set(number, change);
    return change;
  }

  /** All writes of the transaction. */
  writes(segments: Segments, latestId: number): readonly IndexWrite[] {
    const writes = this.#writes;
    for (const number of segments.takeGone()) writes.push(this.#store.removeSegment(number));
    for (const [number, change] of this.#segments) {
      writes.push(this.#store.putSegment(number, segments.rowAfter(number, change)));
    }
    writes.push(this.#store.putTotals(this.ledger.totals(), latestId));
    return writes;
  }

  effects(): Effects {
    return {
      totals: this.ledger.totals(),
      left: this.#left,
      came: this.#came,
      goneMessages: this.#gone,
      segments: this.#segments,
    };
  }
}
