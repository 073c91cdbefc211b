// One message between 354 and the reply to its final dot.
// Fed by session.ts with the socket's chunks; hands canonical content to the intake's message.
// Never holds content, and never lets a message be queued that it refuses.
import type { ContentFault } from './content.ts';
import { ContentScanner } from './content.ts';
import type { IncomingMessage, Reply } from './intake.ts';
import { no, reply } from './replies.ts';

export type Verdict = { readonly accepted: string } | { readonly refused: Reply };

/** 5.6.0: the content itself is at fault, whoever sends it again. */
const FAULT_REPLY: Record<ContentFault, Reply> = {
  nul: reply(550, '5.6.0', 'message contains NUL'),
  'bare-cr': reply(550, '5.6.0', 'message contains a CR without LF'),
  'bare-lf': reply(550, '5.6.0', 'message contains a LF without CR'),
  'long-line': reply(550, '5.6.0', 'message has a line over 998 octets'),
};

export class Reception {
  readonly #incoming: IncomingMessage;
  readonly #messageSize: number;
  readonly #scanner: ContentScanner;
  #octets = 0;
  /** Set as soon as the message cannot be taken: the rest is read and dropped. */
  #refused: Reply | null = null;
  #state: 'receiving' | 'ended' | 'aborted' = 'receiving';

  /** `messageSize`: octets of canonical content that are too many when exceeded. */
  constructor(incoming: IncomingMessage, content: 'repair' | 'strict', messageSize: number) {
    this.#incoming = incoming;
    this.#messageSize = messageSize;
    this.#scanner = new ContentScanner(content);
  }

  get ended(): boolean {
    return this.#state === 'ended';
  }

  /**
   * Reads on from `from`. `next` is the first octet after the final dot when `ended`; `wait` says
   * that the intake has enough for now. `wait` never rejects.
   */
  feed(chunk: Buffer, from: number): { readonly next: number; readonly wait: Promise<void> | null } {
    const { content, next, ended } = this.#scanner.scan(chunk, from);
    if (ended) this.#state = 'ended';
    if (content === null) return { next, wait: null };
    this.#octets += content.length;
    const fault = this.#scanner.fault;
    if (fault) this.#refuse(FAULT_REPLY[fault]);
    else if (this.#octets > this.#messageSize) this.#refuse(tooBig(this.#messageSize));
    return { next, wait: this.#refused ? null : this.#write(content) };
  }

  /** After `ended`: resolves with what the client is to be told. Never rejects. */
  async verdict(): Promise<Verdict> {
    if (this.#refused) return { refused: this.#refused };
    const fault = this.#scanner.fault;
    if (fault) {
      this.#refuse(FAULT_REPLY[fault]);
      return { refused: FAULT_REPLY[fault] };
    }
    return this.#incoming.finish().catch(() => ({ refused: no.internal }));
  }

  /** The client went away, or time is up: nothing is queued. Does nothing once the dot was read. */
  abort(): void {
    if (this.#state !== 'receiving') return;
    this.#state = 'aborted';
    if (!this.#refused) this.#incoming.abort();
  }

  #write(content: Buffer): Promise<void> | null {
    try {
      return this.#incoming.write(content)?.catch(() => this.#refuse(no.internal)) ?? null;
    } catch {
      this.#refuse(no.internal);
      return null;
    }
  }

  #refuse(refusal: Reply): void {
    if (this.#refused) return;
    this.#refused = refusal;
    this.#incoming.abort();
  }
}

/** RFC 1870 §6.1. */
export function tooBig(limit: number): Reply {
  return reply(552, '5.3.4', `message exceeds the size limit of ${limit} octets`);
}
