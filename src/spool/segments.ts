// Content of small messages, appended to segment files, many messages in one write and one fsync.
// commits.ts appends; bodies are read for delivery and by copying.ts; the index keeps the rows.
// Never writes over what was synced, and never lets a segment go while something in it lives.
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type FileDoor, isFull } from './files.ts';
import { FRAME_HEADER, idOfFrame, lengthOfFrame } from './frames.ts';
import type { Place } from './records.ts';
import { SpoolError, SpoolFull } from './spool.ts';
import type { SegmentRow } from './store.ts';

export type SegmentPlace = Extract<Place, { kind: 'segment' }>;

interface Segment {
  readonly number: number;
  /** Octets that were written and synced. */
  end: number;
  /** Octets of frames that committed messages need. */
  live: number;
  /** Frames written whose commit is still to come. */
  pending: number;
  /** Its survivors are being copied: it must not go yet. */
  copying: boolean;
  readers: number;
  fd: number | null;
}

/** Descriptors kept open for reading: many segments exist, few are read at one time. */
const OPEN_SEGMENTS = 64;

export class Segments {
  readonly #files: FileDoor;
  readonly #folder: string;
  readonly #size: number;
  readonly #segments = new Map<number, Segment>();
  #active: Segment | null = null;
  #activeFd: number | null = null;
  #newest: number;
  #gone: number[] = [];

  /** `size`: octets after which the next segment begins. `newest`: the highest number ever used. */
  constructor(
    files: FileDoor,
    folder: string,
    size: number,
    rows: ReadonlyMap<number, SegmentRow>,
    newest: number,
  ) {
    this.#files = files;
    this.#folder = folder;
    this.#size = size;
    this.#newest = newest;
    for (const [number, row] of rows) {
      this.#segments.set(number, { number, ...row, pending: 0, copying: false, readers: 0, fd: null });
    }
  }

  /**
   * Writes the frames and syncs them. One call at a time. Rejects with SpoolFull when the disk is full
   * and nothing has changed, with any other error when nobody knows what the disk holds.
   */
  async append(frames: readonly Buffer[]): Promise<SegmentPlace[]> {
    const octets = frames.reduce((sum, frame) => sum + frame.length, 0);
    const segment = await this.#room(octets);
    const fd = this.#activeFd as number;
    try {
      await this.#files.write(fd, frames, segment.end);
    } catch (error) {
      if (!isFull(error)) throw error;
      await this.#files.truncate(fd, segment.end);
      throw new SpoolFull('no space is left for mail', { cause: error });
    }
    await this.#files.sync(fd);
    const places: SegmentPlace[] = [];
    for (const frame of frames) {
      places.push({ kind: 'segment', segment: segment.number, offset: segment.end });
      segment.end += frame.length;
    }
    segment.pending += frames.length;
    return places;
  }

  /** The segment to write to; a new one when the present one would grow past its size. */
  async #room(octets: number): Promise<Segment> {
    const active = this.#active ?? this.#unfinished();
    if (active !== null && (active.end + octets <= this.#size || active.end === 0)) {
      if (this.#active === null) {
        this.#activeFd = await this.#files.open(this.path(active.number), 'r+');
        this.#active = active;
      }
      return active;
    }
    const number = this.#newest + 1;
    const fd = await this.#create(number);
    const before = this.#active;
    if (this.#activeFd !== null) await this.#files.close(this.#activeFd);
    this.#newest = number;
    this.#activeFd = fd;
    this.#active = { number, end: 0, live: 0, pending: 0, copying: false, readers: 0, fd: null };
    this.#segments.set(number, this.#active);
    if (before !== null) await this.#retire(before);
    return this.#active;
  }

  async #create(number: number): Promise<number> {
    try {
      const fd = await this.#files.open(this.path(number), 'w+');
      await this.#files.syncFolder(this.#folder);
      return fd;
    } catch (error) {
      if (isFull(error)) throw new SpoolFull('no space is left for mail', { cause: error });
      throw error;
    }
  }

  /** The last segment of the process before, if it still has room. */
  #unfinished(): Segment | null {
    const last = this.#segments.get(this.#newest);
    return last !== undefined && last.end < this.#size ? last : null;
  }

  /** The row that the index keeps for a segment after `live` octets more (or fewer) live in it. */
  rowAfter(number: number, live: number): SegmentRow {
    const segment = this.#segments.get(number);
    return { live: (segment?.live ?? 0) + live, end: segment?.end ?? 0 };
  }

  /** Takes over what a commit has changed, and lets go the segments in which nothing lives now. */
  async committed(live: ReadonlyMap<number, number>, placed: readonly SegmentPlace[]): Promise<void> {
    for (const { segment } of placed) {
      const at = this.#segments.get(segment);
      if (at !== undefined) at.pending--;
    }
    for (const [number, octets] of live) {
      const segment = this.#segments.get(number);
      if (segment === undefined) continue;
      segment.live += octets;
      await this.#retire(segment);
    }
  }

  async #retire(segment: Segment): Promise<void> {
    const { live, pending, copying, readers } = segment;
    if (segment === this.#active || live > 0 || pending > 0 || copying || readers > 0) return;
    if (!this.#segments.delete(segment.number)) return;
    if (segment.fd !== null) closeSync(segment.fd);
    await this.#files.unlink(this.path(segment.number));
    this.#gone.push(segment.number);
  }

  /** Segments that went since the last call: their rows may go too. */
  takeGone(): readonly number[] {
    const gone = this.#gone;
    this.#gone = [];
    return gone;
  }

  /** Content of one message. Rejects with SpoolError when it is not there or another's. */
  async read(place: SegmentPlace, id: string, size: number): Promise<Buffer> {
    const frame = Buffer.allocUnsafeSlow(FRAME_HEADER + size);
    const octets = await this.readAt(place.segment, frame, place.offset);
    if (octets < frame.length || idOfFrame(frame) !== id || lengthOfFrame(frame) !== size) {
      throw new SpoolError(`segment ${place.segment} does not hold ${id} at ${place.offset}`);
    }
    return frame.subarray(FRAME_HEADER);
  }

  /** Fills `buffer` from the segment; resolves with the octets read. Rejects with SpoolError. */
  async readAt(number: number, buffer: Buffer, offset: number): Promise<number> {
    const segment = this.#segments.get(number);
    if (segment === undefined) throw new SpoolError(`segment ${number} is gone`);
    segment.readers++;
    try {
      return await this.#files.read(this.#descriptor(segment), buffer, offset);
    } catch (error) {
      throw new SpoolError(`segment ${number} cannot be read: ${String(error)}`, { cause: error });
    } finally {
      segment.readers--;
      await this.#retire(segment);
    }
  }

  #descriptor(segment: Segment): number {
    if (segment.fd === null) {
      this.#closeIdle();
      segment.fd = openSync(this.path(segment.number), 'r');
    }
    return segment.fd;
  }

  #closeIdle(): void {
    const open = [...this.#segments.values()].filter(({ fd }) => fd !== null);
    if (open.length < OPEN_SEGMENTS) return;
    for (const segment of open) {
      if (segment.readers > 0) continue;
      closeSync(segment.fd as number);
      segment.fd = null;
    }
  }

  /** The full segment with the smallest share of living octets, or null. */
  emptiest(
    wanted: (number: number) => boolean,
  ): { readonly number: number; readonly end: number; readonly live: number } | null {
    let least: Segment | null = null;
    for (const segment of this.#segments.values()) {
      if (
        !wanted(segment.number) ||
        segment === this.#active ||
        segment.number === this.#newest ||
        segment.pending > 0
      )
        continue;
      if (segment.end === 0 || segment.copying) continue;
      if (least === null || segment.live / segment.end < least.live / least.end) least = segment;
    }
    return least;
  }

  /** Keeps the segment while its survivors are copied; `release` lets it go when nothing is left. */
  hold(number: number): { release(): Promise<void> } {
    const segment = this.#segments.get(number);
    if (segment !== undefined) segment.copying = true;
    return {
      release: async () => {
        if (segment === undefined) return;
        segment.copying = false;
        await this.#retire(segment);
      },
    };
  }

  /** Octets in all segments, and those of them that live. */
  usage(): { readonly used: number; readonly live: number } {
    let used = 0;
    let live = 0;
    for (const segment of this.#segments.values()) {
      used += segment.end;
      live += segment.live;
    }
    return { used, live };
  }

  path(number: number): string {
    return join(this.#folder, segmentName(number));
  }

  async close(): Promise<void> {
    for (const segment of this.#segments.values()) if (segment.fd !== null) closeSync(segment.fd);
    if (this.#activeFd !== null) await this.#files.close(this.#activeFd);
  }
}

export function segmentName(number: number): string {
  return String(number).padStart(8, '0');
}
