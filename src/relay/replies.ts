// The replies that the listener gives on its own account, and how a reply is written.
// Used by everything in this folder that answers; the intake brings its own.
// Never lets a control character or an overlong line out.
import type { Reply } from './intake.ts';

export function reply(code: number, enhanced: string, text: string): Reply {
  return { code, enhanced, text };
}

/** RFC 5321 §4.5.3.1.5: 512 octets with the CRLF. */
const LONGEST_REPLY = 510;
const NOT_PRINTABLE = /[^ -~]/g;

/**
 * What goes over the wire and into the log, without CRLF: `550 5.7.1 text`. A text of several lines
 * (`\n`) is a reply of several lines (RFC 5321 §4.2.1), each with the status (RFC 2034 §4).
 */
export function replyLines({ code, enhanced, text }: Reply): string[] {
  const status = enhanced === '' ? '' : `${enhanced} `;
  const lines = text.split('\n');
  const last = lines.length - 1;
  return lines.map((line, i) =>
    `${code}${i < last ? '-' : ' '}${status}${line}`.replace(NOT_PRINTABLE, '?').slice(0, LONGEST_REPLY),
  );
}

export const ok = {
  reset: reply(250, '2.0.0', 'OK'),
  noop: reply(250, '2.0.0', 'OK'),
  sender: reply(250, '2.1.0', 'sender OK'),
  recipient: reply(250, '2.1.5', 'recipient OK'),
  /** RFC 2034 §4: no enhanced status with 3xx. */
  data: reply(354, '', 'end data with <CR><LF>.<CR><LF>'),
  bye: reply(221, '2.0.0', 'bye'),
  startTls: reply(220, '2.0.0', 'ready to start TLS'),
  vrfy: reply(252, '2.0.0', 'send some mail, I will try'),
  help: reply(214, '2.0.0', 'EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP'),
};

export const no = {
  heloFirst: reply(503, '5.5.1', 'send EHLO or HELO first'),
  nestedMail: reply(503, '5.5.1', 'nested MAIL command'),
  mailFirst: reply(503, '5.5.1', 'send MAIL first'),
  recipients: reply(554, '5.5.1', 'no valid recipients'),
  unknown: reply(500, '5.5.2', 'command not recognized'),
  notImplemented: reply(502, '5.5.1', 'command not implemented'),
  bareLf: reply(500, '5.5.2', 'a command line ends in CRLF, not in LF alone'),
  tooLong: reply(500, '5.5.2', 'command line too long'),
  control: reply(500, '5.5.2', 'control character in command line'),
  argument: reply(501, '5.5.4', 'this command takes no argument'),
  heloArgument: reply(501, '5.5.4', 'one domain or address literal expected'),
  vrfyArgument: reply(501, '5.5.4', 'address expected'),
  internal: reply(451, '4.3.0', 'internal trouble, try again later'),
  /** RFC 5321 §3.8: 421 announces that we end the connection. */
  moreMessages: reply(421, '4.7.0', 'enough messages for one connection, come again'),
  http: reply(421, '4.7.0', 'this is SMTP, not HTTP'),
  tlsActive: reply(503, '5.5.1', 'TLS is active already'),
};
