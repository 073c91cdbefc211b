// SMTP replies, from octets to values (RFC 5321 §4.2).
// wire.ts feeds it what the socket gives; transaction.ts and classify.ts read the replies.
// Never judges: what a code means for the mail is classify.ts.

/** One complete reply. `text` is all its lines with their codes, joined by `\n`. */
export interface Reply {
  readonly code: number;
  readonly text: string;
}

/** Far above any real reply; ends a peer that never completes one. */
const LONGEST_REPLY = 64 * 1024;

const REPLY_LINE = /^[2-5]\d\d(?:[ -]|$)/;

/** Reads one complete reply; null when it is none. */
export function parseReply(text: string): Reply | null {
  const lines = text.trimEnd().split(/\r?\n/);
  if (!lines.every((line) => REPLY_LINE.test(line))) return null;
  const last = lines[lines.length - 1] as string;
  return { code: Number(last.slice(0, 3)), text: lines.join('\n') };
}

/** Collects octets into replies. Once it met garbage, it stays with it. */
export class ReplyReader {
  #rest = '';
  #lines: string[] = [];
  #size = 0;

  /** The replies that `chunk` completes; `garbage` when a line is no reply at all (§4.2: code first). */
  read(chunk: Buffer): { readonly replies: readonly Reply[]; readonly garbage: string | null } {
    const replies: Reply[] = [];
    const lines = (this.#rest + chunk.toString('latin1')).split('\n');
    this.#rest = lines.pop() as string;
    this.#size += chunk.length;
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line === '' && this.#lines.length === 0) continue;
      if (!REPLY_LINE.test(line)) return { replies, garbage: decoded(line) };
      this.#lines.push(line);
      if (line[3] === '-') continue;
      replies.push({ code: Number(line.slice(0, 3)), text: decoded(this.#lines.join('\n')) });
      this.#lines = [];
      this.#size = this.#rest.length;
    }
    const endless = this.#size > LONGEST_REPLY;
    return { replies, garbage: endless ? `a reply of more than ${LONGEST_REPLY} octets` : null };
  }
}

/** Reply text has no charset (RFC 5321 §4.2.1): UTF-8 where it is valid, else octet by octet. */
function decoded(latin1: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is ASCII itself
  if (/^[\x00-\x7f]*$/.test(latin1)) return latin1;
  const utf8 = Buffer.from(latin1, 'latin1').toString('utf8');
  return utf8.includes('\uFFFD') ? latin1 : utf8;
}
