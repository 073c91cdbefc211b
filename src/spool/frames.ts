// How content stands in a segment: a short header that names the message, then the octets.
// bodies.ts builds frames, segments.ts writes and checks them, recovery.ts and copying.ts walk over them.
// Never holds anything that the index does not know better; it is there to find and to doubt.

/** magic 4, length of the content 4, id 16 (padded with NUL). */
export const FRAME_HEADER = 24;
const MAGIC = 0x6c69616d;
const LENGTH_AT = 4;
const ID_AT = 8;
/** Octets of an id that fit. */
export const LONGEST_ID = FRAME_HEADER - ID_AT;

/** Header and content in one piece of memory. */
export function frameOf(id: string, chunks: readonly Buffer[], size: number): Buffer {
  const frame = Buffer.allocUnsafeSlow(FRAME_HEADER + size);
  frame.fill(0, 0, FRAME_HEADER);
  frame.writeUInt32LE(MAGIC, 0);
  frame.writeUInt32LE(size, LENGTH_AT);
  frame.write(id, ID_AT, 'latin1');
  let at = FRAME_HEADER;
  for (const chunk of chunks) at += chunk.copy(frame, at);
  return frame;
}

export function contentOf(frame: Buffer): Buffer {
  return frame.subarray(FRAME_HEADER);
}

/** The id in a header, or null when no frame begins here. */
export function idOfFrame(header: Buffer): string | null {
  if (header.length < FRAME_HEADER || header.readUInt32LE(0) !== MAGIC) return null;
  const end = header.indexOf(0, ID_AT);
  return header.toString('latin1', ID_AT, end < 0 || end > FRAME_HEADER ? FRAME_HEADER : end);
}

/** Octets of content after the header. */
export function lengthOfFrame(header: Buffer): number {
  return header.readUInt32LE(LENGTH_AT);
}
