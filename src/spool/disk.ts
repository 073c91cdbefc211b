// The spool of one machine: bodies in segments and files, everything else in lmdb, one group commit.
// relay/ commits into it, queue/ claims and settles; its parts know each other only through here.
// Never says that mail is safe before it is, and never forgets what it said.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Random } from '../clock/random.ts';
import type { Message, QueueId } from '../mail/envelope.ts';
import type { DestinationKey, EntryKey, QueueEntry } from '../queue/entry.ts';
import { BodyRoom, SpoolBody } from './bodies.ts';
import { Claims } from './claims.ts';
import { Commits } from './commits.ts';
import { SegmentCopying } from './copying.ts';
import { DueWindows } from './due.ts';
import { type FileDoor, systemFiles } from './files.ts';
import { FreshBodies } from './fresh.ts';
import { QueueIds } from './ids.ts';
import { Journal, readJournal } from './journal.ts';
import { LargeFiles } from './large.ts';
import type { StoredMessage } from './records.ts';
import { recoverLarge, recoverSegments, recoverUnderWay } from './recovery.ts';
import { Segments } from './segments.ts';
import { FreeSpace } from './space.ts';
import {
  type Body,
  type BodyWriter,
  type Change,
  type Claim,
  type DestinationStock,
  type DueTimer,
  type NewMessage,
  type Recovery,
  type Spool,
  SpoolError,
  SpoolFull,
  type Totals,
} from './spool.ts';
import type { Effects } from './staging.ts';
import { Store } from './store.ts';
import { changeWork, keysOf, messageWork, prepare, withdrawalWork } from './works.ts';

export interface DiskSpoolOptions {
  /** Made when it is missing; the caller holds the lock of the data folder. */
  readonly folder: string;
  /** Octets of free space under which no mail is taken. */
  readonly minFree: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly reached: ReachMilestone;
  /** Called once, when a write or fsync failed: nothing is written after it. The process must end. */
  onFatal(error: Error): void;
  readonly files?: FileDoor;
  /** Octets of a segment; 64 MB unless a test needs many. */
  readonly segmentSize?: number;
}

/** Format of index and files; a spool of another one is not opened. */
const FORMAT = 1;
/** Large enough for thousands of messages in one file, small enough to copy in moments. */
const SEGMENT_SIZE = 64 * 2 ** 20;

/** Opens or makes the spool. Rejects with SpoolError, or the system's error, when it cannot be used. */
export async function openDiskSpool(options: DiskSpoolOptions): Promise<Spool> {
  const { folder, clock, random, reached, files = systemFiles } = options;
  const paths = {
    index: join(folder, 'index'),
    segments: join(folder, 'segments'),
    large: join(folder, 'large'),
    journal: join(folder, 'under-way'),
  };
  mkdirSync(paths.segments, { recursive: true });
  mkdirSync(paths.large, { recursive: true });
  const store = new Store(paths.index);
  const ids = new QueueIds(clock, random, store.totals().latestId);
  const id = await identify(store, ids);
  const segments = await recoverSegments(store, files, paths.segments);
  const large = await recoverLarge(store, files, paths.large);
  const underWay = await recoverUnderWay(store, readJournal(paths.journal), clock.now(), reached);
  const size = options.segmentSize ?? SEGMENT_SIZE;
  return new DiskSpool(options, {
    id,
    store,
    ids,
    recovery: { underWay, orphanBodies: segments.orphans + large.orphans },
    segments: new Segments(files, paths.segments, size, segments.rows, segments.newest),
    large: (onFatal) => new LargeFiles(files, paths.large, onFatal, large.sizes),
    claims: new Claims(new Journal(paths.journal)),
    space: new FreeSpace(files, folder, options.minFree, clock),
    segmentSize: size,
  });
}

/** The spool's id, made at the first start. */
async function identify(store: Store, ids: QueueIds): Promise<string> {
  const known = store.identity();
  if (known === undefined) {
    const id = ids.next();
    await store.apply([store.putIdentity(id, FORMAT)]);
    return id;
  }
  if (known.format !== FORMAT) throw new SpoolError(`the spool has format ${known.format}, not ${FORMAT}`);
  return known.id;
}

interface Parts {
  readonly id: string;
  readonly store: Store;
  readonly ids: QueueIds;
  readonly recovery: Recovery;
  readonly segments: Segments;
  readonly large: (onFatal: (error: Error) => void) => LargeFiles;
  readonly claims: Claims;
  readonly space: FreeSpace;
  readonly segmentSize: number;
}

class DiskSpool implements Spool {
  readonly id: string;
  readonly recovery: Recovery;
  readonly #store: Store;
  readonly #ids: QueueIds;
  readonly #segments: Segments;
  readonly #large: LargeFiles;
  readonly #claims: Claims;
  readonly #space: FreeSpace;
  readonly #room: BodyRoom;
  readonly #fresh = new FreshBodies();
  readonly #due: DueWindows;
  readonly #commits: Commits;
  readonly #copying: SegmentCopying;
  #totals: Totals;
  #closed = false;

  constructor(options: DiskSpoolOptions, parts: Parts) {
    this.id = parts.id;
    this.recovery = parts.recovery;
    this.#store = parts.store;
    this.#ids = parts.ids;
    this.#segments = parts.segments;
    this.#claims = parts.claims;
    this.#space = parts.space;
    this.#due = new DueWindows(parts.store);
    this.#totals = parts.store.totals().totals;
    this.#commits = new Commits({
      store: parts.store,
      segments: parts.segments,
      reached: options.reached,
      totals: () => this.#totals,
      latestId: () => this.#ids.latest,
      committed: (effects) => this.#committed(effects),
      onFatal: (error) => this.#broken(error, options.onFatal),
    });
    this.#large = parts.large((error) => this.#commits.breakOff(error));
    this.#room = new BodyRoom(this.#large);
    this.#copying = new SegmentCopying({
      store: parts.store,
      segments: parts.segments,
      commits: this.#commits,
      clock: options.clock,
      reached: options.reached,
      floor: 2 * parts.segmentSize,
    });
  }

  newId(): QueueId {
    return this.#ids.next();
  }

  receive(): BodyWriter {
    const trouble = this.trouble();
    if (trouble !== null) throw this.#commits.broken ?? new SpoolFull(trouble);
    return new SpoolBody(this.#room);
  }

  async commit(added: NewMessage): Promise<Message> {
    const prepared = await prepare(added);
    return new Promise((resolve, reject) => {
      this.#commits.add(messageWork(prepared, this.#remembering(prepared.message, resolve), reject));
    });
  }

  /** Keeps the content at hand for the delivery that follows. */
  #remembering(message: Message, resolve: (message: Message) => void): (content: Buffer | null) => void {
    return (content) => {
      if (content !== null) this.#fresh.add(message.id, content);
      resolve(message);
    };
  }

  async change(change: Change): Promise<void> {
    const keys = keysOf(change);
    this.#claims.beginChange(keys);
    try {
      const born = await Promise.all((change.born ?? []).map(prepare));
      await new Promise<void>((resolve, reject) => {
        this.#commits.add(changeWork(change, born, resolve, reject));
      });
    } finally {
      this.#claims.endChange(keys);
      this.#restore(keys);
    }
  }

  async withdraw(id: string): Promise<boolean> {
    const keys = [...this.#store.entryKeys(id)];
    if (keys.some((key) => this.#claims.isBusy(key))) return false;
    this.#claims.beginChange(keys);
    try {
      return await new Promise<boolean>((resolve, reject) => {
        this.#commits.add(withdrawalWork(id, resolve, reject));
      });
    } finally {
      this.#claims.endChange(keys);
      this.#restore(keys);
    }
  }

  /** Puts back into the windows what a change has left out of them. */
  #restore(keys: readonly EntryKey[]): void {
    if (this.#closed) return;
    for (const key of keys) {
      const entry = this.#store.entry(key);
      if (entry !== undefined && !entry.hold) this.#due.insert(entry.destination, entry);
    }
  }

  #committed(effects: Effects): void {
    this.#totals = effects.totals;
    for (const entry of effects.left) {
      if (this.#claims.release(entry)) this.#due.released(entry.destination);
      this.#due.remove(entry.destination, entry);
    }
    for (const entry of effects.came) if (!entry.hold) this.#due.insert(entry.destination, entry);
    for (const gone of effects.goneMessages) this.#forget(gone);
    void this.#segments
      .committed(effects.liveOctets, effects.placed)
      .then(() => this.#copying.consider())
      .catch((error) => this.#commits.breakOff(error));
  }

  #forget({ message, place }: StoredMessage): void {
    this.#fresh.remove(message.id);
    if (place.kind === 'large') {
      this.#large.remove(message.id).catch((error) => this.#commits.breakOff(error));
    }
  }

  #broken(error: Error, onFatal: (error: Error) => void): void {
    this.#room.broken = this.#commits.broken;
    onFatal(error);
  }

  claim(destination: DestinationKey, now: number): Claim | null {
    const free = (key: EntryKey): boolean => !this.#claims.isBusy(key);
    for (;;) {
      const key = this.#due.first(destination, free);
      if (key === undefined || key.due > now) return null;
      this.#due.remove(destination, key);
      const entry = this.#store.entry(key);
      if (entry?.destination !== destination || entry.due !== key.due || entry.hold) continue;
      const stored = this.#store.message(key.id);
      if (stored === undefined) continue;
      this.#claims.claim(entry);
      this.#due.claimed(destination);
      return this.#claimOf(entry, stored.message);
    }
  }

  #claimOf(entry: QueueEntry, message: Message): Claim {
    return {
      entry,
      message,
      dotSent: () => this.#claims.dotSent(entry),
      body: async () => {
        const body = await this.body(entry.id);
        if (body === undefined) throw new SpoolError(`${entry.id} is gone`);
        return body;
      },
      release: () => {
        if (!this.#claims.release(entry)) return;
        this.#due.released(entry.destination);
        this.#restore([entry]);
      },
    };
  }

  nextDue(destination: DestinationKey): number | null {
    return this.#due.first(destination, (key) => !this.#claims.isBusy(key))?.due ?? null;
  }

  dueCount(destination: DestinationKey, now: number, limit: number): number {
    return this.#due.count(destination, now, limit, (key) => !this.#claims.isBusy(key));
  }

  stock(): Iterable<DestinationStock> {
    return this.#store.stock();
  }

  timers(now: number, limit: number): DueTimer[] {
    const due: DueTimer[] = [];
    for (const timer of this.#store.timers(now)) {
      if (due.length >= limit) break;
      if (this.#claims.isBusy(timer)) continue;
      const entry = this.#store.entry(timer);
      if (entry !== undefined) due.push({ at: timer.at, entry });
    }
    return due;
  }

  message(id: string): Message | undefined {
    return this.#store.message(id)?.message;
  }

  async body(id: string): Promise<Body | undefined> {
    const stored = this.#store.message(id);
    if (stored === undefined) return undefined;
    const { message, place } = stored;
    if (place.kind === 'large') return this.#large.body(id, message.size);
    const data = this.#fresh.get(id) ?? (await this.#segments.read(place, id, message.size));
    return { kind: 'buffer', data };
  }

  entry(key: EntryKey): QueueEntry | undefined {
    return this.#store.entry(key);
  }

  entries(id: string): QueueEntry[] {
    return this.#store.entries(id);
  }

  scan(after: EntryKey | null): Iterable<QueueEntry> {
    return this.#store.scan(after);
  }

  entriesOf(destination: DestinationKey, after: QueueEntry | null): Iterable<QueueEntry> {
    return this.#store.entriesOf(destination, after);
  }

  isClaimed(key: EntryKey): boolean {
    return this.#claims.isBusy(key);
  }

  note(key: string): unknown {
    return this.#store.note(key);
  }

  notes(prefix: string): Iterable<readonly [string, unknown]> {
    return this.#store.notes(prefix);
  }

  totals(): Totals {
    return this.#totals;
  }

  diskUsed(): number {
    return this.#segments.usage().used + this.#large.used();
  }

  trouble(): string | null {
    return this.#commits.broken?.message ?? this.#space.trouble();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#copying.stop();
    await this.#commits.idle();
    this.#closed = true;
    this.#claims.close();
    await this.#segments.close();
    await this.#store.close();
  }
}
