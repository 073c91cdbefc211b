// The words of a DSN for the person who gets it: what happened, what the server said, what to do.
// dsn.ts puts them first in the report.
// Never blames, never asks the reader to know the protocol; the exact answer is quoted all the same.
import type { Failure, FailureClass } from '../delivery/failure.ts';
import type { DsnInput, DsnRecipient } from './dsn-input.ts';
import { mailDate } from './received.ts';

/** Columns of the text: what mail programs show without wrapping. */
const WIDTH = 76;

/** Characters of a server's answer that are quoted to people. */
const ANSWER_LIMIT = 2_000;

interface Meaning {
  /** What happened. */
  readonly what: string;
  /** What the sender can do about it. */
  readonly advice: string;
}

const TELL_ADMIN = 'Please tell the people who run your mail system; they find the details below.';

const meanings: Readonly<Record<FailureClass, Meaning>> = {
  unreachable: {
    what: 'The mail server of the recipient could not be reached.',
    advice: 'Please try again later, or reach the recipient in another way.',
  },
  dns: {
    what: 'It could not be found out where mail for this domain goes.',
    advice: 'Please check the part of the address after the @.',
  },
  tls: { what: 'A connection as secure as it must be could not be made.', advice: TELL_ADMIN },
  auth: { what: 'The server that sends our mail on refused our login.', advice: TELL_ADMIN },
  blocked: {
    what: 'The receiving server takes no mail from this mail system at present.',
    advice: `This has to do with the system, not with you. ${TELL_ADMIN}`,
  },
  throttled: {
    what: 'The receiving server wants mail to come more slowly.',
    advice: 'Please send the message again later.',
  },
  greylisted: {
    what: 'The receiving server asked this mail system to come back later.',
    advice: 'Please send the message again later.',
  },
  'unknown-user': {
    what: 'The receiving server does not know this address.',
    advice: 'Please check the address for a typing error, or ask the recipient for the right one.',
  },
  'mailbox-full': {
    what: 'The mailbox of the recipient is full.',
    advice: 'Please let the recipient know in another way, and send the message again later.',
  },
  content: {
    what: 'The receiving server does not accept the message as it is: its size, form or content.',
    advice: 'The answer of the server may say what to change before you send it again.',
  },
  policy: {
    what: 'The rules of the receiving side, or of this mail system, do not allow this message.',
    advice: 'The answer below says more. The recipient or the administrators may be able to help.',
  },
  protocol: { what: 'The two mail systems did not understand each other.', advice: TELL_ADMIN },
  unknown: {
    what: 'The receiving server did not take the message.',
    advice: 'The answer below says more. The recipient or the administrators may be able to help.',
  },
};

const stoppedHere: Meaning = {
  what: 'This mail system did not send the message on.',
  advice: 'The reason may say what to change. The people who run this mail system can help.',
};

const noSuchDomain: Meaning = {
  what: 'The domain does not exist, or it takes no mail.',
  advice: meanings.dns.advice,
};

function meaningOf(failure: Failure): Meaning {
  if (failure.phase === 'local') return stoppedHere;
  return failure.class === 'dns' && failure.permanent ? noSuchDomain : meanings[failure.class];
}

export function dsnSubject({ kind, recipients, from, to }: DsnInput): string {
  const [first] = recipients;
  const others = recipients.length - 1;
  const whom =
    others === 0 ? first?.address : `${first?.address} and ${others} other${others === 1 ? '' : 's'}`;
  const mail = to === from ? 'your mail' : `mail from ${from}`;
  const what = from === '' ? 'report' : mail;
  return kind === 'failed' ? `Not delivered: ${what} to ${whom}` : `Delayed: ${what} to ${whom}`;
}

/** The text, lines joined by `\n`. May hold more than ASCII. `whole`: the message itself is attached. */
export function dsnWords(input: DsnInput, whole: boolean): string {
  return [
    paragraph(`This is the mail system at ${input.hostname}.`),
    paragraph(opening(input)),
    ...input.recipients.map((recipient) => recipientWords(input, recipient)),
    paragraph(closing(input, whole)),
  ].join('\n\n');
}

function opening({ kind, from, to, arrived, recipients }: DsnInput): string {
  const whom = recipients.length === 1 ? 'the recipient below' : `the ${recipients.length} recipients below`;
  const which = `of ${mailDate(arrived)}`;
  if (from === '') {
    return `A delivery report ${which} could not be delivered to ${whom}. It has no sender who could be told, so it comes to you, ${to}.`;
  }
  if (to !== from) {
    const fate =
      kind === 'failed'
        ? `could not be delivered to ${whom}, and it will not be tried again`
        : `has not reached ${whom} yet; it is safe, and it will be tried again`;
    return `The message ${which} from ${from} ${fate}. The policy of this mail system sends its reports to you, ${to}, in the place of its sender.`;
  }
  if (kind === 'failed') {
    return `I am sorry: your message ${which} could not be delivered to ${whom}, and it will not be tried again. Recipients who are not listed here are not concerned.`;
  }
  return `Your message ${which} has not reached ${whom} yet. THERE IS NOTHING THAT YOU NEED TO DO: it is safe, it will be tried again, and you need not send it again. If it cannot be delivered in the end, you will be told.`;
}

function recipientWords({ kind, arrived, now }: DsnInput, recipient: DsnRecipient): string {
  const { failure, attempts, willRetryUntil } = recipient;
  const { what, advice } = meaningOf(failure);
  const lines = [`<${recipient.address}>`, paragraph(what, '  '), answer(failure)];
  if (kind === 'delayed') {
    if (willRetryUntil !== undefined)
      lines.push(paragraph(`Will be tried until ${mailDate(willRetryUntil)}.`, '  '));
    return lines.join('\n');
  }
  if (!failure.permanent) {
    const tries = attempts > 0 ? ` and ${counted(attempts, 'attempt')}` : '';
    lines.push(paragraph(`Given up after ${duration(now - arrived)}${tries}.`, '  '));
  }
  return [...lines, paragraph(advice, '  ')].join('\n');
}

/** The server's answer line by line as it came, or our own account of what happened. */
function answer({ reply, text, host, ip }: Failure): string {
  if (reply === undefined) return paragraph(`Reason: ${text}`, '  ');
  const who = host === undefined ? 'The server' : `${host}${ip === undefined ? '' : ` [${ip}]`}`;
  const quoted = reply
    .slice(0, ANSWER_LIMIT)
    .split(/\r?\n/)
    .map((line) => paragraph(line, '    '));
  return [paragraph(`${who} answered:`, '  '), ...quoted].join('\n');
}

function closing({ originalId, from, to }: DsnInput, whole: boolean): string {
  const mail = to === from ? 'your message' : 'the message';
  const message = from === '' ? 'the report' : mail;
  const what = whole ? message : `the header of ${message}`;
  return `Attached are the details for programs to read, and ${what}. This mail system knew it as ${originalId}: please give this name when you ask for help.`;
}

/** `5 days`, `4 hours`, `10 minutes`, rounded down. */
function duration(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  if (minutes >= 48 * 60) return counted(Math.floor(minutes / (24 * 60)), 'day');
  if (minutes >= 120) return counted(Math.floor(minutes / 60), 'hour');
  return counted(minutes, 'minute');
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** One paragraph: control characters out, wrapped at spaces, each line behind `indent`. */
function paragraph(text: string, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.replace(/\p{Cc}+/gu, ' ').split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((each) => indent + each).join('\n');
}
