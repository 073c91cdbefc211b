// Content of small messages, appended to segment files, many messages in one write and one fsync.
// commits.ts appends; bodies are read for delivery and by copying.ts; the index keeps the rows.
// Never writes over what was synced, and never lets a segment go while something in it lives.
import { join } from 'node:path';
import { type FileDoor, isFull } from './files.ts';
import { FRAME_HEADER, type Frame, idOfFrame, lengthOf, putFrame, sizeInFrame } from './frames.ts';
import type { Place } from './records.ts';
import { SegmentReader } from './segment-reader.ts';
import { SpoolError, SpoolFull } from './spool.ts';
import type { SegmentRow } from './store.ts';

export type SegmentPlace = Extract<Place, { kind: 'segment' }>;

/** Octets in one write: more than most batches, and room for the longest frame. */
const WRITE_SIZE = 2 ** 20;

/** What one transaction does to a segment. */
export interface SegmentChange {
  /** Octets of frames that live more, or fewer. */
  live: number;
  /** Where its last new frame ends, 0 without one. */
  end: number;
  /** Frames written to it for this transaction, also those that nobody needs any more. */
  placed: number;
}

interface Segment {
  readonly number: number;
  /** Octets that are committed: the file is cut here at the next start. */
  committed: number;
  /** Octets that are written and synced. */
  end: number;
  /** Octets of frames that committed messages need. */
  live: number;
  /** Frames written whose transaction is still to come. */
  pending: number;
  /** Its survivors are being copied: it must not go yet. */
  copying: boolean;
}

/** A segment with little left in it. */
export interface Sparse {
  readonly number: number;
  readonly end: number;
}

export class Segments {
  readonly #files: FileDoor;
  readonly #folder: string;
  readonly #size: number;
  readonly #reader: SegmentReader;
  readonly #segments = new Map<number, Segment>();
  /** What is written next: one piece of memory for all, so that no message needs its own. */
  readonly #buffer = Buffer.allocUnsafeSlow(WRITE_SIZE);
  #active: { readonly segment: Segment; readonly fd: number } | null = null;
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
    this.#reader = new SegmentReader(files, (number) => this.#path(number));
    for (const [number, { live, end }] of rows) this.#add(number, end, live);
  }

  #add(number: number, end: number, live: number): Segment {
    const segment = { number, committed: end, end, live, pending: 0, copying: false };
    this.#segments.set(number, segment);
    return segment;
  }

  /**
   * Writes the frames and syncs them. One call at a time. Rejects with SpoolError when nothing has
   * changed, and with any other error when nobody knows what the disk holds.
   */
  async append(frames: readonly Frame[]): Promise<SegmentPlace[]> {
    const octets = frames.reduce((sum, frame) => sum + lengthOf(frame), 0);
    const { segment, fd } = await this.#room(octets);
    try {
      await this.#write(fd, frames, segment.end);
    } catch (error) {
      if (!isFull(error)) throw error;
      await this.#files.truncate(fd, segment.end);
      throw new SpoolFull('no space is left for mail', { cause: error });
    }
    await this.#files.sync(fd);
    const places: SegmentPlace[] = [];
    for (const frame of frames) {
      places.push({ kind: 'segment', segment: segment.number, offset: segment.end });
      segment.end += lengthOf(frame);
    }
    segment.pending += frames.length;
    return places;
  }

  async #write(fd: number, frames: readonly Frame[], start: number): Promise<void> {
    let at = start;
    let filled = 0;
    const flush = async (): Promise<void> => {
      await this.#files.write(fd, [this.#buffer.subarray(0, filled)], at);
      at += filled;
      filled = 0;
    };
    for (const frame of frames) {
      if (filled + lengthOf(frame) > WRITE_SIZE) await flush();
      filled = putFrame(frame, this.#buffer, filled);
    }
    await flush();
  }

  /** The segment to write to; a new one when the present one would grow past its size. */
  async #room(octets: number): Promise<{ readonly segment: Segment; readonly fd: number }> {
    const last = this.#active?.segment ?? this.#segments.get(this.#newest);
    try {
      if (last !== undefined && (last.end === 0 || last.end + octets <= this.#size)) {
        this.#active ??= { segment: last, fd: await this.#files.open(this.#path(last.number), 'r+') };
      } else {
        await this.#begin(this.#newest + 1);
      }
    } catch (error) {
      const Kind = isFull(error) ? SpoolFull : SpoolError;
      throw new Kind(`no segment can be opened: ${String(error)}`, { cause: error });
    }
    return this.#active as { segment: Segment; fd: number };
  }

  async #begin(number: number): Promise<void> {
    const fd = await this.#files.open(this.#path(number), 'w+');
    try {
      await this.#files.syncFolder(this.#folder);
    } catch (error) {
      await this.#files.close(fd);
      throw error;
    }
    const before = this.#active;
    this.#newest = number;
    this.#active = { segment: this.#add(number, 0, 0), fd };
    if (before === null) return;
    await this.#files.close(before.fd);
    this.#retire(before.segment);
  }

  /** The row that the index keeps for a segment after a transaction. */
  rowAfter(number: number, change: SegmentChange): SegmentRow {
    const { live, committed } = this.#segments.get(number) ?? { live: 0, committed: 0 };
    return { live: live + change.live, end: Math.max(committed, change.end) };
  }

  /** Takes over what a transaction has changed, and lets go the segments in which nothing lives now. */
  committed(changes: ReadonlyMap<number, SegmentChange>): void {
    for (const [number, { live, end, placed }] of changes) {
      const segment = this.#segments.get(number);
      if (segment === undefined) continue;
      segment.live += live;
      segment.committed = Math.max(segment.committed, end);
      segment.pending -= placed;
      this.#retire(segment);
    }
  }

  #retire(segment: Segment): void {
    const { number, live, pending, copying } = segment;
    if (segment === this.#active?.segment || live > 0 || pending > 0 || copying) return;
    if (!this.#segments.delete(number)) return;
    this.#reader.close(number);
    // A file that does not go is found by the next start, because its row stays.
    this.#files.unlink(this.#path(number)).then(
      () => this.#gone.push(number),
      () => undefined,
    );
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
    if (octets < frame.length || idOfFrame(frame) !== id || sizeInFrame(frame) !== size) {
      throw new SpoolError(`segment ${place.segment} does not hold ${id} at ${place.offset}`);
    }
    return frame.subarray(FRAME_HEADER);
  }

  /** Fills `buffer` from the segment; resolves with the octets read. Rejects with SpoolError. */
  async readAt(number: number, buffer: Buffer, offset: number): Promise<number> {
    if (!this.#segments.has(number)) throw new SpoolError(`segment ${number} is gone`);
    return this.#reader.read(number, buffer, offset);
  }

  /** The full segment with the smallest share of living octets among those wanted, or null. */
  emptiest(wanted: (number: number) => boolean): Sparse | null {
    let least: Segment | null = null;
    for (const segment of this.#segments.values()) {
      const { number, end, live, pending, copying } = segment;
      if (number === this.#newest || end === 0 || pending > 0 || copying || !wanted(number)) continue;
      if (least === null || live / end < least.live / least.end) least = segment;
    }
    return least;
  }

  /** Keeps a segment while its survivors are copied; the function returned lets it go. */
  hold(number: number): () => void {
    const segment = this.#segments.get(number);
    if (segment === undefined) return () => undefined;
    segment.copying = true;
    return () => {
      segment.copying = false;
      this.#retire(segment);
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

  #path(number: number): string {
    return join(this.#folder, segmentName(number));
  }

  async close(): Promise<void> {
    this.#reader.closeAll();
    if (this.#active !== null) await this.#files.close(this.#active.fd);
    this.#active = null;
  }
}

export function segmentName(number: number): string {
  return String(number).padStart(8, '0');
}
