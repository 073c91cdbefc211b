// A body on its way out: dots doubled where a line begins with one (RFC 5321 §4.5.2).
// transaction.ts writes what comes out; the spool's bodies are canonical CRLF already.
// Never changes anything else in the content.

const LINE_START_DOT = Buffer.from('\r\n.');
const DOT = 0x2e;
const CR = 0x0d;
const LF = 0x0a;

/** Stuffs one body, chunk after chunk. */
export class DotStuffing {
  /** How much of CRLF the last chunk ended with; a body begins at the start of a line. */
  #seen: 0 | 1 | 2 = 2;

  /** True when the body so far ends with CRLF (or is empty). */
  get atLineStart(): boolean {
    return this.#seen === 2;
  }

  /** `chunk` itself when there is nothing to double, else a copy. */
  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const dots = this.#dots(chunk);
    this.#remember(chunk);
    return dots.length === 0 ? chunk : withDoubled(chunk, dots);
  }

  /** Positions of the dots that need another one. */
  #dots(chunk: Buffer): number[] {
    const dots: number[] = [];
    if (this.#seen === 2 && chunk[0] === DOT) dots.push(0);
    if (this.#seen === 1 && chunk[0] === LF && chunk[1] === DOT) dots.push(1);
    for (let at = chunk.indexOf(LINE_START_DOT); at >= 0; at = chunk.indexOf(LINE_START_DOT, at + 3)) {
      dots.push(at + 2);
    }
    return dots;
  }

  #remember(chunk: Buffer): void {
    const last = chunk[chunk.length - 1];
    const crBefore = chunk.length > 1 ? chunk[chunk.length - 2] === CR : this.#seen === 1;
    if (last === LF && crBefore) this.#seen = 2;
    else this.#seen = last === CR ? 1 : 0;
  }
}

function withDoubled(chunk: Buffer, dots: readonly number[]): Buffer {
  const result = Buffer.allocUnsafe(chunk.length + dots.length);
  let from = 0;
  let to = 0;
  for (const dot of dots) {
    to += chunk.copy(result, to, from, dot);
    result[to] = DOT;
    to += 1;
    from = dot;
  }
  chunk.copy(result, to, from);
  return result;
}
