// How content stands in a segment: a short header that names the message, then the octets.
// segments.ts writes and checks frames; recovery.ts and copying.ts walk over them.
// Never holds anything that the index does not know better; it is there to find and to doubt.

/** Content on its way to a segment. */
export interface Frame {
  readonly id: string;
  readonly chunks: readonly Buffer[];
  /** Octets in all chunks. */
  readonly size: number;
}

/** magic 4, length of the content 4, id 16 (padded with NUL). */
export const FRAME_HEADER = 24;
const MAGIC = 0x6c69616d;
const LENGTH_AT = 4;
const ID_AT = 8;
/** Octets of an id that fit. */
export const LONGEST_ID = FRAME_HEADER - ID_AT;

/** Octets of the frame. */
export function lengthOf(frame: Frame): number {
  return FRAME_HEADER + frame.size;
}

/** Writes header and content to `into` from `start` on; returns where they end. */
export function putFrame({ id, chunks, size }: Frame, into: Buffer, start: number): number {
  into.fill(0, start, start + FRAME_HEADER);
  into.writeUInt32LE(MAGIC, start);
  into.writeUInt32LE(size, start + LENGTH_AT);
  into.write(id, start + ID_AT, 'latin1');
  return putChunks(chunks, into, start + FRAME_HEADER);
}

/** Copies the chunks one after the other; returns where they end. */
export function putChunks(chunks: readonly Buffer[], into: Buffer, start: number): number {
  let at = start;
  for (const chunk of chunks) at += chunk.copy(into, at);
  return at;
}

/** The id in a header, or null when no frame begins here. */
export function idOfFrame(header: Buffer): string | null {
  if (header.length < FRAME_HEADER || header.readUInt32LE(0) !== MAGIC) return null;
  const end = header.indexOf(0, ID_AT);
  return header.toString('latin1', ID_AT, end < 0 || end > FRAME_HEADER ? FRAME_HEADER : end);
}

/** Octets of content after the header. */
export function sizeInFrame(header: Buffer): number {
  return header.readUInt32LE(LENGTH_AT);
}
