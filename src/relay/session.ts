// One client's session: whom we are waiting for, how long, and what is said when.
// Stands between input.ts (lines and content) and dialogue.ts; connection.ts carries its replies.
// Never touches a socket, and never loses a message whose final dot was answered with 250.
import type { MailEvent } from '../observe/events.ts';
import { addressIn, type Command, parseCommand } from './command.ts';
import { Dialogue } from './dialogue.ts';
import type { Reply } from './intake.ts';
import { Reception } from './reception.ts';
import { no, reply, replyLines } from './replies.ts';
import type { Peer, SessionRules } from './rules.ts';

/** The connection, as a session sees it. */
export interface Transport {
  /** Queues a line; `flush` sends what is queued. Both do nothing once the client is gone. */
  write(line: string): void;
  flush(): void;
  /** The handshake; `Session.secured` follows it. */
  startTls(): void;
  /** Sends what is queued and ends the connection. */
  close(): void;
}

/** Whom we are waiting for: the client's next command, its content, the intake, TLS, nobody. */
type Stage =
  | { readonly name: 'command' }
  | { readonly name: 'content'; readonly reception: Reception }
  | { readonly name: 'verdict' }
  | { readonly name: 'handshake' }
  | { readonly name: 'closed' };

/** What was read of a chunk, and what must pass (it never rejects) before the next octet is read. */
export interface Progress {
  readonly next: number;
  readonly wait: Promise<void> | null;
}

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
 * Octets that each such time must bring: 23 a second, a tenth of what an old modem did. A client
 * that sends an octet a minute would otherwise keep its place for years.
 */
const CONTENT_PROGRESS = 4096;
/** RFC 3207 names no time; a handshake takes a few round trips. */
const HANDSHAKE_TIMEOUT = MINUTE;
/** Commands that make no sense, between two messages (Postfix: smtpd_hard_error_limit = 20). */
const ERROR_LIMIT = 20;

export class Session {
  readonly #rules: SessionRules;
  readonly #peer: Peer;
  readonly #transport: Transport;
  readonly #dialogue: Dialogue;
  #stage: Stage = { name: 'command' };
  /** When we give up waiting for the client, ms since the epoch. */
  #deadline: number;
  /** Octets of content since the deadline was last moved. */
  #progress = 0;
  #errors = 0;
  #leaving = false;

  constructor(rules: SessionRules, peer: Peer, transport: Transport) {
    this.#rules = rules;
    this.#peer = peer;
    this.#transport = transport;
    this.#dialogue = new Dialogue(rules, peer);
    this.#deadline = rules.clock.now() + COMMAND_TIMEOUT;
  }

  /** At once: who talks too soon and is not trusted cannot relay anyway. */
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
    else this.#tryFollow(command);
    if (this.#errors >= ERROR_LIMIT) this.#hangUp('command', reply(421, '4.7.0', 'too many errors'));
  }

  /** A line that is none: too long, or ended by a bare LF. */
  malformed(refusal: Reply): void {
    this.#refuse('command', refusal);
    // A peer that ends lines otherwise than we do is out of step: what follows may be somebody's text.
    if (refusal === no.bareLf) this.#end();
  }

  /** Content from `from` on. */
  content(chunk: Buffer, from: number): Progress {
    if (this.#stage.name !== 'content') return { next: chunk.length, wait: null };
    const { reception } = this.#stage;
    const { next, wait } = reception.feed(chunk, from);
    if (reception.ended) return { next, wait: this.#conclude(reception, wait) };
    this.#progress += next - from;
    if (wait !== null) return { next, wait: this.#pause(wait) };
    if (this.#progress >= CONTENT_PROGRESS) this.#awaitContent();
    return { next, wait };
  }

  /** The handshake is over. */
  secured(): void {
    if (this.#stage.name !== 'handshake') return;
    this.#dialogue.forget();
    this.#awaitCommand();
  }

  /** Ends the session when the client used up its time. */
  checkTime(now: number): void {
    if (now < this.#deadline) return;
    const phase = this.#stage.name === 'content' ? 'data' : 'command';
    this.#hangUp(phase, reply(421, '4.4.2', `${this.#rules.hostname} timeout`));
  }

  /** No new message: goodbye now, or after the message that is under way. */
  leave(): void {
    this.#leaving = true;
    if (this.#stage.name === 'command' || this.#stage.name === 'handshake') this.#sayShutdown();
  }

  /** Shutdown has waited long enough. A message without its dot is the client's; the rest is ours already. */
  cutOff(): void {
    if (this.#stage.name === 'content') this.#sayShutdown();
    else if (this.#stage.name !== 'closed') this.#end();
  }

  /** The connection is gone. A message whose dot was read is finished all the same. */
  gone(): void {
    if (this.#stage.name === 'content') this.#stage.reception.abort();
    this.#stage = { name: 'closed' };
    this.#deadline = Number.POSITIVE_INFINITY;
  }

  /** A mistake of ours costs one client its connection, not all of them the daemon. */
  #tryFollow(command: Command): void {
    try {
      this.#follow(command);
    } catch (error) {
      this.#rules.observer.warn('session failed', { verb: command.verb, error: String(error) });
      this.#hangUp('command', reply(421, '4.3.0', `${this.#rules.hostname} internal trouble`));
    }
  }

  /** Says the answer and does what it promises. */
  #follow(command: Command): void {
    const { from } = this.#dialogue;
    const answer = this.#dialogue.answer(command);
    if (answer.reply.code < 400) this.#say(answer.reply);
    else this.#refuse(phaseOf(command.verb), answer.reply, from, command);
    if (answer.next === 'content') {
      const { listener, limits } = this.#rules;
      const reception = new Reception(answer.incoming, listener.content, limits.messageSize);
      this.#stage = { name: 'content', reception };
      this.#awaitContent();
    } else if (answer.next === 'handshake') this.#handshake();
    else if (answer.next === 'close') this.#end();
  }

  #handshake(): void {
    this.#transport.flush();
    this.#stage = { name: 'handshake' };
    this.#deadline = this.#rules.clock.now() + HANDSHAKE_TIMEOUT;
    this.#transport.startTls();
  }

  /**
   * The final dot was read: the client waits for us now, however long it takes. A client that is
   * gone by then changes nothing: what is committed is delivered (RFC 5321 §4.2.5).
   */
  async #conclude(reception: Reception, wait: Promise<void> | null): Promise<void> {
    this.#stage = { name: 'verdict' };
    this.#deadline = Number.POSITIVE_INFINITY;
    await wait;
    const verdict = await reception.verdict();
    if (this.#isClosed()) return;
    this.#errors = 0;
    if ('refused' in verdict) this.#refuse('data', verdict.refused, this.#dialogue.from);
    else {
      this.#say(reply(250, '2.0.0', `queued as ${verdict.accepted}`));
      this.#transport.flush();
      this.#rules.reached('replied');
    }
    this.#dialogue.messageEnded();
    this.#awaitCommand();
    if (this.#leaving) this.#sayShutdown();
  }

  /** While the intake has enough, the client is not to blame for the silence. */
  async #pause(wait: Promise<void>): Promise<void> {
    this.#deadline = Number.POSITIVE_INFINITY;
    await wait;
    if (this.#stage.name === 'content') this.#awaitContent();
  }

  #say(answer: Reply): void {
    for (const line of replyLines(answer)) this.#transport.write(line);
  }

  #refuse(phase: Phase, refusal: Reply, from: string | null = null, command?: Command): void {
    // Syntax and order, not the fate of an address or a message.
    if (refusal.code >= 500 && refusal.code <= 504) this.#errors++;
    this.#say(refusal);
    const address = command === undefined ? null : addressIn(command.argument);
    this.#rules.observer.event({
      event: 'rejected',
      client: this.#peer.client,
      from: phase === 'mail' ? address : from,
      to: phase === 'rcpt' ? address : null,
      phase,
      reply: replyLines(refusal).join(' '),
      rule: refusal.rule ?? null,
    });
  }

  #hangUp(phase: Phase, last: Reply): void {
    if (this.#stage.name === 'closed') return;
    this.#refuse(phase, last, this.#dialogue.from);
    this.#end();
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

  #awaitCommand(): void {
    this.#stage = { name: 'command' };
    this.#deadline = this.#rules.clock.now() + COMMAND_TIMEOUT;
  }

  #awaitContent(): void {
    this.#progress = 0;
    this.#deadline = this.#rules.clock.now() + CONTENT_TIMEOUT;
  }

  #isClosed(): boolean {
    return this.#stage.name === 'closed';
  }
}

function phaseOf(verb: string): Phase {
  switch (verb) {
    case 'MAIL':
      return 'mail';
    case 'RCPT':
      return 'rcpt';
    case 'DATA':
      return 'data';
    default:
      return 'command';
  }
}
