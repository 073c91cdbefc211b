// The spool of one machine: bodies in segments and files, everything else in lmdb, one group commit.
// relay/ commits into it, queue/ claims and settles; its parts know each other only through here.
// Never says that mail is safe before it is, and never forgets what it said.
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Random } from '../clock/random.ts';
import type { Message, Origin, QueueId } from '../mail/envelope.ts';
import type { DestinationKey, EntryKey, Priority, QueueEntry } from '../queue/entry.ts';
import { BodyRoom, SpoolBody } from './bodies.ts';
import { Claiming } from './claiming.ts';
import { Commits } from './commits.ts';
import { SegmentCopying } from './copying.ts';
import { FreshBodies } from './fresh.ts';
import type { QueueIds } from './ids.ts';
import type { Journal } from './journal.ts';
import type { LargeFiles } from './large.ts';
import type { StoredMessage } from './records.ts';
import type { Segments } from './segments.ts';
import type { FreeSpace } from './space.ts';
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
import type { Store } from './store.ts';
import { changeWork, keysOf, messageWork, prepare, withdrawalWork } from './works.ts';

/** What a spool is made of, and what it tells. */
export interface Parts {
  readonly id: string;
  readonly recovery: Recovery;
  readonly store: Store;
  readonly ids: QueueIds;
  readonly segments: Segments;
  readonly large: LargeFiles;
  readonly journal: Journal;
  readonly space: FreeSpace;
  /** Octets of segments up to which nothing is copied. */
  readonly copyAbove: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly reached: ReachMilestone;
  onFatal(error: Error): void;
  onCommit?(ms: number, works: number): void;
}

export class DiskSpool implements Spool {
  readonly id: string;
  readonly recovery: Recovery;
  readonly #parts: Parts;
  readonly #store: Store;
  readonly #room: BodyRoom;
  readonly #fresh = new FreshBodies();
  readonly #claiming: Claiming;
  readonly #commits: Commits;
  readonly #copying: SegmentCopying;
  #totals: Totals;

  constructor(parts: Parts) {
    const { store, segments, reached, clock } = parts;
    this.#parts = parts;
    this.id = parts.id;
    this.recovery = parts.recovery;
    this.#store = store;
    this.#totals = store.totals().totals;
    this.#claiming = new Claiming(store, parts.journal, (id) => this.#bodyOf(id), parts.random);
    this.#commits = new Commits({
      store,
      segments,
      reached,
      totals: () => this.#totals,
      latestId: () => parts.ids.latest,
      committed: (effects) => this.#committed(effects),
      clock,
      onCommit: (ms, works) => parts.onCommit?.(ms, works),
      onFatal: (error) => parts.onFatal(error),
    });
    this.#room = new BodyRoom(parts.large, this.#commits);
    this.#copying = new SegmentCopying({
      store,
      segments,
      reached,
      clock,
      commits: this.#commits,
      floor: parts.copyAbove,
    });
  }

  newId(): QueueId {
    return this.#parts.ids.next();
  }

  receive(origin: Origin = 'client'): BodyWriter {
    if (this.#commits.broken !== null) throw this.#commits.broken;
    const scarce = origin === 'client' ? this.#parts.space.trouble() : null;
    if (scarce !== null) throw new SpoolFull(scarce);
    return new SpoolBody(this.#room);
  }

  async commit(added: NewMessage): Promise<Message> {
    const prepared = await prepare(added);
    await new Promise<void>((resolve, reject) => {
      this.#commits.add(messageWork(prepared, resolve, reject));
    });
    if (prepared.frame !== null) this.#fresh.add(prepared.frame);
    return prepared.message;
  }

  async change(change: Change): Promise<void> {
    const keys = keysOf(change);
    this.#claiming.beginChange(keys);
    try {
      const born = await Promise.all((change.born ?? []).map(prepare));
      await new Promise<void>((resolve, reject) => {
        const settled = (): void => {
          this.#claiming.changed(keys);
          resolve();
        };
        this.#commits.add(changeWork(change, born, settled, reject));
      });
    } catch (error) {
      this.#claiming.unchanged(keys);
      throw error;
    }
  }

  async withdraw(id: string): Promise<boolean> {
    const keys = [...this.#store.entryKeys(id)];
    if (keys.length === 0 || keys.some((key) => this.#claiming.isBusy(key))) return false;
    this.#claiming.beginChange(keys);
    try {
      return await new Promise<boolean>((resolve, reject) => {
        const settled = (withdrawn: boolean): void => {
          if (withdrawn) this.#claiming.changed(keys);
          else this.#claiming.unchanged(keys);
          resolve(withdrawn);
        };
        this.#commits.add(withdrawalWork(id, settled, reject));
      });
    } catch (error) {
      this.#claiming.unchanged(keys);
      throw error;
    }
  }

  #committed(effects: Effects): void {
    this.#totals = effects.totals;
    this.#claiming.committed(effects);
    for (const gone of effects.goneMessages) this.#forget(gone);
    this.#parts.segments.committed(effects.segments);
    this.#copying.consider();
  }

  #forget({ message, place }: StoredMessage): void {
    if (place.kind === 'large') this.#parts.large.remove(message.id);
    else this.#fresh.remove(message.id);
  }

  claim(destination: DestinationKey, now: number): Claim | null {
    return this.#commits.broken === null ? this.#claiming.claim(destination, now) : null;
  }

  nextDue(destination: DestinationKey): number | null {
    return this.#claiming.nextDue(destination);
  }

  dueCount(destination: DestinationKey, now: number, limit: number): number {
    return this.#claiming.dueCount(destination, now, limit);
  }

  urgency(destination: DestinationKey, now: number): Priority | null {
    return this.#claiming.urgency(destination, now);
  }

  stock(): Iterable<DestinationStock> {
    return this.#store.due.stock();
  }

  timers(now: number, limit: number, after: DueTimer | null = null): DueTimer[] {
    const due: DueTimer[] = [];
    if (limit <= 0) return due;
    for (const { at, ...key } of this.#store.timers(now, after)) {
      const entry = this.#claiming.isBusy(key) ? undefined : this.#store.entry(key);
      if (entry !== undefined && due.push({ at, entry }) >= limit) break;
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
    if (place.kind === 'large') return this.#parts.large.body(id, message.size);
    const data = this.#fresh.get(id) ?? (await this.#parts.segments.read(place, id, message.size));
    return { kind: 'buffer', data };
  }

  async #bodyOf(id: string): Promise<Body> {
    const body = await this.body(id);
    if (body === undefined) throw new SpoolError(`${id} is gone`);
    return body;
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
    return this.#claiming.isBusy(key);
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
    return this.#parts.segments.usage().used + this.#parts.large.used();
  }

  diskFree(): number {
    return this.#parts.space.free();
  }

  trouble(): string | null {
    return this.broken() ?? this.#parts.space.trouble();
  }

  broken(): string | null {
    return this.#commits.broken?.message ?? null;
  }

  async close(): Promise<void> {
    await this.#copying.stop();
    if (!(await this.#commits.close())) return;
    this.#claiming.close();
    await this.#parts.segments.close();
    await this.#store.close();
  }
}
