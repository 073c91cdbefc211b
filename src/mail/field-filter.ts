// Changes whole header fields of a message while it streams by: some go, some are written anew.
// from-rewrite.ts uses it on mail that comes in, header-edit.ts on mail that goes out.
// Never changes an octet of any other field or of the body, and never holds more than one field.
import { afterLine, headerLine } from './header-lines.ts';

/** What becomes of a field, said when its name is known. */
export type Fate = 'pass' | 'drop' | 'replace';

export interface FieldChange {
  /** `name` in lower case. */
  fateOf(name: string): Fate;
  /** What stands in the place of a field: its octets with folds, and its last CRLF unless the message ended. */
  replace(field: Buffer): Buffer;
}

/**
 * Octets of a field that is held to be replaced. What is longer passes as it is: no mail program writes such
 * a field, and those who do must fill neither the memory nor the time.
 */
const LONGEST_HELD = 8 * 1024;

/** One message: push() every chunk in order, then end() once. Chunks are handed on, not copied. */
export class FieldFilter {
  readonly #change: FieldChange;
  #place: 'line-start' | 'within-line' | 'body' = 'line-start';
  #first = true;
  /** Of the field that is being read. */
  #fate: Fate = 'pass';
  /** Its octets so far, while they are held. */
  #field: Buffer[] = [];
  #fieldSize = 0;
  /** Start of a line that cannot be judged yet. */
  #held: Buffer | null = null;

  constructor(change: FieldChange) {
    this.#change = change;
  }

  /** What goes on, in order. Empty buffers do not occur. */
  push(chunk: Buffer): Buffer[] {
    if (this.#place === 'body') return [chunk];
    const out: Buffer[] = [];
    this.#header(this.#held ? Buffer.concat([this.#held, chunk]) : chunk, out);
    return out;
  }

  /** The message is complete. */
  end(): Buffer[] {
    const out: Buffer[] = [];
    this.#endField(out);
    if (this.#held) out.push(this.#held);
    this.#held = null;
    this.#place = 'body';
    return out;
  }

  /** All that is known to be header has passed; the next chunk is body. */
  get inBody(): boolean {
    return this.#place === 'body';
  }

  #header(data: Buffer, out: Buffer[]): void {
    this.#held = null;
    /** From here on the octets have not gone their way yet. */
    let start = 0;
    let at = this.#place === 'within-line' ? afterLine(data, 0) : 0;
    while (at >= 0 && at < data.length) {
      const line = headerLine(data, at, this.#first);
      if (line === null) {
        this.#give(data.subarray(start, at), out);
        this.#held = data.subarray(at);
        this.#place = 'line-start';
        return;
      }
      this.#first = false;
      if (line.kind === 'empty' || line.kind === 'text') {
        this.#give(data.subarray(start, at), out);
        this.#endField(out);
        this.#place = 'body';
        out.push(data.subarray(at));
        return;
      }
      if (line.kind === 'field') start = this.#begin(this.#change.fateOf(line.name), data, start, at, out);
      at = afterLine(data, at);
    }
    this.#give(data.subarray(start), out);
    this.#place = at < 0 ? 'within-line' : 'line-start';
  }

  /** A field begins at `at`. Fields that pass stay together in one piece; returns where the present piece starts. */
  #begin(fate: Fate, data: Buffer, start: number, at: number, out: Buffer[]): number {
    if (fate === 'pass' && this.#fate === 'pass') return start;
    this.#give(data.subarray(start, at), out);
    this.#endField(out);
    this.#fate = fate;
    return at;
  }

  #give(octets: Buffer, out: Buffer[]): void {
    if (octets.length === 0 || this.#fate === 'drop') return;
    if (this.#fate === 'pass') {
      out.push(octets);
      return;
    }
    this.#field.push(octets);
    this.#fieldSize += octets.length;
    if (this.#fieldSize <= LONGEST_HELD) return;
    this.#fate = 'pass';
    out.push(...this.#takeField());
  }

  #endField(out: Buffer[]): void {
    if (this.#fate === 'replace') out.push(this.#change.replace(Buffer.concat(this.#takeField())));
    this.#fate = 'pass';
  }

  #takeField(): Buffer[] {
    const field = this.#field;
    this.#field = [];
    this.#fieldSize = 0;
    return field;
  }
}
