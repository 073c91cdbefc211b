// A message's header on its way in: our Received on top, Date and Message-ID where they are missing.
// Stands between relay/ (canonical CRLF lines) and spool/; queue/intake.ts pushes the chunks through.
// Never changes, moves or drops an octet of the client's; never holds more than the start of one line.
import { isAscii } from 'node:buffer';
import type { QueueId } from './envelope.ts';
import { mailDate } from './received.ts';

/**
 * More Received fields than this are a mail loop (RFC 5321 §6.3 wants at least 100):
 * refused with 554 5.4.6.
 */
export const HOP_LIMIT = 100;

export interface CompletionOptions {
  /** The field of receivedField(). */
  readonly received: Buffer;
  /** Milliseconds since the epoch, for Date. */
  readonly at: number;
  readonly id: QueueId;
  readonly hostname: string;
}

export interface CompletedHeader {
  /** What is left to write. */
  readonly tail: readonly Buffer[];
  /** Header or body has octets above 127. */
  readonly eightBit: boolean;
  /** Received fields that the client's message brought along, ours not counted. */
  readonly receivedCount: number;
}

type LineKind = 'date' | 'message-id' | 'received' | 'field' | 'continuation' | 'empty' | 'text';

const CR = 0x0d;
const LF = 0x0a;
const CRLF = Buffer.from('\r\n');

/**
 * A field name, the space that old mailers left before the colon, and the colon (RFC 5322 §3.6.8,
 * §4.5). Anchored by `lastIndex`.
 */
const FIELD_NAME = /([!-9;-~]+)[ \t]*:/y;

/** A line's start of this length without a colon is no header field: a line has 998 octets at most. */
const LONGEST_NAME = 1000;

/** One message: push() every chunk in order, then end() once. Chunks are handed on, not copied. */
export class HeaderCompletion {
  readonly #options: CompletionOptions;
  #place: 'top' | 'line-start' | 'within-line' | 'body' = 'top';
  /** Start of a line that cannot be judged yet; not written so far. */
  #held: Buffer | null = null;
  #hasDate = false;
  #hasMessageId = false;
  #received = 0;
  #eightBit = false;

  constructor(options: CompletionOptions) {
    this.#options = options;
  }

  /** What to write for this chunk, in order. Empty buffers do not occur. */
  push(chunk: Buffer): Buffer[] {
    if (!this.#eightBit && !isAscii(chunk)) this.#eightBit = true;
    if (this.#place === 'body') return [chunk];
    const out: Buffer[] = [];
    if (this.#place === 'top') out.push(this.#options.received);
    this.#header(this.#held ? Buffer.concat([this.#held, chunk]) : chunk, out);
    return out;
  }

  /** The message is complete: what is left to write, and what was found. */
  end(): CompletedHeader {
    const tail: Buffer[] = [];
    if (this.#place === 'top') tail.push(this.#options.received);
    if (this.#place !== 'body') this.#endInHeader(tail);
    this.#place = 'body';
    return { tail, eightBit: this.#eightBit, receivedCount: this.#received };
  }

  /** A message that is all header needs no empty line, only the missing fields. */
  #endInHeader(tail: Buffer[]): void {
    const held = this.#held;
    this.#held = null;
    if (this.#place === 'within-line') tail.push(CRLF);
    this.#addMissing(tail);
    if (held) tail.push(CRLF, held);
  }

  #header(data: Buffer, out: Buffer[]): void {
    this.#held = null;
    let first = this.#place === 'top';
    let at = this.#place === 'within-line' ? afterLine(data, 0) : 0;
    let kind: LineKind | null = 'field';
    while (at >= 0 && at < data.length) {
      kind = lineKind(data, at, first);
      if (kind === null || kind === 'empty' || kind === 'text') break;
      this.#note(kind);
      first = false;
      at = afterLine(data, at);
    }
    if (kind === null) this.#hold(data, at, out);
    else if (kind === 'empty' || kind === 'text') this.#beginBody(data, at, kind, out);
    else {
      this.#place = at < 0 ? 'within-line' : 'line-start';
      out.push(data);
    }
  }

  /** What is held is a name or a CR, so it cannot turn out to be a continuation. */
  #hold(data: Buffer, at: number, out: Buffer[]): void {
    this.#place = 'line-start';
    this.#held = data.subarray(at);
    if (at > 0) out.push(data.subarray(0, at));
  }

  /**
   * The header ends before `at`. A line that is no header field starts the body although the empty
   * line is missing; it gets one, or our fields would make the text a header.
   */
  #beginBody(data: Buffer, at: number, kind: 'empty' | 'text', out: Buffer[]): void {
    this.#place = 'body';
    if (at > 0) out.push(data.subarray(0, at));
    this.#addMissing(out);
    if (kind === 'text') out.push(CRLF);
    out.push(data.subarray(at));
  }

  #note(kind: LineKind): void {
    if (kind === 'date') this.#hasDate = true;
    else if (kind === 'message-id') this.#hasMessageId = true;
    else if (kind === 'received') this.#received++;
  }

  /** RFC 6409 §8.2 and §8.3. */
  #addMissing(out: Buffer[]): void {
    const { at, id, hostname } = this.#options;
    let fields = '';
    if (!this.#hasDate) fields += `Date: ${mailDate(at)}\r\n`;
    if (!this.#hasMessageId) fields += `Message-ID: <${at.toString(36)}.${id}@${hostname}>\r\n`;
    if (fields !== '') out.push(Buffer.from(fields, 'latin1'));
  }
}

/** Index after the line that `at` is in, or -1 when its end has not come yet. */
function afterLine(data: Buffer, at: number): number {
  const end = data.indexOf(LF, at);
  return end < 0 ? -1 : end + 1;
}

/** What the line at `at` is, or null when more octets are needed to know. */
function lineKind(data: Buffer, at: number, first: boolean): LineKind | null {
  const octet = data[at];
  if (octet === CR) {
    if (at + 1 >= data.length) return null;
    return data[at + 1] === LF ? 'empty' : 'text';
  }
  if (octet === 0x20 || octet === 0x09) return first ? 'text' : 'continuation';
  const end = Math.min(data.length, at + LONGEST_NAME);
  const colon = data.indexOf(0x3a, at);
  const line = data.toString('latin1', at, colon >= 0 && colon < end ? colon + 1 : end);
  FIELD_NAME.lastIndex = 0;
  const name = FIELD_NAME.exec(line)?.[1]?.toLowerCase();
  if (name === undefined) return end === data.length && couldBecomeField(line) ? null : 'text';
  return name === 'date' || name === 'message-id' || name === 'received' ? name : 'field';
}

/** The octets so far are a field name, perhaps with spaces after it. */
function couldBecomeField(start: string): boolean {
  return start.length < LONGEST_NAME && /^[!-9;-~]+[ \t]*$/.test(start);
}
