// Opens the spool of one machine: puts its folder in order after whatever happened, then its parts together.
// daemon.ts calls it, holding the data folder's lock; disk-spool.ts is what it opens.
// Never lets anybody see the spool before the last crash is dealt with.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Random } from '../clock/random.ts';
import { DiskSpool } from './disk-spool.ts';
import { type FileDoor, systemFiles } from './files.ts';
import { QueueIds } from './ids.ts';
import { Journal, readJournal } from './journal.ts';
import { LargeFiles } from './large.ts';
import { recoverLarge, recoverSegments, recoverUnderWay } from './recovery.ts';
import { Segments } from './segments.ts';
import { FreeSpace } from './space.ts';
import { type Spool, SpoolError } from './spool.ts';
import { Store } from './store.ts';

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
  /** Told of each group commit of the index, fsync included, and how many works it carried. */
  onCommit?(ms: number, works: number): void;
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
  const { folder, clock, random, reached, minFree, onFatal, onCommit } = options;
  const { files = systemFiles, segmentSize = SEGMENT_SIZE } = options;
  const paths = {
    index: join(folder, 'index'),
    segments: join(folder, 'segments'),
    large: join(folder, 'large'),
    journal: join(folder, 'under-way'),
  };
  mkdirSync(paths.segments, { recursive: true });
  mkdirSync(paths.large, { recursive: true });
  const store = new Store(paths.index);
  try {
    for (const path of [paths.index, folder, dirname(folder)]) await files.syncFolder(path);
    const ids = new QueueIds(clock, random, store.totals().latestId);
    const id = await identify(store, ids);
    const segments = await recoverSegments(store, files, paths.segments);
    const large = await recoverLarge(store, files, paths.large);
    const underWay = await recoverUnderWay(store, readJournal(paths.journal), clock.now(), reached);
    return new DiskSpool({
      id,
      recovery: { underWay, orphanBodies: segments.orphans + large.orphans },
      store,
      ids,
      segments: new Segments(files, paths.segments, segmentSize, segments.rows, segments.newest),
      large: new LargeFiles(files, paths.large, large.sizes),
      journal: new Journal(paths.journal),
      space: new FreeSpace(files, folder, minFree, clock),
      copyAbove: segmentSize,
      clock,
      random,
      reached,
      onFatal,
      ...(onCommit && { onCommit }),
    });
  } catch (error) {
    await store.close();
    throw error;
  }
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
