// message/delivery-status: what became of each recipient, for programs to read (RFC 3464 §2).
// dsn.ts places it between the words for people and the message given back.
// Never lets a peer's words end a field: everything is printable ASCII, folded by us.
import type { DsnInput, DsnRecipient } from './dsn-input.ts';
import { mailDate } from './received.ts';

/** A soft limit: where a space allows, no line is longer (RFC 5322 §2.1.1). */
const FOLD_AT = 78;

/** A word without a space is broken here: far below the hard limit of 998. */
const LONGEST_WORD = 500;

/** Of a peer's reply; more of it helps nobody, and a hostile one could be megabytes. */
const DIAGNOSTIC_LIMIT = 2_000;

/** The groups of the part, CRLF line ends: one for the message, then one for each recipient. */
export function deliveryStatus(input: DsnInput): string {
  const perMessage = [
    field('Reporting-MTA', `dns; ${input.hostname}`),
    field('X-Sendoff-Queue-ID', input.originalId),
    field('Arrival-Date', mailDate(input.arrived)),
  ];
  return [perMessage, ...input.recipients.map((recipient) => recipientFields(input.kind, recipient))]
    .map((fields) => fields.join(''))
    .join('\r\n');
}

/** RFC 3464 §2.3. Remote-MTA and Diagnostic-Code of type smtp only for what a peer has said. */
function recipientFields(kind: DsnInput['kind'], recipient: DsnRecipient): string[] {
  const { failure } = recipient;
  const fields = [
    field('Final-Recipient', `rfc822; ${recipient.address}`),
    field('Action', kind),
    field('Status', statusOf(kind, recipient)),
  ];
  if (failure.reply !== undefined && failure.host !== undefined) {
    fields.push(field('Remote-MTA', `dns; ${failure.host}`));
  }
  fields.push(field('Diagnostic-Code', diagnostic(recipient)));
  if (recipient.lastAttempt !== undefined) {
    fields.push(field('Last-Attempt-Date', mailDate(recipient.lastAttempt)));
  }
  if (kind === 'delayed' && recipient.willRetryUntil !== undefined) {
    fields.push(field('Will-Retry-Until', mailDate(recipient.willRetryUntil)));
  }
  return fields;
}

/**
 * RFC 3463 §2: 5 for what was refused for good; 4 for a delay, and for mail given up after temporary
 * failures only ("persistent transient failure": sending it again later may work).
 */
export function statusOf(kind: DsnInput['kind'], { failure }: DsnRecipient): string {
  const detail = /^\d(\.\d{1,3}\.\d{1,3})$/.exec(failure.status)?.[1] ?? '.0.0';
  return `${kind === 'failed' && failure.permanent ? 5 : 4}${detail}`;
}

function diagnostic({ failure }: DsnRecipient): string {
  const text = failure.reply === undefined ? `x-sendoff; ${failure.text}` : `smtp; ${failure.reply}`;
  return text.slice(0, DIAGNOSTIC_LIMIT);
}

/** One header field with its CRLF: one line of printable ASCII, folded at spaces. */
export function field(name: string, value: string): string {
  const lines: string[] = [];
  let line = `${name}:`;
  for (const word of words(value)) {
    if (line.length + 1 + word.length > FOLD_AT && line !== `${name}:`) {
      lines.push(line);
      line = '';
    }
    line += ` ${word}`;
  }
  return `${[...lines, line].join('\r\n')}\r\n`;
}

function words(value: string): string[] {
  const pieces = new RegExp(`.{1,${LONGEST_WORD}}`, 'g');
  return printable(value)
    .split(' ')
    .flatMap((word) => word.match(pieces) ?? []);
}

/** Line ends and tabs become spaces; what is not printable ASCII becomes `?`. */
function printable(text: string): string {
  return text.replace(/[\r\n\t]+/g, ' ').replace(/[^ -~]/gu, '?');
}
