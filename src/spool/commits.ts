// Group commit: one write serves all that wait. First the bodies, then one transaction of the index.
// disk-spool.ts adds works; each is told when it is on disk, or why it never will be.
// Never tells anybody `on disk` before it is, and never goes on after a write of unknown outcome.
import type { Clock } from '../clock/clock.ts';
import type { Milestone, ReachMilestone } from '../clock/milestones.ts';
import { type Frame, lengthOf } from './frames.ts';
import type { SegmentPlace, Segments } from './segments.ts';
import { SpoolError, type Totals } from './spool.ts';
import { type Effects, Staging } from './staging.ts';
import type { Store } from './store.ts';

/** One thing that waits for the disk. */
export interface Work {
  /** Bodies to be appended first; `places` takes where they went, in the same order. */
  readonly frames: readonly Frame[];
  places: readonly SegmentPlace[];
  /** Reached when the work is on disk. */
  readonly milestones: readonly Milestone[];
  /** Adds its writes. What it throws rejects this work alone: nothing may be added before. */
  stage(staging: Staging): void;
  settled(): void;
  failed(error: Error): void;
}

export interface CommitDoors {
  readonly store: Store;
  readonly segments: Segments;
  readonly reached: ReachMilestone;
  readonly totals: () => Totals;
  readonly latestId: () => number;
  /** Takes over what is on disk now, before the works are told. */
  readonly committed: (effects: Effects) => void;
  /** A write failed: told once. */
  readonly clock: Clock;
  readonly onCommit: (ms: number, works: number) => void;
  readonly onFatal: (error: Error) => void;
}

/** Works in one transaction: staging them may hold the loop for some milliseconds, not more. */
const LARGEST_BATCH = 512;

/**
 * Two lines that run side by side: while the index writes one batch, the bodies of the next go to
 * their segment. Under load the batches grow by themselves; a single work waits for nobody.
 */
export class Commits {
  readonly #doors: CommitDoors;
  #forSegment: Work[] = [];
  #forIndex: Work[] = [];
  #appending: Promise<void> | null = null;
  #indexing: Promise<void> | null = null;
  #broken: SpoolError | null = null;

  constructor(doors: CommitDoors) {
    this.#doors = doors;
  }

  /** Why nothing is written any more. */
  get broken(): SpoolError | null {
    return this.#broken;
  }

  add(work: Work): void {
    if (this.#broken !== null) work.failed(this.#broken);
    else if (work.frames.length > 0) {
      this.#forSegment.push(work);
      this.#appending ??= this.#append();
    } else this.#addToIndex([work]);
  }

  #addToIndex(works: readonly Work[]): void {
    this.#forIndex.push(...works);
    this.#indexing ??= this.#index();
  }

  /** After a failed write nothing is written, and what waits is rejected: a later fsync would lie. */
  breakOff(cause: unknown): void {
    if (this.#broken !== null) return;
    const reason = new SpoolError(`the disk failed: ${String(cause)}`, { cause });
    this.#refuseAll(reason);
    this.#doors.onFatal(reason);
  }

  #refuseAll(reason: SpoolError): void {
    this.#broken = reason;
    const waiting = [...this.#forSegment, ...this.#forIndex];
    this.#forSegment = [];
    this.#forIndex = [];
    for (const work of waiting) work.failed(reason);
  }

  /** Writes what waits and refuses what comes later. False when it was closed before. */
  async close(): Promise<boolean> {
    while (this.#appending !== null || this.#indexing !== null) {
      await this.#appending;
      await this.#indexing;
    }
    if (this.#broken instanceof Closed) return false;
    this.#refuseAll(new Closed('the spool is closed'));
    return true;
  }

  async #append(): Promise<void> {
    // What else comes in this turn of the loop goes with the first.
    await Promise.resolve();
    while (this.#forSegment.length > 0) {
      const batch = this.#forSegment;
      this.#forSegment = [];
      await this.#appendBatch(batch);
    }
    this.#appending = null;
  }

  async #appendBatch(batch: readonly Work[]): Promise<void> {
    try {
      const places = await this.#doors.segments.append(batch.flatMap(({ frames }) => frames));
      let next = 0;
      for (const work of batch) {
        work.places = places.slice(next, next + work.frames.length);
        next += work.frames.length;
      }
    } catch (error) {
      if (error instanceof SpoolError) return failAll(batch, error);
      this.breakOff(error);
    }
    if (this.#broken !== null) return failAll(batch, this.#broken);
    this.#doors.reached('body-synced');
    this.#addToIndex(batch);
  }

  async #index(): Promise<void> {
    await Promise.resolve();
    while (this.#forIndex.length > 0) await this.#indexBatch(this.#forIndex.splice(0, LARGEST_BATCH));
    this.#indexing = null;
  }

  async #indexBatch(batch: readonly Work[]): Promise<void> {
    const { store, segments, totals, latestId, committed, reached, clock, onCommit } = this.#doors;
    const began = clock.now();
    const staging = new Staging(store, totals());
    const staged = stageAll(batch, staging);
    try {
      if (!staging.empty) await store.apply(staging.writes(segments, latestId()));
    } catch (error) {
      this.breakOff(error);
      return failAll(staged, this.#broken ?? (error as Error));
    }
    for (const milestone of new Set(staged.flatMap(({ milestones }) => milestones))) reached(milestone);
    committed(staging.effects());
    onCommit(clock.now() - began, staged.length);
    for (const work of staged) work.settled();
  }
}

class Closed extends SpoolError {}

function failAll(works: readonly Work[], error: Error): void {
  for (const work of works) work.failed(error);
}

/** Lets each work add its writes; those that refuse are told at once and left out. */
function stageAll(batch: readonly Work[], staging: Staging): Work[] {
  const staged: Work[] = [];
  for (const work of batch) {
    for (const [index, place] of work.places.entries()) {
      staging.framePlaced(place, lengthOf(work.frames[index] as Frame));
    }
    try {
      work.stage(staging);
      staged.push(work);
    } catch (error) {
      work.failed(error as Error);
    }
  }
  return staged;
}
