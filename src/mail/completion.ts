// A message's header on its way in: our Received on top, Date and Message-ID where they are missing.
// Stands between relay/ (canonical CRLF lines) and spool/; queue/content.ts pushes the chunks through.
// Never changes, moves or drops an octet of the client's; never holds more than the start of one line.
import { isAscii } from 'node:buffer';
import type { MailHeader, QueueId } from './envelope.ts';
import { afterLine, headerLine } from './header-lines.ts';
import { KeptFields } from './kept-fields.ts';
import { mailDate } from './received.ts';
import { signedFields } from './signed-fields.ts';

/**
 * More Received fields than this are a mail loop (RFC 5321 §6.3 wants at least 100):
 * refused with 554 5.4.6.
 */
export const HOP_LIMIT = 100;

export interface CompletionOptions {
  /** The field of receivedField(); null where nobody handed the message over. */
  readonly received: Buffer | null;
  /** Milliseconds since the epoch, for Date. */
  readonly at: number;
  readonly id: QueueId;
  readonly hostname: string;
  /** Names in lower case of the fields whose values are wanted. */
  readonly keeps?: ReadonlySet<string>;
}

export interface CompletedHeader {
  /** What is left to write. */
  readonly tail: readonly Buffer[];
  /** Header or body has octets above 127. */
  readonly eightBit: boolean;
  /** Received fields that the client's message brought along, ours not counted. */
  readonly receivedCount: number;
  /** Those of the wanted fields that the client's message has. */
  readonly header: MailHeader;
}

const CRLF = Buffer.from('\r\n');
const SIGNATURE = 'dkim-signature';
const SIGNATURES: ReadonlySet<string> = new Set([SIGNATURE]);

/** One message: push() every chunk in order, then end() once. Chunks are handed on, not copied. */
export class HeaderCompletion {
  readonly #options: CompletionOptions;
  /** Null: nothing is wanted. */
  readonly #kept: KeptFields | null;
  /** Null: no signature was seen yet. */
  #signatures: KeptFields | null = null;
  #place: 'top' | 'line-start' | 'within-line' | 'body' = 'top';
  /** Start of a line that cannot be judged yet; not written so far. */
  #held: Buffer | null = null;
  #hasDate = false;
  #hasMessageId = false;
  #received = 0;
  #eightBit = false;

  constructor(options: CompletionOptions) {
    this.#options = options;
    const { keeps } = options;
    this.#kept = keeps && keeps.size > 0 ? new KeptFields(keeps) : null;
  }

  /** What to write for this chunk, in order. Empty buffers do not occur. */
  push(chunk: Buffer): Buffer[] {
    if (!this.#eightBit && !isAscii(chunk)) this.#eightBit = true;
    if (this.#place === 'body') return [chunk];
    const out: Buffer[] = [];
    if (this.#place === 'top') this.#begin(out);
    this.#header(this.#held ? Buffer.concat([this.#held, chunk]) : chunk, out);
    return out;
  }

  /** The message is complete: what is left to write, and what was found. */
  end(): CompletedHeader {
    const tail: Buffer[] = [];
    if (this.#place === 'top') this.#begin(tail);
    if (this.#place !== 'body') this.#endInHeader(tail);
    this.#place = 'body';
    const header = this.#kept?.header() ?? {};
    return { tail, eightBit: this.#eightBit, receivedCount: this.#received, header };
  }

  #begin(out: Buffer[]): void {
    const { received } = this.#options;
    if (received) out.push(received);
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
    let at = this.#place === 'within-line' ? this.#line(data, 0) : 0;
    while (at >= 0 && at < data.length) {
      const line = headerLine(data, at, first);
      if (line === null) {
        this.#hold(data, at, out);
        return;
      }
      if (line.kind === 'empty' || line.kind === 'text') {
        this.#beginBody(data, at, line.kind, out);
        return;
      }
      if (line.kind === 'field') this.#note(line.name);
      first = false;
      at = this.#line(data, at);
    }
    this.#place = at < 0 ? 'within-line' : 'line-start';
    out.push(data);
  }

  /** Index after the line, or -1; what is kept of the field that it belongs to is taken on the way. */
  #line(data: Buffer, at: number): number {
    const next = afterLine(data, at);
    const end = next < 0 ? data.length : next;
    this.#kept?.add(data, at, end);
    this.#signatures?.add(data, at, end);
    return next;
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

  #note(name: string): void {
    if (name === 'date') this.#hasDate = true;
    else if (name === 'message-id') this.#hasMessageId = true;
    else if (name === 'received') this.#received++;
    this.#kept?.begin(name);
    if (name === SIGNATURE) this.#signatures ??= new KeptFields(SIGNATURES);
    this.#signatures?.begin(name);
  }

  /** RFC 6409 §8.2 and §8.3. A field that a signature says is not there stays out (RFC 6376 §5.4.2). */
  #addMissing(out: Buffer[]): void {
    if (this.#hasDate && this.#hasMessageId) return;
    const { at, id, hostname } = this.#options;
    const signed = signedFields(this.#signatures?.header()[SIGNATURE] ?? []);
    let fields = '';
    if (!this.#hasDate && !signed.has('date')) fields += `Date: ${mailDate(at)}\r\n`;
    if (!this.#hasMessageId && !signed.has('message-id'))
      fields += `Message-ID: <${at.toString(36)}.${id}@${hostname}>\r\n`;
    if (fields !== '') out.push(Buffer.from(fields, 'latin1'));
  }
}
