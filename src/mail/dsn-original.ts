// The part of a DSN that gives the message back: the whole of it, or its header section.
// queue/ reads the original from the spool with it; dsn.ts puts the result behind the report.
// Never lets octets above 127 or overlong lines out: a DSN must pass every peer.
import type { Body } from '../spool/spool.ts';
import { quotedPrintable } from './quoted-printable.ts';

/** Messages up to here go back whole, of larger ones the header section (Postfix: bounce_size_limit). */
export const RETURN_LIMIT = 50_000;

/** RFC 5321 §4.5.3.1.6: 1,000 octets with CRLF. */
const LONGEST_LINE = 998;

/** The message that a DSN is about, as far as a DSN can use it. */
export interface Original {
  /** Its first octets, RETURN_LIMIT of them at most. */
  readonly start: Buffer;
  /** `start` is all of it. */
  readonly whole: boolean;
}

export interface ReturnedPart {
  readonly type: 'message/rfc822' | 'text/rfc822-headers';
  readonly encoding: '7bit' | 'quoted-printable';
  readonly content: Buffer;
}

/** Reads no more of the body than a DSN uses. Rejects with SpoolError. */
export async function readOriginal(body: Body): Promise<Original> {
  if (body.kind === 'buffer') {
    return { start: body.data.subarray(0, RETURN_LIMIT), whole: body.data.length <= RETURN_LIMIT };
  }
  const stream = body.open();
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > RETURN_LIMIT) break;
    }
  } finally {
    stream.destroy();
  }
  return { start: Buffer.concat(chunks).subarray(0, RETURN_LIMIT), whole: size <= RETURN_LIMIT };
}

/**
 * The whole message when it failed, is small and plain 7-bit; otherwise its header section alone.
 * A report of a mere delay gives the header back only (RFC 3461 §4.3).
 * An 8-bit message is not given back whole: message/rfc822 may not be encoded (RFC 2046 §5.2.1), and an
 * 8-bit DSN would itself bounce at a peer without 8BITMIME, unseen, since nobody answers a null sender.
 * text/rfc822-headers may be quoted-printable where it needs to (RFC 6522 §4).
 */
export function returnedPart(kind: 'failed' | 'delayed', original: Original): ReturnedPart {
  if (kind === 'failed' && original.whole && isSevenBit(original.start)) {
    return { type: 'message/rfc822', encoding: '7bit', content: original.start };
  }
  const headers = headerSection(original);
  if (isSevenBit(headers)) return { type: 'text/rfc822-headers', encoding: '7bit', content: headers };
  const content = Buffer.from(quotedPrintable(headers), 'latin1');
  return { type: 'text/rfc822-headers', encoding: 'quoted-printable', content };
}

/** With the CRLF of its last field, without the blank line. Cut after a whole line when it is too long. */
export function headerSection({ start, whole }: Original): Buffer {
  if (start.subarray(0, 2).equals(Buffer.from('\r\n'))) return start.subarray(0, 0);
  const blank = start.indexOf('\r\n\r\n');
  if (blank >= 0) return start.subarray(0, blank + 2);
  if (whole) return start;
  const lineEnd = start.lastIndexOf('\r\n');
  return start.subarray(0, lineEnd < 0 ? 0 : lineEnd + 2);
}

function isSevenBit(content: Buffer): boolean {
  let lineStart = 0;
  for (let i = 0; i < content.length; i++) {
    const octet = content[i] as number;
    if (octet > 127 || octet === 0) return false;
    if (octet === 10) lineStart = i + 1;
    else if (octet !== 13 && i - lineStart >= LONGEST_LINE) return false;
  }
  return true;
}
