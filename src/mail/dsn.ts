// Delivery status notifications: a report of failed or delayed recipients as a message of its own.
// queue/ hands in what it knows when it settles or warns; the spool takes the result as a new message.
// Never decides whether a report is due, never writes an envelope (the sender is null: RFC 5321 §6.1).
import { deliveryStatus, field } from './dsn-fields.ts';
import type { DsnInput } from './dsn-input.ts';
import { headerSection, returnedPart } from './dsn-original.ts';
import { dsnSubject, dsnWords } from './dsn-words.ts';

import { quotedPrintable } from './quoted-printable.ts';
import { mailDate } from './received.ts';

export interface Dsn {
  /** Header and body, CRLF line ends, not dot-stuffed. */
  readonly content: Buffer;
  /** Always: what is not 7-bit is encoded or left out, so that every peer takes the report. */
  readonly eightBit: false;
}

/** RFC 3464 in a multipart/report (RFC 6522): words for people, fields for programs, the original. */
export function buildDsn(input: DsnInput): Dsn {
  // `=_` cannot stand in quoted-printable, and no older message holds an id that was not yet made.
  const boundary = `=_${input.id}`;
  const returned = returnedPart(input.kind, input.original);
  const lines = [
    header(input, boundary),
    `--${boundary}\r\n`,
    wordsPart(dsnWords(input, returned.type === 'message/rfc822')),
    `--${boundary}\r\n`,
    'Content-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n',
    deliveryStatus(input),
    `\r\n--${boundary}\r\n`,
    'Content-Description: Your message\r\n',
    `Content-Type: ${returned.type}\r\nContent-Transfer-Encoding: ${returned.encoding}\r\n\r\n`,
  ];
  const content = Buffer.concat([
    Buffer.from(lines.join(''), 'latin1'),
    returned.content,
    Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'),
  ]);
  return { content, eightBit: false };
}

function header(input: DsnInput, boundary: string): string {
  const about = messageId(headerSection(input.original));
  return [
    field('From', `Mail Delivery System <MAILER-DAEMON@${input.hostname}>`),
    field('To', `<${input.to}>`),
    field('Subject', dsnSubject(input)),
    field('Date', mailDate(input.now)),
    field('Message-ID', `<${input.id}@${input.hostname}>`),
    // RFC 3834 §3.1.5: mail programs show the report beside the message that it is about.
    about === null ? '' : field('In-Reply-To', about) + field('References', about),
    // RFC 3834 §5: whoever answers mail by itself leaves this one alone.
    field('Auto-Submitted', 'auto-replied'),
    field('MIME-Version', '1.0'),
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"\r\n`,
    '\r\n',
  ].join('');
}

function messageId(headers: Buffer): string | null {
  return /^message-id:\s*(<[!-;=?-~]{1,250}>)\s*$/im.exec(headers.toString('latin1'))?.[1] ?? null;
}

/** A server's answer may hold any characters: the text is plain ASCII when it can be. */
function wordsPart(text: string): string {
  const lines = `${text.replaceAll('\n', '\r\n')}\r\n`;
  const plain = /^[\r\n -~]*$/.test(lines) && lines.split('\r\n').every((line) => line.length <= 998);
  const [charset, encoding] = plain ? ['us-ascii', '7bit'] : ['utf-8', 'quoted-printable'];
  return [
    'Content-Description: Notification\r\n',
    `Content-Type: text/plain; charset=${charset}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`,
    plain ? lines : quotedPrintable(Buffer.from(lines)),
  ].join('');
}
