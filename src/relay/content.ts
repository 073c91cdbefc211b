// The octets of DATA: finds the end, removes transparency dots, repairs or refuses bad line ends.
// Stands between the socket's chunks and reception.ts.
// Never buffers: a chunk comes out as it went in, copied only where an octet had to change.

/** Why a message is refused for its octets. The first one found counts. */
export type ContentFault = 'nul' | 'bare-cr' | 'bare-lf' | 'long-line';

export interface Scanned {
  /** Canonical content, or null when the octets hold none. */
  readonly content: Buffer | null;
  /** Index of the first octet that does not belong to the message, or the chunk's length. */
  readonly next: number;
  /** CRLF.CRLF was found. */
  readonly ended: boolean;
}

/** RFC 5322 §2.1.1: octets in a line, without its CRLF. */
const LONGEST_LINE = 998;

/** Octets that a loop copies faster than a native call (measured). */
const SHORT_RUN = 64;

const NUL = 0;
const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

/**
 * Where in a line the next octet stands. Only CRLF ends a line, so only after CRLF can a dot be
 * transparency or the end (RFC 5321 §4.1.1.4, §4.5.2): `<LF>.<LF>` in a body never ends the
 * message, also not after it was repaired.
 */
type Position = 'start' | 'within' | 'after-cr' | 'after-dot' | 'after-dot-cr';

export class ContentScanner {
  readonly #strict: boolean;
  #position: Position = 'start';
  #fault: ContentFault | null = null;
  #ended = false;
  /** Content from here on is not handed on yet: up to `#cut` where a dot was seen, else up to where we are. */
  #run = 0;
  #cut = 0;
  /** Where the present line began; negative when that was in a chunk before. */
  #lineStart = 0;
  /** Content of this chunk so far, once an octet had to change, and how much of it is filled. */
  #copy: Buffer | null = null;
  #filled = 0;

  /** `strict` refuses bare CR, bare LF and long lines; `repair` makes CRLF of each and lets lines pass. */
  constructor(content: 'repair' | 'strict') {
    this.#strict = content === 'strict';
  }

  get fault(): ContentFault | null {
    return this.#fault;
  }

  /** Reads `chunk` from `from` on. The work is linear in its octets, whatever they are. */
  scan(chunk: Buffer, from: number): Scanned {
    this.#run = from;
    this.#cut = from;
    this.#lineStart += from;
    this.#copy = null;
    let i = from;
    while (i < chunk.length && !this.#ended) {
      if (this.#position === 'within') i = afterText(chunk, i);
      if (i < chunk.length) i = this.#step(chunk, i, chunk[i] as number);
    }
    this.#lineStart -= chunk.length;
    return { content: this.#take(chunk), next: i, ended: this.#ended };
  }

  /** Handles one octet, or only changes the position; returns the index to go on with. */
  #step(chunk: Buffer, i: number, octet: number): number {
    switch (this.#position) {
      case 'start':
        return this.#atStart(i, octet);
      case 'within':
        return this.#within(chunk, i, octet);
      case 'after-cr':
        return this.#afterCr(chunk, i, octet);
      case 'after-dot':
        return this.#afterDot(chunk, i, octet);
      case 'after-dot-cr':
        return this.#afterDotCr(chunk, i, octet);
    }
  }

  #atStart(i: number, octet: number): number {
    if (octet !== DOT) {
      this.#position = 'within';
      return i;
    }
    this.#position = 'after-dot';
    this.#cut = i;
    this.#lineStart = i + 1;
    return i + 1;
  }

  #within(chunk: Buffer, i: number, octet: number): number {
    if (octet === CR) this.#position = 'after-cr';
    else if (octet === NUL) this.#fault ??= 'nul';
    else if (octet === LF) {
      this.#flaw('bare-lf');
      this.#keep(chunk, i);
      this.#put(CR, chunk.length - i);
      this.#lineStart = i + 1;
    }
    return i + 1;
  }

  #afterCr(chunk: Buffer, i: number, octet: number): number {
    if (octet !== LF) return this.#repairCr(chunk, i, i);
    if (this.#strict && i - 1 - this.#lineStart > LONGEST_LINE) this.#fault ??= 'long-line';
    this.#position = 'start';
    this.#lineStart = i + 1;
    return i + 1;
  }

  /** The dot is dropped in any case: it is the end, or was put there for transparency. */
  #afterDot(chunk: Buffer, i: number, octet: number): number {
    if (octet === CR) {
      this.#position = 'after-dot-cr';
      return i + 1;
    }
    this.#keep(chunk, this.#cut);
    this.#run = i;
    this.#position = 'within';
    return i;
  }

  #afterDotCr(chunk: Buffer, i: number, octet: number): number {
    if (octet === LF) {
      this.#ended = true;
      return i + 1;
    }
    this.#keep(chunk, this.#cut);
    this.#put(CR, chunk.length - i);
    return this.#repairCr(chunk, i, this.#run);
  }

  /** The CR before `i` lacks its LF; content up to `upTo` is still to be kept. */
  #repairCr(chunk: Buffer, i: number, upTo: number): number {
    this.#flaw('bare-cr');
    this.#keep(chunk, upTo);
    this.#put(LF, chunk.length - i);
    this.#run = i;
    this.#lineStart = i;
    this.#position = 'within';
    return i;
  }

  #flaw(fault: ContentFault): void {
    if (this.#strict) this.#fault ??= fault;
  }

  /** Copies the run up to `to`: from the first change of a chunk on, its content is a copy. */
  #keep(chunk: Buffer, to: number): void {
    const octets = to - this.#run;
    if (octets > 0) {
      const copy = this.#room(octets, chunk.length - to);
      // A native copy of a few octets costs more than the loop, and changes may come every other octet.
      if (octets > SHORT_RUN) chunk.copy(copy, this.#filled, this.#run, to);
      else for (let k = 0; k < octets; k++) copy[this.#filled + k] = chunk[this.#run + k] as number;
      this.#filled += octets;
    }
    this.#run = to;
  }

  #put(octet: number, expected: number): void {
    this.#room(1, expected)[this.#filled++] = octet;
  }

  /** The copy, with room for `octets` more; `expected` is a first guess at what will follow. */
  #room(octets: number, expected: number): Buffer {
    if (this.#copy === null) {
      this.#copy = Buffer.allocUnsafeSlow(octets + expected + 16);
      this.#filled = 0;
    } else if (this.#filled + octets > this.#copy.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.#copy.length + octets);
      this.#copy.copy(larger, 0, 0, this.#filled);
      this.#copy = larger;
    }
    return this.#copy;
  }

  #take(chunk: Buffer): Buffer | null {
    const afterDot = this.#position === 'after-dot' || this.#position === 'after-dot-cr';
    const end = afterDot ? this.#cut : chunk.length;
    if (this.#copy === null) return end > this.#run ? chunk.subarray(this.#run, end) : null;
    this.#keep(chunk, end);
    return this.#filled > 0 ? this.#copy.subarray(0, this.#filled) : null;
  }
}

/** Index of the first octet from `i` on that may matter within a line. The whole cost of normal mail. */
function afterText(chunk: Buffer, i: number): number {
  let at = i;
  while (at < chunk.length && (chunk[at] as number) > CR) at++;
  return at;
}
