// Gives disk back: copies what still lives in the emptiest segments to the newest one.
// disk-spool.ts asks after each commit whether it is time; the copies take the same way as new mail.
// Never unlinks a segment before its copies are committed, and never hurries.
import { type Clock, pause } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Commits, Work } from './commits.ts';
import { FRAME_HEADER, type Frame, idOfFrame, sizeInFrame } from './frames.ts';
import type { SegmentPlace, Segments } from './segments.ts';
import type { Store } from './store.ts';

export interface CopyingDoors {
  readonly store: Store;
  readonly segments: Segments;
  readonly commits: Commits;
  readonly clock: Clock;
  readonly reached: ReachMilestone;
  /** Octets of segments that are never worth copying. */
  readonly floor: number;
}

interface Survivor {
  readonly from: SegmentPlace;
  readonly frame: Frame;
}

/** From this many times what lives on, segments are copied; each copy then costs no more than it frees. */
const COPY_FROM = 1.75;
/** From here on copying takes no rest: three times what lives is the most that the disk may hold. */
const HURRY_FROM = 2.25;
/** Octets of a segment looked at in one step: some milliseconds of the disk's time. */
const STEP = 2 ** 20;

export class SegmentCopying {
  readonly #doors: CopyingDoors;
  readonly #stopping = new AbortController();
  readonly #damaged = new Set<number>();
  #running: Promise<void> | null = null;

  constructor(doors: CopyingDoors) {
    this.#doors = doors;
  }

  /** Begins to copy when too little of the disk used lives. */
  consider(): void {
    if (this.#running !== null || this.#stopping.signal.aborted || !this.#usesMoreThan(COPY_FROM)) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  #usesMoreThan(times: number): boolean {
    const { used, live } = this.#doors.segments.usage();
    return used > times * live + this.#doors.floor;
  }

  async #run(): Promise<void> {
    while (this.#usesMoreThan(COPY_FROM) && !this.#stopping.signal.aborted) {
      const emptiest = this.#doors.segments.emptiest((number) => !this.#damaged.has(number));
      if (emptiest === null) return;
      try {
        await this.#copy(emptiest.number, emptiest.end);
      } catch {
        // Either the disk failed, and commits.ts has said so, or this segment cannot be read: its
        // messages are told one by one when they are delivered.
        this.#damaged.add(emptiest.number);
      }
    }
  }

  async #copy(number: number, end: number): Promise<void> {
    const { segments, clock, reached } = this.#doors;
    const release = segments.hold(number);
    try {
      for (let at = 0; at < end; ) {
        const began = clock.now();
        const { survivors, next } = await this.#survivors(number, at, end);
        if (survivors.length > 0) await this.#move(survivors);
        at = next;
        // As long a rest as the work took: others get at least half of the disk.
        if (!this.#usesMoreThan(HURRY_FROM)) await pause(clock, clock.now() - began, this.#stopping.signal);
        if (this.#stopping.signal.aborted) return;
      }
      reached('segment-copied');
    } finally {
      release();
    }
  }

  /** Frames from `at` on that a message still needs, and where to go on. */
  async #survivors(
    number: number,
    at: number,
    end: number,
  ): Promise<{ survivors: Survivor[]; next: number }> {
    const { store, segments } = this.#doors;
    const block = Buffer.allocUnsafeSlow(Math.min(STEP, end - at));
    const octets = await segments.readAt(number, block, at);
    const survivors: Survivor[] = [];
    let offset = 0;
    while (offset + FRAME_HEADER <= octets) {
      const header = block.subarray(offset, offset + FRAME_HEADER);
      const id = idOfFrame(header);
      if (id === null) throw new Error(`no frame at ${at + offset} of segment ${number}`);
      const size = sizeInFrame(header);
      const content = offset + FRAME_HEADER;
      if (content + size > octets) break;
      const place = store.message(id)?.place;
      if (place?.kind === 'segment' && place.segment === number && place.offset === at + offset) {
        const chunks = [block.subarray(content, content + size)];
        survivors.push({ from: place, frame: { id, chunks, size } });
      }
      offset = content + size;
    }
    if (offset === 0) throw new Error(`no whole frame at ${at} of segment ${number}`);
    return { survivors, next: at + offset };
  }

  #move(survivors: readonly Survivor[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const work: Work = {
        frames: survivors.map(({ frame }) => frame),
        places: [],
        milestones: [],
        stage: (staging) => {
          for (const [index, { frame, from }] of survivors.entries()) {
            const stored = staging.message(frame.id);
            const to = work.places[index];
            if (stored?.place.kind !== 'segment' || to === undefined) continue;
            if (stored.place.segment !== from.segment || stored.place.offset !== from.offset) continue;
            staging.moveMessage(stored, to);
          }
        },
        settled: resolve,
        failed: reject,
      };
      this.#doors.commits.add(work);
    });
  }
}
