// A message of the daemon's own to its postmaster: an alarm that a person should see.
// queue/notice.ts hands it to the spool.
// Never holds more than the alarm's own words: no content of anybody's mail.
import { field } from './dsn-fields.ts';
import type { Address } from './envelope.ts';
import { mailDate } from './received.ts';

export interface Notice {
  readonly id: string;
  readonly to: Address;
  readonly hostname: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly alarm: string;
  readonly text: string;
}

/** Header and body in ASCII, CRLF line ends. */
export function buildNotice({ id, to, hostname, now, alarm, text }: Notice): Buffer {
  const header = [
    field('From', `Sendoff on ${hostname} <MAILER-DAEMON@${hostname}>`),
    field('To', `<${to}>`),
    field('Subject', `Alarm on ${hostname}: ${alarm}`),
    field('Date', mailDate(now)),
    field('Message-ID', `<notice.${id}@${hostname}>`),
    // RFC 3834 §5: a machine wrote it, nobody asked for it.
    field('Auto-Submitted', 'auto-generated'),
    field('MIME-Version', '1.0'),
    field('Content-Type', 'text/plain; charset=us-ascii'),
  ];
  const words = [
    `Sendoff on ${hostname} raised an alarm:`,
    '',
    ...wrapped(text),
    '',
    'The same alarm is mailed once an hour while it lasts. The log has the details.',
  ];
  return Buffer.from(`${header.join('')}\r\n${words.join('\r\n')}\r\n`, 'latin1');
}

/** Lines of at most 76 characters, without anything but printable ASCII. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.replace(/[^ -~]+/g, ' ').split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= 76)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word.slice(0, 900));
  }
  return lines;
}
