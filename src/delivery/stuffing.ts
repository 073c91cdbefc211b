// A body on its way out: dots doubled where a line begins with one (RFC 5321 §4.5.2).
// content.ts writes what comes out; the spool's bodies are canonical CRLF already.
// Never changes anything else in the content.

const LINE_START_DOT = Buffer.from('\r\n.');
const DOT = 0x2e;
const CR = 0x0d;
const LF = 0x0a;

/** Stuffs one body, chunk after chunk. */
export class DotStuffing {
  /** How much of CRLF was seen last; a body begins at the start of a line. */
  #seen: 0 | 1 | 2 = 2;

  /** True when the body so far ends with CRLF (or is empty). */
  get atLineStart(): boolean {
    return this.#seen === 2;
  }

  /** `chunk` itself when there is nothing to double, which is nearly always; else a copy. */
  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    if (this.#mayNeedDots(chunk)) return this.#doubled(chunk);
    const last = chunk[chunk.length - 1];
    const crBefore = chunk.length > 1 ? chunk[chunk.length - 2] === CR : this.#seen === 1;
    if (last === LF && crBefore) this.#seen = 2;
    else this.#seen = last === CR ? 1 : 0;
    return chunk;
  }

  #mayNeedDots(chunk: Buffer): boolean {
    const atEdge = this.#seen > 0 && (chunk[0] === DOT || chunk[1] === DOT);
    return atEdge || chunk.includes(LINE_START_DOT);
  }

  /** Octet by octet: a search for each dot would make a message of nothing but dots a burden. */
  #doubled(chunk: Buffer): Buffer {
    // At most every third octet is a dot after CRLF, and one more may stand at the beginning.
    const result = Buffer.allocUnsafe(chunk.length + Math.ceil(chunk.length / 3) + 1);
    let to = 0;
    let seen = this.#seen;
    for (const octet of chunk) {
      if (octet === DOT && seen === 2) result[to++] = DOT;
      result[to++] = octet;
      if (octet === LF && seen === 1) seen = 2;
      else seen = octet === CR ? 1 : 0;
    }
    this.#seen = seen;
    return result.subarray(0, to);
  }
}
