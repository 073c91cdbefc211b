// One mail transaction on an open connection: MAIL, RCPT, DATA, body, final dot.
// open-session.ts calls it; verdicts.ts collects what became of each recipient.
// Never repeats anything, and never writes the final dot before the mail's dotSent().
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Body } from '../spool/spool.ts';
import type { Lost } from './channel.ts';
import type { Connection } from './connection.ts';
import { sendContent } from './content.ts';
import { deadlines } from './deadlines.ts';
import type { Phase } from './failure.ts';
import { failureKinds, lossFailure } from './failures.ts';
import { mailCommand, obstacle, rcptCommand } from './offers.ts';
import type { Reply } from './reply.ts';
import type { Outgoing, RecipientResult, Target } from './session.ts';
import { Verdicts } from './verdicts.ts';

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
  readonly #verdicts: Verdicts;
  #senderRefused = false;
  #dotWritten = false;
  #heardAny = false;
  #stale = false;
  #needsReset: boolean;

  constructor(mail: Outgoing, setting: TransactionSetting) {
    this.#mail = mail;
    this.#setting = setting;
    this.#verdicts = new Verdicts(mail.recipients.length, setting.limit, setting.target, setting.smarthost);
    this.#needsReset = setting.needsReset;
  }

  outcome(): Transacted {
    return { results: this.#verdicts.results(), stale: this.#stale, needsReset: this.#needsReset };
  }

  async run(): Promise<void> {
    const { connection, reused } = this.#setting;
    const refused = obstacle(this.#mail, connection.offers);
    if (refused) return this.#verdicts.failRest(refused);
    const body = await this.#body();
    if (body === null) return;
    if (reused && !connection.channel.quiet) return this.#giveBack();
    const invited = connection.offers.has('PIPELINING') ? await this.#pipelined() : await this.#stepwise();
    if (invited && (await this.#hasReceivers())) await this.#content(body);
  }

  async #body(): Promise<Body | null> {
    try {
      return await this.#mail.body();
    } catch (error) {
      const text = `the content cannot be read: ${String(error)}`;
      this.#verdicts.failRest({ ...failureKinds.noContent, text });
      return null;
    }
  }

  /** RFC 2920 §3.1: the whole envelope in one write. True when the peer waits for the content. */
  async #pipelined(): Promise<boolean> {
    const reset = this.#needsReset;
    const { asked } = this.#verdicts;
    const recipients = asked.map((i) => this.#rcpt(i)).join('');
    this.#write(`${reset ? 'RSET\r\n' : ''}${this.#mailFrom()}${recipients}DATA\r\n`);
    this.#setting.reached('mail-sent');
    if (reset && !(await this.#hear('rset', deadlines.rset))) return false;
    if (!(await this.#heardMail())) return false;
    for (const i of asked) {
      if ((await this.#heardRcpt(i)) === 'lost') return false;
    }
    return this.#heardData();
  }

  async #stepwise(): Promise<boolean> {
    if (this.#needsReset) {
      this.#write('RSET\r\n');
      if (!(await this.#hear('rset', deadlines.rset))) return false;
    }
    this.#write(this.#mailFrom());
    this.#setting.reached('mail-sent');
    if (!(await this.#heardMail()) || this.#senderRefused) return false;
    for (const i of this.#verdicts.asked) {
      this.#write(this.#rcpt(i));
      const heard = await this.#heardRcpt(i);
      if (heard === 'lost') return false;
      if (heard === 'enough') break;
    }
    if (!this.#verdicts.anyAccepted) return false;
    this.#write('DATA\r\n');
    return this.#heardData();
  }

  #mailFrom(): string {
    this.#needsReset = true;
    return mailCommand(this.#mail, this.#setting.connection.offers);
  }

  #rcpt(i: number): string {
    return rcptCommand(this.#mail.recipients[i] as string);
  }

  async #heardMail(): Promise<boolean> {
    const reply = await this.#hear('mail', deadlines.mail);
    if (reply === null) return false;
    this.#senderRefused = !isPositive(reply);
    if (this.#senderRefused) this.#verdicts.refuseRest(reply, 'mail');
    return true;
  }

  async #heardRcpt(i: number): Promise<'lost' | 'enough' | 'more'> {
    const reply = await this.#hear('rcpt', deadlines.rcpt);
    if (reply === null) return 'lost';
    if (!isPositive(reply)) return this.#verdicts.refuse(i, reply) ? 'more' : 'enough';
    this.#verdicts.accept(i);
    return 'more';
  }

  async #heardData(): Promise<boolean> {
    const reply = await this.#hear('data', deadlines.data);
    if (reply === null) return false;
    if (isIntermediate(reply)) return true;
    this.#verdicts.refuseRest(reply, 'data');
    // A 2xx invites to nothing that SMTP knows of: the peer has lost the thread.
    if (isPositive(reply)) this.#setting.connection.channel.end();
    return false;
  }

  /** After 354: whether somebody is there to get the content. */
  async #hasReceivers(): Promise<boolean> {
    if (this.#senderRefused) {
      // A peer that refused the sender and still wants the content cannot be trusted with any.
      this.#setting.connection.channel.end();
      return false;
    }
    if (this.#verdicts.anyAccepted) return true;
    // RFC 2920 §3.1: DATA was taken though every RCPT was refused, so an empty message ends it.
    this.#write('.\r\n');
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
    if (trouble?.kind === 'unreadable') {
      return this.#verdicts.failRest({ ...failureKinds.noContent, text: trouble.reason });
    }
    if (trouble?.kind === 'lost') return this.#lostInBody(trouble);
    reached('dot-sent');
    const reply = await this.#hear('final-dot', deadlines.finalDot);
    if (reply === null) return;
    reached('reply-read');
    this.#needsReset = false;
    this.#heardFinal(reply);
  }

  #heardFinal(reply: Reply): void {
    if (isPositive(reply)) this.#verdicts.deliver(reply);
    else if (isIntermediate(reply)) {
      const text = `neither yes nor no to the message: ${reply.text}`;
      this.#verdicts.failRest({ ...failureKinds.garbageAfterDot, text, reply: reply.text });
      this.#setting.connection.channel.end();
    } else this.#verdicts.refuseRest(reply, 'final-dot');
  }

  /** A peer that closes in the middle of the content may have said why. */
  async #lostInBody(lost: Lost): Promise<void> {
    const last = await this.#setting.connection.channel.hear(0);
    if (last.kind === 'reply' && last.reply.code >= 400) this.#verdicts.refuseRest(last.reply, 'body');
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
    else this.#verdicts.refuseRest(heard.reply, phase);
    return null;
  }

  /** The peer had enough of this connection before the transaction began: nobody's failure. */
  #giveBack(): void {
    this.#stale = true;
    const text = 'the host had closed the idle connection';
    this.#verdicts.failRest({ ...failureKinds.connectionLost, phase: 'mail', ours: true, text });
    this.#setting.connection.channel.end();
  }

  #lost(lost: Lost, phase: Phase): void {
    this.#verdicts.failRest(lossFailure(lost, phase, this.#dotWritten));
  }

  #write(commands: string): void {
    this.#setting.connection.channel.write(commands);
  }
}

/** Clients decide on the first digit alone (RFC 5321 §4.2). */
function isPositive({ code }: Reply): boolean {
  return code >= 200 && code < 300;
}

function isIntermediate({ code }: Reply): boolean {
  return code >= 300 && code < 400;
}
