// Takes mail in: policy at RCPT, our header fields, the spool's commit, the wake-up of the queue.
// relay/ calls it for clients, control.ts for operators; behind it stand the spool and the dispatcher.
// Never answers "accepted" before the message is on disk.
import type { Clock } from '../clock/clock.ts';
import { HOP_LIMIT } from '../mail/completion.ts';
import type { Address, Client, MailHeader, Message } from '../mail/envelope.ts';
import { receivedField } from '../mail/received.ts';
import type { Observer } from '../observe/events.ts';
import type { Policy } from '../policy/policy.ts';
import type { IncomingMessage, Intake, Reply, Submission } from '../relay/intake.ts';
import { type BodyWriter, type Spool, SpoolFull } from '../spool/spool.ts';
import { type Refusal, refusalAtRcpt } from './acceptance.ts';
import { tellAdded } from './accepted.ts';
import { headerOf, IncomingContent } from './content.ts';
import { enqueue } from './enqueue.ts';
import type { DestinationKey } from './entry.ts';
import type { PlacementContext } from './placement.ts';

export interface IntakeOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly hostname: string;
  /** The policy in force and the closed doors, as of now. */
  readonly context: () => PlacementContext;
  readonly arrived: (destinations: Iterable<DestinationKey>) => void;
}

const LOCAL_TROUBLE: Reply = { code: 451, enhanced: '4.3.0', text: 'Local trouble, try again later' };
const LOOP: Reply = {
  code: 554,
  enhanced: '5.4.6',
  text: 'Too many Received fields: this message is in a loop',
};

export class QueueIntake implements Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  checkRecipient(client: Client, from: Address, to: Address): Reply | null {
    const refusal = refusalAtRcpt({ from, client }, to, this.#options.context());
    return refusal && { ...refusal.reply, rule: refusal.rule };
  }

  begin(submission: Submission): IncomingMessage | Reply {
    const { spool } = this.#options;
    const trouble = spool.trouble();
    if (trouble) return { code: 452, enhanced: '4.3.1', text: `Cannot take mail now: ${trouble}` };
    try {
      return new Incoming(this.#options, submission, spool.receive());
    } catch (error) {
      return replyFor(error);
    }
  }
}

class Incoming implements IncomingMessage {
  readonly id: string;
  readonly #options: IntakeOptions;
  readonly #submission: Submission;
  readonly #body: BodyWriter;
  readonly #arrived: number;
  /** As of the first octet: what the content was looked at for is what it is judged by. */
  readonly #policy: Policy;
  readonly #content: IncomingContent;

  constructor(options: IntakeOptions, submission: Submission, body: BodyWriter) {
    this.#options = options;
    this.#submission = submission;
    this.#body = body;
    this.id = options.spool.newId();
    this.#arrived = options.clock.now();
    const { hostname } = options;
    const { client, protocol, tls, recipients } = submission;
    const { helo, address } = client;
    const at = this.#arrived;
    const received = receivedField({ hostname, id: this.id, at, helo, address, protocol, tls, recipients });
    this.#policy = options.context().policy;
    this.#content = new IncomingContent({ received, at, id: this.id, hostname }, this.#policy);
  }

  /** A write that failed is told at the end: a client hears nothing before its final dot. */
  write(chunk: Buffer): Promise<void> | undefined {
    return this.#put(this.#content.push(chunk))?.catch(() => undefined);
  }

  async finish(): Promise<{ accepted: string } | { refused: Reply }> {
    const { tail, eightBit, receivedCount, header } = this.#content.end();
    if (receivedCount > HOP_LIMIT) return this.#refuse(LOOP);
    try {
      await this.#put(tail);
      const committed = await this.#commit(eightBit, header);
      if (!('refused' in committed)) return { accepted: this.id };
      const { rule, reply } = committed.refused;
      return this.#refuse({ ...reply, rule });
    } catch (error) {
      return (await this.#isKept()) ? { accepted: this.id } : this.#refuse(replyFor(error));
    }
  }

  abort(): void {
    this.#body.discard();
  }

  /** What reached the disk before something failed is refused only when it is durably undone. */
  async #isKept(): Promise<boolean> {
    const { spool } = this.#options;
    if (spool.message(this.id) === undefined) return false;
    const withdrawn = await spool.withdraw(this.id).catch(() => false);
    return !withdrawn;
  }

  #put(chunks: readonly Buffer[]): Promise<void> | undefined {
    const waits = chunks.map((chunk) => this.#body.write(chunk)).filter((wait) => wait !== undefined);
    return waits.length > 0 ? Promise.all(waits).then(() => undefined) : undefined;
  }

  #refuse(refused: Reply): { refused: Reply } {
    this.abort();
    return { refused };
  }

  #commit(eightBit: boolean, header: MailHeader): Promise<Committed> {
    const { from, recipients, client } = this.#submission;
    const arrived = this.#arrived;
    const envelope = { id: this.id, origin: 'client', arrived, from, recipients, client } as const;
    const message = { ...envelope, eightBit, ...headerOf(header) };
    const { context } = this.#options;
    const options = { ...this.#options, context: () => ({ ...context(), policy: this.#policy }) };
    return commitMessage(options, message, this.#body);
  }
}

export type Committed = { readonly message: Message } | { readonly refused: Refusal };

/**
 * Commits a new message, reports it, and wakes the queue. A client's message that policy refuses is not
 * committed, its body is the caller's. Rejects with SpoolError.
 */
export async function commitMessage(
  options: IntakeOptions,
  given: Omit<Message, 'size'>,
  body: BodyWriter,
): Promise<Committed> {
  const { spool, observer, context } = options;
  const { entries, discarded, refusal, message } = enqueue({ ...given, size: body.size }, context());
  if (refusal && given.origin === 'client') return { refused: refusal };
  const committed = await spool.commit({ message, entries, discarded: discarded.length, body });
  tellAdded({ message: committed, given, entries, discarded }, observer, options.arrived);
  return { message: committed };
}

function replyFor(error: unknown): Reply {
  if (error instanceof SpoolFull)
    return { code: 452, enhanced: '4.3.1', text: `Cannot take mail now: ${error.message}` };
  return LOCAL_TROUBLE;
}
