// The lines of a header: where a field begins, where one goes on, where the body starts.
// completion.ts and field-filter.ts walk a message with it, chunk after chunk.
// Never guesses: a line that is not there far enough is judged when more of it has come.

export type HeaderLine =
  /** The first line of a field; its name in lower case. */
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'continuation' }
  /** The empty line between header and body. */
  | { readonly kind: 'empty' }
  /** No header field: the body has begun though the empty line is missing. */
  | { readonly kind: 'text' };

const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;

const CONTINUATION: HeaderLine = { kind: 'continuation' };
const EMPTY: HeaderLine = { kind: 'empty' };
const TEXT: HeaderLine = { kind: 'text' };

/** A field name, the space that old mailers left before the colon, and the colon (RFC 5322 §3.6.8, §4.5). */
const FIELD_NAME = /^([!-9;-~]+)[ \t]*:/;

/** A line's start of this length without a colon is no header field: a line has 998 octets at most. */
const LONGEST_NAME = 1000;

/** Index after the line that `at` is in, or -1 when its end has not come yet. */
export function afterLine(data: Buffer, at: number): number {
  const end = data.indexOf(LF, at);
  return end < 0 ? -1 : end + 1;
}

/** What the line at `at` is, or null when more octets are needed to know. `first`: of the message. */
export function headerLine(data: Buffer, at: number, first: boolean): HeaderLine | null {
  const octet = data[at];
  if (octet === CR) {
    if (at + 1 >= data.length) return null;
    return data[at + 1] === LF ? EMPTY : TEXT;
  }
  if (octet === 0x20 || octet === 0x09) return first ? TEXT : CONTINUATION;
  const end = Math.min(data.length, at + LONGEST_NAME);
  const colon = data.indexOf(COLON, at);
  const start = data.toString('latin1', at, colon >= 0 && colon < end ? colon + 1 : end);
  const name = FIELD_NAME.exec(start)?.[1];
  if (name !== undefined) return { kind: 'field', name: name.toLowerCase() };
  return end === data.length && couldBecomeField(start) ? null : TEXT;
}

/** The octets so far are a field name, perhaps with spaces after it. */
function couldBecomeField(start: string): boolean {
  return start.length < LONGEST_NAME && /^[!-9;-~]+[ \t]*$/.test(start);
}
