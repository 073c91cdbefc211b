// One mail transaction on an open connection: MAIL, RCPT, DATA, body, final dot.
// open-session.ts calls it; an outcome for each recipient comes out.
// Never repeats anything, and never writes the final dot before the mail's dotSent().
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Body } from '../spool/spool.ts';
import type { Lost } from './channel.ts';
import { enhancedStatus, judge } from './classify.ts';
import type { Connection } from './connection.ts';
import { sendContent } from './content.ts';
import { deadlines } from './deadlines.ts';
import type { Failure, Phase } from './failure.ts';
import { failureKinds } from './failures.ts';
import type { Reply } from './reply.ts';
import type { Outgoing, RecipientResult, Target } from './session.ts';

export interface TransactionSetting {
  readonly connection: Connection;
  readonly target: Target;
  readonly smarthost: boolean;
  /** Recipients at most. */
  readonly limit: number;
  /** Not the first transaction of the connection. */
  readonly reused: boolean;
  /** The peer may still hold a transaction that came to nothing. */
  readonly needsReset: boolean;
  readonly clock: Clock;
  readonly reached: ReachMilestone;
}

export interface Transacted {
  readonly results: readonly RecipientResult[];
  readonly stale: boolean;
  readonly needsReset: boolean;
}

/** Never rejects. */
export async function transact(mail: Outgoing, setting: TransactionSetting): Promise<Transacted> {
  const transaction = new Transaction(mail, setting);
  await transaction.run();
  return transaction.outcome();
}

class Transaction {
  readonly #mail: Outgoing;
  readonly #setting: TransactionSetting;
  /** One for each recipient of the mail; null while nothing is decided. */
  readonly #results: (RecipientResult | null)[];
  /** Indexes of recipients in this transaction, and of those that the peer took. */
  readonly #asked: readonly number[];
  readonly #accepted: number[] = [];
  #refusedByMail = false;
  #dotWritten = false;
  #heardAny = false;
  #stale = false;
  #needsReset: boolean;

  constructor(mail: Outgoing, setting: TransactionSetting) {
    this.#mail = mail;
    this.#setting = setting;
    this.#asked = mail.recipients.slice(0, setting.limit).map((_, i) => i);
    this.#results = mail.recipients.map((_, i) => (i < setting.limit ? null : NEXT));
    this.#needsReset = setting.needsReset;
  }

  outcome(): Transacted {
    const results = this.#results.map((result) => result ?? NEXT);
    return { results, stale: this.#stale, needsReset: this.#needsReset };
  }

  async run(): Promise<void> {
    if (this.#refusedBeforehand()) return;
    const body = await this.#body();
    if (body === null) return;
    if (this.#setting.reused && !this.#setting.connection.channel.quiet) return this.#giveBack();
    const invited = this.#offers('PIPELINING') ? await this.#pipelined() : await this.#stepwise();
    if (invited && (await this.#accepts())) await this.#content(body);
  }

  /** What the peer's EHLO already rules out. */
  #refusedBeforehand(): boolean {
    const { size, eightBit } = this.#mail;
    // RFC 1870 §6.1: a declared maximum of 0 is none.
    const most = Number(this.#setting.connection.extensions.get('SIZE')) || Number.POSITIVE_INFINITY;
    if (size > most) {
      this.#failRest({ ...failureKinds.tooLarge, text: `${size} octets, the host takes at most ${most}` });
    } else if (eightBit && !this.#offers('8BITMIME')) {
      // RFC 6152 §3: converted or returned, never sent as it is.
      this.#failRest({ ...failureKinds.eightBit, text: 'the host takes no 8-bit content (8BITMIME)' });
    }
    return this.#results.every((result) => result !== null);
  }

  async #body(): Promise<Body | null> {
    try {
      return await this.#mail.body();
    } catch (error) {
      this.#failRest({ ...failureKinds.noContent, text: `the content cannot be read: ${String(error)}` });
      return null;
    }
  }

  /** RFC 2920: the whole envelope in one write. True when the peer waits for the content. */
  async #pipelined(): Promise<boolean> {
    const reset = this.#needsReset ? 'RSET\r\n' : '';
    const recipients = this.#asked.map((i) => this.#rcpt(i)).join('');
    this.#setting.connection.channel.write(`${reset}${this.#mailFrom()}${recipients}DATA\r\n`);
    this.#setting.reached('mail-sent');
    if (reset && !(await this.#hear('rset', deadlines.rset))) return false;
    if (!(await this.#heardMail())) return false;
    for (const i of this.#asked) {
      if (!(await this.#heardRcpt(i))) return false;
    }
    return this.#heardData();
  }

  async #stepwise(): Promise<boolean> {
    const { channel } = this.#setting.connection;
    if (this.#needsReset) {
      channel.write('RSET\r\n');
      if (!(await this.#hear('rset', deadlines.rset))) return false;
    }
    channel.write(this.#mailFrom());
    this.#setting.reached('mail-sent');
    if (!(await this.#heardMail()) || this.#refusedByMail) return false;
    for (const i of this.#asked) {
      channel.write(this.#rcpt(i));
      if (!(await this.#heardRcpt(i))) return false;
      // The peer wants no more in this transaction: those not asked for yet go in the next one.
      if (this.#results[i] === NEXT) break;
    }
    if (this.#accepted.length === 0) return false;
    channel.write('DATA\r\n');
    return this.#heardData();
  }

  #mailFrom(): string {
    const size = this.#offers('SIZE') ? ` SIZE=${this.#mail.size}` : '';
    const eightBit = this.#mail.eightBit ? ' BODY=8BITMIME' : '';
    this.#needsReset = true;
    return `MAIL FROM:<${this.#mail.from}>${size}${eightBit}\r\n`;
  }

  #rcpt(i: number): string {
    return `RCPT TO:<${this.#mail.recipients[i]}>\r\n`;
  }

  async #heardMail(): Promise<boolean> {
    const reply = await this.#hear('mail', deadlines.mail);
    if (reply === null) return false;
    if (!isPositive(reply)) {
      this.#refusedByMail = true;
      this.#failRest(this.#judged(reply, 'mail'));
    }
    return true;
  }

  async #heardRcpt(i: number): Promise<boolean> {
    const reply = await this.#hear('rcpt', deadlines.rcpt);
    if (reply === null) return false;
    if (isPositive(reply)) this.#accepted.push(i);
    else if (!this.#refusedByMail) this.#results[i] = this.#refused(reply);
    return true;
  }

  #refused(reply: Reply): RecipientResult {
    if (this.#accepted.length > 0 && isTooManyRecipients(reply)) return NEXT;
    return { kind: 'failed', failure: this.#located(this.#judged(reply, 'rcpt')) };
  }

  async #heardData(): Promise<boolean> {
    const reply = await this.#hear('data', deadlines.data);
    if (reply === null) return false;
    if (isIntermediate(reply)) return true;
    this.#failRest(this.#judged(reply, 'data'));
    // A 2xx invites to nothing that SMTP knows of: the peer has lost the thread.
    if (isPositive(reply)) this.#setting.connection.channel.end();
    return false;
  }

  /** After 354: true when somebody is there to get the content. */
  async #accepts(): Promise<boolean> {
    const { channel } = this.#setting.connection;
    if (this.#refusedByMail) {
      // A peer that refused the sender and still wants the content cannot be trusted with any.
      channel.end();
      return false;
    }
    if (this.#accepted.length > 0) return true;
    // RFC 2920 §3.1: DATA was taken though every RCPT was refused, so an empty message ends it.
    channel.write('.\r\n');
    if (await this.#hear('final-dot', deadlines.finalDot)) this.#needsReset = false;
    return false;
  }

  async #content(body: Body): Promise<void> {
    const { connection, clock, reached } = this.#setting;
    const beforeDot = (): void => {
      this.#dotWritten = true;
      this.#mail.dotSent();
    };
    const trouble = await sendContent(body, connection.channel, clock, beforeDot);
    if (trouble?.kind === 'unreadable')
      return this.#failRest({ ...failureKinds.noContent, text: trouble.reason });
    if (trouble?.kind === 'lost') return this.#lostInBody(trouble);
    reached('dot-sent');
    const reply = await this.#hear('final-dot', deadlines.finalDot);
    if (reply === null) return;
    reached('reply-read');
    this.#needsReset = false;
    if (isPositive(reply)) {
      for (const i of this.#accepted) this.#results[i] = { kind: 'delivered', reply: reply.text };
    } else if (isIntermediate(reply)) {
      this.#failRest({ ...failureKinds.garbageAfterDot, text: 'no yes and no no', reply: reply.text });
      connection.channel.end();
    } else this.#failRest(this.#judged(reply, 'final-dot'));
  }

  /** A peer that closes in the middle of the content may have said why. */
  async #lostInBody(lost: Lost): Promise<void> {
    const last = await this.#setting.connection.channel.hear(0);
    if (last.kind === 'reply' && last.reply.code >= 400) this.#failRest(this.#judged(last.reply, 'body'));
    else this.#lost(lost, 'body');
  }

  /** The next reply; null when there is none any more, and then every recipient is decided. */
  async #hear(phase: Phase, limit: number): Promise<Reply | null> {
    const { channel } = this.#setting.connection;
    const heard = await channel.hear(limit);
    const first = !this.#heardAny && this.#setting.reused;
    this.#heardAny = true;
    if (heard.kind === 'lost') {
      if (first && heard.cause === 'closed') this.#giveBack();
      else this.#lost(heard, phase);
      return null;
    }
    if (heard.reply.code !== 421) return heard.reply;
    // RFC 5321 §3.8: 421 is the end of the connection, whatever it answers.
    channel.end();
    if (first) this.#giveBack();
    else this.#failRest(this.#judged(heard.reply, phase));
    return null;
  }

  /** The peer had enough of this connection before the transaction began: nobody's failure. */
  #giveBack(): void {
    this.#stale = true;
    this.#failRest({ ...failureKinds.connectionLost, phase: 'mail', ours: true, text: STALE });
    this.#setting.connection.channel.end();
  }

  #lost(lost: Lost, phase: Phase): void {
    const garbage = lost.cause === 'garbage';
    const aborted = lost.cause === 'aborted';
    const text = `${phase}: ${lost.reason}`;
    if (this.#dotWritten) {
      const kind = garbage ? failureKinds.garbageAfterDot : failureKinds.lostAfterDot;
      this.#failRest(aborted ? { ...kind, text, aborted } : { ...kind, text });
    } else if (aborted) this.#failRest({ ...failureKinds.stopping, phase, text });
    else this.#failRest({ ...(garbage ? failureKinds.garbage : failureKinds.connectionLost), phase, text });
  }

  /** Decides for all recipients that nothing was decided for. */
  #failRest(failure: Failure): void {
    const located = this.#located(failure);
    for (const i of this.#asked) this.#results[i] ??= { kind: 'failed', failure: located };
  }

  #judged(reply: Reply, phase: Phase): Failure {
    return judge(reply, phase, this.#setting.smarthost);
  }

  #located(failure: Failure): Failure {
    const { host, address } = this.#setting.target;
    return { ...failure, host, ip: address };
  }

  #offers(keyword: string): boolean {
    return this.#setting.connection.extensions.has(keyword);
  }
}

const NEXT: RecipientResult = { kind: 'next-transaction' };
const STALE = 'the host had closed the idle connection';

/** Clients decide on the first digit alone (RFC 5321 §4.2). */
function isPositive({ code }: Reply): boolean {
  return code >= 200 && code < 300;
}

function isIntermediate({ code }: Reply): boolean {
  return code >= 300 && code < 400;
}

/**
 * RFC 5321 §4.5.3.1.10, read with care: Gmail answers 452 4.2.2 for a full mailbox, and a client that
 * took it for "too many recipients" would send transactions for ever.
 */
function isTooManyRecipients(reply: Reply): boolean {
  if (reply.code !== 452 && reply.code !== 552) return false;
  const status = enhancedStatus(reply);
  return status === null || status.endsWith('.5.3');
}
