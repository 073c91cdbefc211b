// The index of the spool in lmdb: messages, entries, what is due where, timers, segments, totals, notes.
// staging.ts says what to write, one transaction at a time; the rest of the spool reads through here.
// Never resolves a write before it is on disk, and never leaves half a transaction behind.
import { mkdirSync } from 'node:fs';
import { type Database, type Key, open, type RootDatabase } from 'lmdb';
import type { DestinationKey, EntryKey, QueueEntry } from '../queue/entry.ts';
import { DueIndex } from './due-index.ts';
import { dueKey, type IndexKey, LAST, LAST_ID, timerKey } from './keys.ts';
import {
  type EntryTuple,
  type MessageTuple,
  packEntry,
  packMessage,
  type StoredMessage,
  unpackEntry,
  unpackMessage,
} from './records.ts';
import { type DueTimer, SpoolError, type Totals } from './spool.ts';
import { emptyTotals } from './totals.ts';

/** What the index keeps about a segment: octets that live in it, and where its last body ends. */
export interface SegmentRow {
  readonly live: number;
  readonly end: number;
}

/** One write of a transaction, made by the functions of `IndexWrites`. */
export interface IndexWrite {
  readonly into: Database<unknown, Key>;
  readonly key: Key;
  /** Undefined removes. */
  readonly value: unknown;
}

/** Address space for the map, 64 GB or some 100 million entries: nothing is used before it is written. */
const MAP_SIZE = 64 * 2 ** 30;
/** Entries read at a time by a walk, so that no snapshot is pinned while the caller works. */
const SLICE = 256;

export class Store {
  /** What is due where. */
  readonly due: DueIndex;
  readonly #root: RootDatabase<unknown, Key>;
  readonly #messages: Database<MessageTuple, Key>;
  readonly #entries: Database<EntryTuple, Key>;
  readonly #due: Database<null, Key>;
  readonly #timers: Database<null, Key>;
  readonly #segments: Database<[live: number, end: number], Key>;
  readonly #notes: Database<string, Key>;
  readonly #meta: Database<unknown, Key>;

  /** Throws lmdb's error when the folder cannot be used. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#root = open({ path: folder, overlappingSync: false, maxDbs: 8, mapSize: MAP_SIZE });
    this.#messages = this.#root.openDB('messages', {});
    this.#entries = this.#root.openDB('entries', {});
    this.#due = this.#root.openDB('due', {});
    this.due = new DueIndex(this.#due);
    this.#timers = this.#root.openDB('timers', {});
    this.#segments = this.#root.openDB('segments', {});
    this.#notes = this.#root.openDB('notes', {});
    this.#meta = this.#root.openDB('meta', {});
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────────────

  /**
   * Writes all of it in one transaction; resolves when it is on disk. One call at a time.
   * Rejects with SpoolError when nothing of it was written.
   */
  async apply(writes: readonly IndexWrite[]): Promise<void> {
    try {
      await this.#root.batch(() => {
        for (const { into, key, value } of writes) {
          if (value === undefined) into.remove(key);
          else into.put(key, value);
        }
      });
    } catch (error) {
      throw new SpoolError(`the index was not written: ${await reasonOf(error)}`, { cause: error });
    }
  }

  putMessage(stored: StoredMessage): IndexWrite {
    return { into: this.#messages, key: stored.message.id, value: packMessage(stored) };
  }

  removeMessage(id: string): IndexWrite {
    return { into: this.#messages, key: id, value: undefined };
  }

  /** Writes that bring an entry from how it stands in the index (null: not at all) to how it will. */
  *replaceEntry(before: QueueEntry | null, after: QueueEntry | null): Generator<IndexWrite> {
    const due = [before && dueKey(before), after && dueKey(after)] as const;
    const timer = [before && timerKey(before), after && timerKey(after)] as const;
    yield* replaceKey(this.#due, ...due);
    yield* replaceKey(this.#timers, ...timer);
    const entry = after ?? before;
    if (entry === null) return;
    const value = after === null ? undefined : packEntry(after);
    yield { into: this.#entries, key: [entry.id, entry.seq], value };
  }

  putSegment(number: number, row: SegmentRow): IndexWrite {
    return { into: this.#segments, key: number, value: [row.live, row.end] };
  }

  removeSegment(number: number): IndexWrite {
    return { into: this.#segments, key: number, value: undefined };
  }

  /** `json` null removes. */
  putNote(key: string, json: string | null): IndexWrite {
    return { into: this.#notes, key, value: json ?? undefined };
  }

  putTotals(totals: Totals, latestId: number): IndexWrite {
    return { into: this.#meta, key: 'totals', value: [totals, latestId] };
  }

  putIdentity(id: string, format: number): IndexWrite {
    return { into: this.#meta, key: 'spool', value: [id, format] };
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────

  identity(): { readonly id: string; readonly format: number } | undefined {
    const row = this.#meta.get('spool') as [string, number] | undefined;
    return row && { id: row[0], format: row[1] };
  }

  /** The books, and the latest time that an id of this spool bears. */
  totals(): { readonly totals: Totals; readonly latestId: number } {
    const row = this.#meta.get('totals') as [Totals, number] | undefined;
    return row ? { totals: row[0], latestId: row[1] } : { totals: emptyTotals, latestId: 0 };
  }

  message(id: string): StoredMessage | undefined {
    const tuple = this.#messages.get(id);
    return tuple && unpackMessage(id, tuple);
  }

  entry(key: EntryKey): QueueEntry | undefined {
    const tuple = this.#entries.get([key.id, key.seq]);
    return tuple && unpackEntry(key, tuple);
  }

  /** Entries of one message, in key order, without decoding them. */
  *entryKeys(id: string): Generator<EntryKey> {
    for (const key of this.#entries.getKeys({ start: [id], end: [id, LAST] })) {
      yield { id, seq: (key as [string, number])[1] };
    }
  }

  entries(id: string): QueueEntry[] {
    const found: QueueEntry[] = [];
    for (const { key, value } of this.#entries.getRange({ start: [id], end: [id, LAST] })) {
      found.push(unpackEntry({ id, seq: (key as [string, number])[1] }, value));
    }
    return found;
  }

  /** All entries after `after` in key order; safe while others write. */
  *scan(after: EntryKey | null): Generator<QueueEntry> {
    let from = after;
    for (;;) {
      const start: Key = from === null ? [] : [from.id, from.seq];
      const slice = [...this.#entries.getRange({ start, exclusiveStart: true, limit: SLICE })];
      for (const { key, value } of slice) {
        const [id, seq] = key as [string, number];
        from = { id, seq };
        yield unpackEntry(from, value);
      }
      if (slice.length < SLICE) return;
    }
  }

  /** All entries of the destination in the order in which they are due, the held ones last. */
  *entriesOf(destination: DestinationKey, after: QueueEntry | null): Generator<QueueEntry> {
    for (const key of this.due.walk(destination, after)) {
      const entry = this.entry(key);
      if (entry?.destination === destination) yield entry;
    }
  }

  /** Entries whose timer is due at `now`, earliest first. */
  *timers(now: number, after: DueTimer | null): Generator<{ readonly at: number } & EntryKey> {
    const start: Key = after === null ? [] : [after.at, after.entry.id, after.entry.seq];
    for (const key of this.#timers.getKeys({ start, end: [now, LAST_ID], exclusiveStart: after !== null })) {
      const [at, id, seq] = key as [number, string, number];
      yield { at, id, seq };
    }
  }

  *segments(): Generator<readonly [number, SegmentRow]> {
    for (const { key, value } of this.#segments.getRange({})) {
      yield [key as number, { live: value[0], end: value[1] }];
    }
  }

  note(key: string): unknown {
    const json = this.#notes.get(key);
    return json === undefined ? undefined : JSON.parse(json);
  }

  *notes(prefix: string): Generator<readonly [string, unknown]> {
    const range = this.#notes.getRange({ start: prefix, end: `${prefix}\uffff` });
    for (const { key, value } of [...range]) yield [key as string, JSON.parse(value)];
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}

/** The writes that move an index's key; none when it stays. */
function* replaceKey(
  into: Database<null, Key>,
  before: IndexKey | null,
  after: IndexKey | null,
): Generator<IndexWrite> {
  if (before !== null && after !== null && before.every((part, index) => part === after[index])) return;
  if (before !== null) yield { into, key: before, value: undefined };
  if (after !== null) yield { into, key: after, value: null };
}

/** lmdb says why in a second promise that must not be left alone. */
async function reasonOf(error: unknown): Promise<string> {
  const told = (error as { commitError?: Promise<unknown> }).commitError;
  if (told === undefined) return String(error);
  return told.then(
    () => String(error),
    (cause) => String(cause),
  );
}
