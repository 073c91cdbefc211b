// One client's SMTP session: which command may come when, and what is answered (RFC 5321 §4.1.4).
// Stands between input.ts (lines and content) and the intake; connection.ts carries its replies.
// Never touches a socket, and never answers 5xx for trouble of our own.
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { LimitSettings, ListenerSettings } from '../config/settings.ts';
import type { Client } from '../mail/envelope.ts';
import type { MailEvent, Observer } from '../observe/events.ts';
import { type Command, parseCommand } from './command.ts';
import type { Intake, Reply } from './intake.ts';
import type { SharedClientLimits } from './limits.ts';
import { Reception } from './reception.ts';
import { no, ok, reply, replyText } from './replies.ts';
import { type AddressRules, Transaction } from './transaction.ts';

/** What all sessions of a listener share. */
export interface SessionRules extends AddressRules {
  readonly listener: ListenerSettings;
  readonly hostname: string;
  readonly limits: LimitSettings;
  readonly intake: Intake;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly shared: SharedClientLimits;
  readonly reached: ReachMilestone;
  /** STARTTLS is offered: the listener has a certificate and says so. */
  readonly startTls: boolean;
}

/** The connection, as a session sees it. */
export interface Transport {
  readonly client: string;
  readonly port: number;
  /** Null in clear text. */
  tls(): { readonly version: string; readonly cipher: string } | null;
  /** Queues a line; `flush` sends what is queued. Both do nothing once the client is gone. */
  write(line: string): void;
  flush(): void;
  /** The handshake; `Session.secured` follows it. */
  startTls(): void;
  /** Sends what is queued and ends the connection. */
  close(): void;
}

/** Whom we are waiting for. */
type Stage =
  | { readonly name: 'command' }
  | { readonly name: 'content'; readonly reception: Reception }
  | { readonly name: 'verdict' }
  | { readonly name: 'handshake' }
  | { readonly name: 'closed' };

type Phase = Extract<MailEvent, { event: 'rejected' }>['phase'];

const MINUTE = 60_000;
/**
 * RFC 5321 §4.5.3.2.7: at least 5 minutes for a command. The time is for the whole line: octets
 * that trickle in do not extend it.
 */
const COMMAND_TIMEOUT = 5 * MINUTE;
/** RFC 5321 §4.5.3.2.5 gives the sender 3 minutes for a block of data. */
const CONTENT_TIMEOUT = 3 * MINUTE;
/**
 * Octets that each such window must bring: 23 a second, a tenth of what an old modem did. A client
 * that sends an octet a minute would otherwise keep its place for years.
 */
const CONTENT_PROGRESS = 4096;
/** RFC 3207 names none; a handshake takes a few round trips. */
const HANDSHAKE_TIMEOUT = MINUTE;
/** Commands that make no sense, between two messages (Postfix: smtpd_hard_error_limit = 20). */
const ERROR_LIMIT = 20;

/** RFC 5321 §4.1.1.4, §4.1.1.5, §4.1.1.10, RFC 3207 §4. */
const WITHOUT_ARGUMENT = new Set(['DATA', 'RSET', 'QUIT', 'STARTTLS']);
/** Known elsewhere, not done here; everything else that is unknown is 500 (RFC 5321 §4.2.4). */
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
 * A browser on a trusted machine can be made to post SMTP commands as a form to us. Its request
 * line gives it away: the connection ends before the body is read.
 */
const HTTP = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE']);

export class Session {
  readonly #rules: SessionRules;
  readonly #transport: Transport;
  readonly #trusted: boolean;
  #stage: Stage = { name: 'command' };
  #client: Client | null = null;
  #extended = false;
  #transaction: Transaction | null = null;
  #messages = 0;
  #errors = 0;
  #leaving = false;
  /** When we give up waiting for the client, ms since the epoch. */
  #deadline: number;
  /** Octets of content since the deadline was last moved. */
  #progress = 0;

  constructor(rules: SessionRules, transport: Transport, trusted: boolean) {
    this.#rules = rules;
    this.#transport = transport;
    this.#trusted = trusted;
    this.#deadline = rules.clock.now() + COMMAND_TIMEOUT;
  }

  /** No waiting for clients that talk too soon: those who are not trusted may not relay anyway. */
  greet(): void {
    this.#transport.write(`220 ${this.#rules.hostname} ESMTP Sendoff`);
    this.#transport.flush();
  }

  /** What the next octet belongs to; `nothing`: it is to be dropped. */
  get expects(): 'command' | 'content' | 'nothing' {
    const { name } = this.#stage;
    return name === 'command' || name === 'content' ? name : 'nothing';
  }

  /** One command line, without its CRLF. */
  command(line: Buffer): void {
    this.#deadline = this.#rules.clock.now() + COMMAND_TIMEOUT;
    const command = parseCommand(line);
    if (command === null) this.#refuse('command', no.control);
    else this.#answer(command, this.#obey(command));
    if (this.#errors >= ERROR_LIMIT) this.hangUp(reply(421, '4.7.0', 'too many errors'), 'command');
  }

  /** A line that is none: too long, or ended by a bare LF. */
  malformed(refusal: Reply): void {
    this.#refuse('command', refusal);
    // A peer that ends lines otherwise than we do is out of step: what follows may be somebody's text.
    if (refusal === no.bareLf) this.#end();
  }

  /** Content from `from` on; `wait` (never rejects) must pass before the next octet is handed over. */
  content(chunk: Buffer, from: number): { readonly next: number; readonly wait: Promise<void> | undefined } {
    if (this.#stage.name !== 'content') return { next: chunk.length, wait: undefined };
    const { reception } = this.#stage;
    const { next, wait } = reception.feed(chunk, from);
    if (reception.ended) return { next, wait: this.#conclude(reception, wait) };
    this.#progress += next - from;
    if (wait) return { next, wait: this.#pause(wait) };
    if (this.#progress >= CONTENT_PROGRESS) this.#startWindow();
    return { next, wait };
  }

  /** The handshake is over: nothing that was said before it counts (RFC 3207 §4.2). */
  secured(): void {
    if (this.#stage.name !== 'handshake') return;
    this.#client = null;
    this.#transaction = null;
    this.#expectCommand();
  }

  /** Ends the session when the client used up its time. */
  checkTime(now: number): void {
    if (now < this.#deadline) return;
    this.hangUp(reply(421, '4.4.2', `${this.#rules.hostname} timeout`), this.#phase());
  }

  /** No new message: goodbye now, or after the message that is under way. */
  leave(): void {
    this.#leaving = true;
    if (this.#stage.name === 'command' || this.#stage.name === 'handshake') this.#sayShutdown();
  }

  /** The last word before the connection ends. What was not received in full is forgotten. */
  hangUp(last: Reply, phase: Phase): void {
    if (this.#stage.name === 'closed') return;
    this.#refuse(phase, last);
    this.#end();
  }

  /** The connection is gone. A message whose dot was read is finished all the same. */
  gone(): void {
    if (this.#stage.name === 'content') this.#stage.reception.abort();
    this.#stage = { name: 'closed' };
    this.#deadline = Number.POSITIVE_INFINITY;
  }

  /** Shutdown has waited long enough. */
  timeUp(): void {
    if (this.#stage.name === 'content') this.#sayShutdown();
    else if (this.#stage.name !== 'closed') this.#end();
  }

  #obey({ verb, argument }: Command): Reply {
    if (argument !== '' && WITHOUT_ARGUMENT.has(verb)) return no.argument;
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        return this.#helo(verb, argument);
      case 'MAIL':
        return this.#mail(argument);
      case 'RCPT':
        return this.#transaction?.addRecipient(argument) ?? this.#outOfOrder() ?? ok.recipient;
      case 'DATA':
        return this.#data();
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
        if (HTTP.has(verb)) return no.http;
        return NOT_IMPLEMENTED.has(verb) ? no.notImplemented : no.unknown;
    }
  }

  /** Says it, and does what the reply promises. */
  #answer({ verb, argument }: Command, answer: Reply): void {
    if (answer.code < 400) this.#say(answer);
    else if (verb === 'MAIL') this.#refuse('mail', answer, pathText(argument));
    else if (verb === 'RCPT') this.#refuse('rcpt', answer, this.#transaction?.from, pathText(argument));
    else this.#refuse(verb === 'DATA' ? 'data' : 'command', answer, this.#transaction?.from);
    if (answer.code === 221 || answer.code === 421) this.#end();
    if (answer === ok.startTls) this.#handshake();
  }

  #helo(verb: 'EHLO' | 'HELO', argument: string): Reply {
    // Not verified (RFC 5321 §4.1.4); it only has to be one word of a domain's length.
    if (!/^\S{1,255}$/.test(argument)) return no.heloArgument;
    this.#client = { address: this.#transport.client, helo: argument, listenerPort: this.#transport.port };
    this.#extended = verb === 'EHLO';
    this.#transaction = null;
    if (!this.#extended) return reply(250, '', this.#rules.hostname);
    const keywords = ['PIPELINING', `SIZE ${this.#rules.limits.messageSize}`, '8BITMIME'];
    if (this.#rules.startTls && this.#transport.tls() === null) keywords.push('STARTTLS');
    for (const line of [this.#rules.hostname, ...keywords]) this.#transport.write(`250-${line}`);
    return reply(250, '', 'ENHANCEDSTATUSCODES');
  }

  #mail(argument: string): Reply {
    if (this.#client === null) return no.heloFirst;
    if (this.#transaction) return no.nestedMail;
    const { shared, limits } = this.#rules;
    if (shared.holdsFor(this.#trusted) && this.#messages >= limits.messagesPerConnection)
      return no.moreMessages;
    const transaction = Transaction.begin(argument, this.#client, this.#trusted, this.#rules);
    if (!(transaction instanceof Transaction)) return transaction;
    const tooFast = shared.takeMessage(this.#client.address, this.#trusted);
    if (tooFast) return tooFast;
    this.#transaction = transaction;
    return ok.sender;
  }

  #data(): Reply {
    const transaction = this.#transaction;
    if (transaction === null) return this.#outOfOrder() ?? no.mailFirst;
    if (transaction.recipients.length === 0) return no.recipients;
    const tls = this.#transport.tls();
    // RFC 3848 has no keyword for HELO over TLS.
    const protocol = this.#extended ? (tls ? 'ESMTPS' : 'ESMTP') : 'SMTP';
    const incoming = transaction.deliverTo(this.#rules.intake, protocol, tls);
    if ('code' in incoming) return incoming;
    const { content } = this.#rules.listener;
    const { messageSize } = this.#rules.limits;
    this.#stage = { name: 'content', reception: new Reception(incoming, { content, messageSize }) };
    this.#startWindow();
    return ok.data;
  }

  #startTls(): Reply {
    if (this.#transport.tls() !== null) return no.tlsActive;
    return this.#rules.startTls ? ok.startTls : no.notImplemented;
  }

  #handshake(): void {
    this.#transport.flush();
    this.#stage = { name: 'handshake' };
    this.#deadline = this.#rules.clock.now() + HANDSHAKE_TIMEOUT;
    this.#transport.startTls();
  }

  /** Why RCPT or DATA is too early, or null. */
  #outOfOrder(): Reply | null {
    if (this.#client === null) return no.heloFirst;
    return this.#transaction === null ? no.mailFirst : null;
  }

  /**
   * The final dot was read: the client waits for us now, however long it takes. A client that is
   * gone by then changes nothing: what is committed is delivered (RFC 5321 §4.2.5).
   */
  async #conclude(reception: Reception, wait: Promise<void> | undefined): Promise<void> {
    this.#stage = { name: 'verdict' };
    this.#deadline = Number.POSITIVE_INFINITY;
    await wait;
    const verdict = await reception.verdict();
    if (this.#closed()) return;
    this.#messages++;
    this.#errors = 0;
    if ('refused' in verdict) this.#refuse('data', verdict.refused, this.#transaction?.from);
    else {
      this.#say(reply(250, '2.0.0', `queued as ${verdict.accepted}`));
      this.#transport.flush();
      this.#rules.reached('replied');
    }
    this.#transaction = null;
    this.#expectCommand();
    if (this.#leaving) this.#sayShutdown();
  }

  /** While the intake has enough, the client is not to blame for the silence. */
  async #pause(wait: Promise<void>): Promise<void> {
    this.#deadline = Number.POSITIVE_INFINITY;
    await wait;
    if (this.#stage.name === 'content') this.#startWindow();
  }

  #say(answer: Reply): void {
    this.#transport.write(replyText(answer));
  }

  #refuse(phase: Phase, refusal: Reply, from: string | null = null, to: string | null = null): void {
    // Syntax and order, not the fate of an address or a message.
    if (refusal.code >= 500 && refusal.code <= 504) this.#errors++;
    const text = replyText(refusal);
    this.#transport.write(text);
    const { client } = this.#transport;
    this.#rules.observer.event({ event: 'rejected', client, from, to, phase, reply: text });
  }

  #sayShutdown(): void {
    if (this.#stage.name !== 'handshake') {
      this.#say(reply(421, '4.3.2', `${this.#rules.hostname} is shutting down`));
    }
    this.#end();
  }

  #end(): void {
    this.gone();
    this.#transport.close();
  }

  #expectCommand(): void {
    this.#stage = { name: 'command' };
    this.#deadline = this.#rules.clock.now() + COMMAND_TIMEOUT;
  }

  #startWindow(): void {
    this.#progress = 0;
    this.#deadline = this.#rules.clock.now() + CONTENT_TIMEOUT;
  }

  #closed(): boolean {
    return this.#stage.name === 'closed';
  }

  #phase(): Phase {
    return this.#stage.name === 'content' ? 'data' : 'command';
  }
}

/** The address as the client wrote it, for the log. */
function pathText(argument: string): string {
  return argument.replace(/^\w*\s*:\s*/, '');
}
