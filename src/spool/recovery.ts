// What a start does before the spool opens: it brings files and index together after a crash.
// disk.ts calls it; it gives the segments' rows, the large files, and what was under way.
// Never removes a body that a committed message needs, and never counts one crash twice.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Milestone } from '../clock/milestones.ts';
import type { QueueEntry } from '../queue/entry.ts';
import type { FileDoor } from './files.ts';
import { FRAME_HEADER, idOfFrame, sizeInFrame } from './frames.ts';
import type { UnderWay } from './journal.ts';
import { segmentName } from './segments.ts';
import type { SegmentRow, Store } from './store.ts';
import { Ledger } from './totals.ts';

export interface FoundSegments {
  readonly rows: ReadonlyMap<number, SegmentRow>;
  readonly newest: number;
  readonly orphans: number;
}

/** Crashes in a row after which an entry is held: it may be what crashes us. */
const CRASHES_TO_HOLD = 3;

/** Cuts from the segments what was never committed, and removes those in which nothing lives. */
export async function recoverSegments(store: Store, files: FileDoor, folder: string): Promise<FoundSegments> {
  const rows = new Map(store.segments());
  const numbers = readdirSync(folder).map(Number).filter(Number.isInteger);
  const newest = Math.max(0, ...numbers, ...rows.keys());
  let orphans = 0;
  for (const number of numbers) {
    const row = rows.get(number) ?? { live: 0, end: 0 };
    orphans += await cutOrphans(files, join(folder, segmentName(number)), row);
  }
  const dead = [...rows].filter(([, { live }]) => live === 0).map(([number]) => number);
  if (dead.length > 0) await store.apply(dead.map((number) => store.removeSegment(number)));
  for (const number of dead) rows.delete(number);
  return { rows, newest, orphans };
}

/** Bodies after the last committed one; the file ends there afterwards, or goes when nothing lives. */
async function cutOrphans(files: FileDoor, path: string, row: SegmentRow): Promise<number> {
  const size = statSync(path).size;
  if (row.live > 0 && size <= row.end) return 0;
  const fd = await files.open(path, 'r+');
  try {
    const orphans = await framesAfter(files, fd, row.end, size);
    if (row.live > 0) await files.truncate(fd, row.end);
    else await files.unlink(path);
    return orphans;
  } finally {
    await files.close(fd);
  }
}

/** Whole and torn frames between two offsets. */
async function framesAfter(files: FileDoor, fd: number, from: number, to: number): Promise<number> {
  const header = Buffer.alloc(FRAME_HEADER);
  let frames = 0;
  for (let at = from; at < to; frames++) {
    if ((await files.read(fd, header, at)) < FRAME_HEADER || idOfFrame(header) === null) return frames + 1;
    at += FRAME_HEADER + sizeInFrame(header);
  }
  return frames;
}

/** Sizes of the large files that messages need; the others are removed. */
export async function recoverLarge(
  store: Store,
  files: FileDoor,
  folder: string,
): Promise<{ readonly sizes: ReadonlyMap<string, number>; readonly orphans: number }> {
  const sizes = new Map<string, number>();
  let orphans = 0;
  for (const name of readdirSync(folder)) {
    const stored = store.message(name);
    if (stored?.place.kind === 'large') sizes.set(name, stored.message.size);
    else {
      await files.unlink(join(folder, name));
      orphans++;
    }
  }
  return { sizes, orphans };
}

/**
 * Marks the entries that were under way, in one transaction, and tells which they are. The journal
 * must be emptied after that: an entry that an interrupted recovery has marked differs from its slot
 * and is told, not marked again.
 */
export async function recoverUnderWay(
  store: Store,
  underWay: readonly UnderWay[],
  now: number,
  reached: (milestone: Milestone) => void,
): Promise<QueueEntry[]> {
  const { totals, latestId } = store.totals();
  const ledger = new Ledger(totals);
  const told: QueueEntry[] = [];
  const writes = [];
  for (const slot of underWay) {
    const entry = store.entry(slot);
    if (entry === undefined) continue;
    if (entry.crashes === slot.crashes + 1) told.push(entry);
    if (entry.crashes !== slot.crashes || entry.due !== slot.due) continue;
    const marked = markCrash(entry, slot.dotSent, now);
    writes.push(...store.replaceEntry(entry, marked));
    ledger.leaves(entry);
    ledger.enters(marked);
    told.push(marked);
  }
  if (writes.length > 0) await store.apply([...writes, store.putTotals(ledger.totals(), latestId)]);
  reached('recovering');
  return told;
}

/** The entry after one more crash while it was under way. */
export function markCrash(entry: QueueEntry, dotSent: boolean, now: number): QueueEntry {
  const crashes = entry.crashes + 1;
  const doubt = entry.doubt;
  return {
    ...entry,
    crashes,
    ...(dotSent
      ? { due: now, doubt: { count: (doubt?.count ?? 0) + 1, since: doubt?.since ?? now, cause: 'crash' } }
      : {}),
    ...(crashes >= CRASHES_TO_HOLD && entry.hold === undefined
      ? {
          hold: {
            reason: `the daemon crashed ${crashes} times while delivering it`,
            since: now,
            by: 'alarm',
          },
        }
      : {}),
  };
}
