// The trace field of a hop and the date format of mail (RFC 5321 §4.4, RFC 5322 §3.3).
// queue/intake.ts asks for it when a message begins; completion.ts puts it on top.
// Never names more than one recipient: a copy would tell about the others (RFC 5321 §7.2).
import { isIPv6 } from 'node:net';
import type { Address, QueueId } from './envelope.ts';

export interface ReceivedOptions {
  /** Our own name. */
  readonly hostname: string;
  readonly id: QueueId;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The EHLO argument, as the client gave it. */
  readonly helo: string;
  /** IP address of the client, without brackets. */
  readonly address: string;
  /** `SMTP`, `ESMTP`, `ESMTPS` … (RFC 3848). */
  readonly protocol: string;
  readonly tls: { readonly version: string; readonly cipher: string } | null;
  readonly recipients: readonly Address[];
}

/** The whole field, folded, with its final CRLF. */
export function receivedField(options: ReceivedOptions): Buffer {
  const { hostname, id, helo, address, protocol, tls, recipients } = options;
  const tlsComment = tls ? `\r\n\t(using ${tls.version} with cipher ${tls.cipher})` : '';
  const recipient = recipients.length === 1 ? `\r\n\tfor <${recipients[0]}>` : '';
  return Buffer.from(
    `Received: from ${heloWord(helo)} (${addressLiteral(address)})${tlsComment}` +
      `\r\n\tby ${hostname} (Sendoff) with ${protocol} id ${id}${recipient};` +
      `\r\n\t${mailDate(options.at)}\r\n`,
    'latin1',
  );
}

/** An address literal as RFC 5321 §4.1.3 writes it. */
export function addressLiteral(address: string): string {
  return isIPv6(address) ? `[IPv6:${address}]` : `[${address}]`;
}

let lastSecond = -1;
let lastDate = '';

/** RFC 5322 §3.3 in UTC: `Sun, 22 Nov 2026 01:39:53 +0000`. `at` in ms since the epoch. */
export function mailDate(at: number): string {
  const second = Math.floor(at / 1000);
  // Thousands of messages share a second, and formatting is the dearest part of the field.
  if (second !== lastSecond) {
    lastSecond = second;
    lastDate = new Date(second * 1000).toUTCString().replace('GMT', '+0000');
  }
  return lastDate;
}

/** A client may say anything in EHLO; in a header field it must stay one harmless word. */
function heloWord(helo: string): string {
  return helo.replace(/[^A-Za-z0-9.:_[\]-]/g, '?') || 'unknown';
}
