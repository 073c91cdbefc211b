// Gives disk back: copies what still lives in the emptiest segments to the newest one.
// disk-spool.ts asks after each commit whether it is time; the copies take the same way as new mail.
// Never unlinks a segment before its copies are committed, and never hurries.
import { type Clock, pause } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Commits, Work } from './commits.ts';
import { FRAME_HEADER, idOfFrame, lengthOfFrame } from './frames.ts';
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
  readonly id: string;
  readonly from: SegmentPlace;
  readonly frame: Buffer;
}

/** Disk used may be this many times what lives: copying costs as much again as it frees. */
const MOST_USED = 2;
/** Octets of a segment looked at in one step. */
const STEP = 512 * 1024;

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
    if (this.#running !== null || this.#stopping.signal.aborted || !this.#worthIt()) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  #worthIt(): boolean {
    const { used, live } = this.#doors.segments.usage();
    return used > MOST_USED * live + this.#doors.floor;
  }

  async #run(): Promise<void> {
    while (this.#worthIt() && !this.#stopping.signal.aborted) {
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
        await pause(clock, clock.now() - began, this.#stopping.signal);
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
      const length = FRAME_HEADER + lengthOfFrame(header);
      if (offset + length > octets) break;
      const place = store.message(id)?.place;
      if (place?.kind === 'segment' && place.segment === number && place.offset === at + offset) {
        survivors.push({ id, from: place, frame: block.subarray(offset, offset + length) });
      }
      offset += length;
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
          for (const [index, { id, from }] of survivors.entries()) {
            const stored = staging.message(id);
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
