// A short message that tells what it is: content for `sendoff send`.
// The send operation takes it when no content is given; it then goes the way of all mail.
// Never adds Received: what accepts the message does.
import { field } from './dsn-fields.ts';
import type { Address } from './envelope.ts';
import { mailDate } from './received.ts';

export interface TestMessage {
  readonly from: Address;
  readonly to: readonly Address[];
  /** Our name. */
  readonly hostname: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Left part of the Message-ID, unique: a queue id will do. */
  readonly id: string;
  readonly route?: string;
}

/** Header and body in ASCII, CRLF line ends. */
export function buildTestMessage(mail: TestMessage): Buffer {
  const date = mailDate(mail.now);
  const way = mail.route === undefined ? 'the route that policy chose' : `the route ${mail.route}`;
  const header = [
    field('From', `<${mail.from === '' ? `MAILER-DAEMON@${mail.hostname}` : mail.from}>`),
    field('To', mail.to.map((address) => `<${address}>`).join(', ')),
    field('Subject', `Test message from ${mail.hostname}`),
    field('Date', date),
    field('Message-ID', `<test.${mail.id}@${mail.hostname}>`),
    // RFC 3834 §5: a machine wrote it, nobody asked for it.
    field('Auto-Submitted', 'auto-generated'),
    field('MIME-Version', '1.0'),
    field('Content-Type', 'text/plain; charset=us-ascii'),
  ];
  const text = [
    'This is a test of mail delivery.',
    '',
    `Sendoff on ${mail.hostname} wrote it`,
    `on ${date}`,
    `and sent it by ${way}.`,
    '',
    'If you did not expect it: somebody tries out a mail system. Please ignore it.',
  ];
  return Buffer.from(`${header.join('')}\r\n${text.join('\r\n')}\r\n`, 'latin1');
}
