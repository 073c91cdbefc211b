// The commands of SMTP: which may come when, and what is answered (RFC 5321 §4.1.4).
// Stands between session.ts, which says the answers and keeps the time, and transaction.ts.
// Never touches a socket or a clock, and never answers 5xx for trouble of our own.
import type { Address, Client } from '../mail/envelope.ts';
import type { Command } from './command.ts';
import type { IncomingMessage, Reply } from './intake.ts';
import { no, ok, reply } from './replies.ts';
import type { Peer, SessionRules } from './rules.ts';
import { Transaction } from './transaction.ts';

/** What is said, and what it promises. */
export type Answer =
  | { readonly reply: Reply; readonly next: 'command' | 'close' | 'handshake' }
  | { readonly reply: Reply; readonly next: 'content'; readonly incoming: IncomingMessage };

/** RFC 5321 §4.1.1.4, §4.1.1.5, §4.1.1.10; RFC 3207 §4. */
const WITHOUT_ARGUMENT = new Set(['DATA', 'RSET', 'QUIT', 'STARTTLS']);

/** Known elsewhere, not done here: 502. Everything else that is unknown is 500 (RFC 5321 §4.2.4). */
const NOT_IMPLEMENTED = new Set([
  'AUTH',
  'BDAT',
  'ETRN',
  'EXPN',
  'SAML',
  'SEND',
  'SOML',
  'TURN',
  'XCLIENT',
  'XFORWARD',
]);

/**
 * A browser on a trusted machine can be made to post SMTP commands to us in a form. Its request
 * line gives it away: the connection ends before the body is read.
 */
const HTTP = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE']);

export class Dialogue {
  readonly #rules: SessionRules;
  readonly #peer: Peer;
  #client: Client | null = null;
  #extended = false;
  #transaction: Transaction | null = null;
  #messages = 0;

  constructor(rules: SessionRules, peer: Peer) {
    this.#rules = rules;
    this.#peer = peer;
  }

  /** The reverse path of the transaction under way, for the log. */
  get from(): Address | null {
    return this.#transaction?.from ?? null;
  }

  answer(command: Command): Answer {
    if (command.argument !== '' && WITHOUT_ARGUMENT.has(command.verb)) {
      return { reply: no.argument, next: 'command' };
    }
    if (command.verb === 'DATA') return this.#data();
    const said = this.#obey(command);
    if (said === ok.startTls) return { reply: said, next: 'handshake' };
    // RFC 5321 §3.8: 421 and 221 announce that the connection ends.
    return { reply: said, next: said.code === 421 || said.code === 221 ? 'close' : 'command' };
  }

  /** A message was received in full, whatever became of it: the transaction is over. */
  messageEnded(): void {
    this.#messages++;
    this.#transaction = null;
  }

  /** RFC 3207 §4.2: after the handshake nothing counts that was said before it. */
  forget(): void {
    this.#client = null;
    this.#transaction = null;
  }

  #obey({ verb, argument }: Command): Reply {
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        return this.#helo(verb, argument);
      case 'MAIL':
        return this.#mail(argument);
      case 'RCPT':
        return this.#transaction ? this.#transaction.addRecipient(argument) : this.#tooEarly();
      case 'RSET':
        this.#transaction = null;
        return ok.reset;
      case 'NOOP':
        return ok.noop;
      case 'VRFY':
        return argument === '' ? no.vrfyArgument : ok.vrfy;
      case 'HELP':
        return ok.help;
      case 'QUIT':
        return ok.bye;
      case 'STARTTLS':
        return this.#startTls();
      default:
        return unknownCommand(verb);
    }
  }

  #helo(verb: 'EHLO' | 'HELO', argument: string): Reply {
    // Not verified (RFC 5321 §4.1.4); it only has to be one word of a domain's length.
    if (!/^\S{1,255}$/.test(argument)) return no.heloArgument;
    this.#client = { address: this.#peer.client, helo: argument, listenerPort: this.#peer.port };
    this.#extended = verb === 'EHLO';
    this.#transaction = null;
    const lines = [this.#rules.hostname];
    if (this.#extended) {
      lines.push('PIPELINING', `SIZE ${this.#rules.limits.messageSize}`, '8BITMIME', 'ENHANCEDSTATUSCODES');
      if (this.#rules.startTls && this.#peer.tls() === null) lines.push('STARTTLS');
    }
    // RFC 2034 §4: no enhanced status here.
    return reply(250, '', lines.join('\n'));
  }

  #mail(argument: string): Reply {
    if (this.#client === null) return no.heloFirst;
    if (this.#transaction) return no.nestedMail;
    const { shared, limits } = this.#rules;
    const { client, trusted } = this.#peer;
    if (shared.holdsFor(trusted) && this.#messages >= limits.messagesPerConnection) return no.moreMessages;
    const transaction = Transaction.begin(argument, this.#client, trusted, this.#rules);
    if (!(transaction instanceof Transaction)) return transaction;
    const tooFast = shared.takeMessage(client, trusted);
    if (tooFast) return tooFast;
    this.#transaction = transaction;
    return ok.sender;
  }

  #data(): Answer {
    const transaction = this.#transaction;
    if (transaction === null) return { reply: this.#tooEarly(), next: 'command' };
    if (transaction.recipients.length === 0) return { reply: no.recipients, next: 'command' };
    const tls = this.#peer.tls();
    const incoming = transaction.deliverTo(this.#rules.intake, this.#protocol(tls !== null), tls);
    if ('code' in incoming) return { reply: incoming, next: 'command' };
    return { reply: ok.data, next: 'content', incoming };
  }

  /** RFC 3848; it has no keyword for HELO over TLS. */
  #protocol(secure: boolean): string {
    if (!this.#extended) return 'SMTP';
    return secure ? 'ESMTPS' : 'ESMTP';
  }

  #startTls(): Reply {
    if (this.#peer.tls() !== null) return no.tlsActive;
    return this.#rules.startTls ? ok.startTls : no.notImplemented;
  }

  /** For RCPT and DATA outside a transaction. */
  #tooEarly(): Reply {
    return this.#client === null ? no.heloFirst : no.mailFirst;
  }
}

function unknownCommand(verb: string): Reply {
  if (HTTP.has(verb)) return no.http;
  return NOT_IMPLEMENTED.has(verb) ? no.notImplemented : no.unknown;
}
