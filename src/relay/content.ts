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
  /** Octets of the present line in the chunks before. */
  #carried = 0;
  /** Octets that changed, when any did: the copy and how much of it is filled. */
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
    const length = chunk.length;
    let position = this.#position;
    let i = from;
    /** Octets from `run` to `cut` (or `i`) are content that is not handed on yet. */
    let run = from;
    let cut = from;
    let lineStart = from - this.#carried;
    this.#copy = null;
    while (i < length) {
      const octet = chunk[i] as number;
      if (position === 'within') {
        // Almost every octet is one of these: the inner loop is the whole cost of normal mail.
        if (octet > CR) {
          i++;
          while (i < length && (chunk[i] as number) > CR) i++;
          continue;
        }
        if (octet === CR) position = 'after-cr';
        else if (octet === LF) {
          this.#flaw('bare-lf');
          this.#keep(chunk, run, i);
          this.#put(CR, length - i);
          run = i;
          lineStart = i + 1;
        } else if (octet === NUL) this.#fault ??= 'nul';
        i++;
      } else if (position === 'after-cr') {
        if (octet === LF) {
          if (this.#strict && i - 1 - lineStart > LONGEST_LINE) this.#fault ??= 'long-line';
          position = 'start';
          lineStart = ++i;
        } else {
          this.#flaw('bare-cr');
          this.#keep(chunk, run, i);
          this.#put(LF, length - i);
          run = i;
          lineStart = i;
          position = 'within';
        }
      } else if (position === 'start') {
        position = 'within';
        if (octet === DOT) {
          position = 'after-dot';
          cut = i++;
          lineStart = i;
        }
      } else if (position === 'after-dot') {
        // The dot is dropped in any case: it is the end, or it was put there for transparency.
        if (octet === CR) {
          position = 'after-dot-cr';
          i++;
        } else {
          this.#keep(chunk, run, cut);
          run = i;
          position = 'within';
        }
      } else if (octet === LF) {
        this.#position = 'within';
        return { content: this.#take(chunk, run, cut), next: i + 1, ended: true };
      } else {
        this.#flaw('bare-cr');
        this.#keep(chunk, run, cut);
        this.#put(CR, length - i + 1);
        this.#put(LF, length - i);
        run = i;
        lineStart = i;
        position = 'within';
      }
    }
    this.#position = position;
    this.#carried = length - lineStart;
    const end = position === 'after-dot' || position === 'after-dot-cr' ? cut : length;
    return { content: this.#take(chunk, run, end), next: length, ended: false };
  }

  #flaw(fault: ContentFault): void {
    if (this.#strict) this.#fault ??= fault;
  }

  /** Copies the run: from the first change of a chunk on, its content is a copy. */
  #keep(chunk: Buffer, from: number, to: number): void {
    const octets = to - from;
    if (octets <= 0) return;
    this.#reserve(octets, chunk.length - to);
    // A native copy of a few octets costs more than the loop: dots and repairs may come every other octet.
    if (octets > 64) chunk.copy(this.#copy as Buffer, this.#filled, from, to);
    else for (let i = from; i < to; i++) (this.#copy as Buffer)[this.#filled + i - from] = chunk[i] as number;
    this.#filled += octets;
  }

  #put(octet: number, expected: number): void {
    this.#reserve(1, expected);
    (this.#copy as Buffer)[this.#filled++] = octet;
  }

  /** Room for `octets` now, and a first guess that `expected` more will follow. */
  #reserve(octets: number, expected: number): void {
    if (this.#copy === null) {
      this.#copy = Buffer.allocUnsafeSlow(octets + expected + 16);
      this.#filled = 0;
    } else if (this.#filled + octets > this.#copy.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.#copy.length + octets);
      this.#copy.copy(larger, 0, 0, this.#filled);
      this.#copy = larger;
    }
  }

  #take(chunk: Buffer, from: number, to: number): Buffer | null {
    if (this.#copy === null) return to > from ? chunk.subarray(from, to) : null;
    this.#keep(chunk, from, to);
    return this.#copy.subarray(0, this.#filled);
  }
}
