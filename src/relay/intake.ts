// What the listener asks of the house behind it, for each recipient and each message.
// relay/ calls; queue/intake.ts implements it with policy, mail and spool.
// Never knows sockets or replies to anything but these questions.
import type { Address, Client } from '../mail/envelope.ts';

/** A reply to the client. `text` without codes. */
export interface Reply {
  readonly code: number;
  readonly enhanced: string;
  readonly text: string;
  /** The rule of the policy that refuses: for the log, clients are not told. */
  readonly rule?: string;
}

export interface Submission {
  readonly client: Client;
  readonly from: Address;
  readonly recipients: readonly Address[];
  /** `ESMTP`, `ESMTPS`, … for the Received field (RFC 3848). */
  readonly protocol: string;
  readonly tls: { readonly version: string; readonly cipher: string } | null;
}

/** One message on its way in, in canonical form: CRLF line ends, no NUL, dots unstuffed. */
export interface IncomingMessage {
  /** Queue id, known from the start: it stands in Received. */
  readonly id: string;
  /** Takes ownership of the chunk; a promise means: wait before the next one. `finish` tells what failed. */
  write(chunk: Buffer): Promise<void> | undefined;
  /** Resolves when the mail is on disk (`accepted`), or with the reply that refuses it. Never rejects. */
  finish(): Promise<{ readonly accepted: string } | { readonly refused: Reply }>;
  abort(): void;
}

export interface Intake {
  /** Null: welcome. Called at RCPT with the address in its normal form; `taken`: recipients of the transaction so far. */
  checkRecipient(client: Client, from: Address, to: Address, taken: number): Reply | null;
  /** A Reply when no message can be taken now (disk full, shutting down). */
  begin(submission: Submission): IncomingMessage | Reply;
}
