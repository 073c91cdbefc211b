// Takes mail in: policy at RCPT, our header fields, the spool's commit, the wake-up of the queue.
// relay/ calls it for clients, control.ts for operators; behind it stand the spool and the dispatcher.
// Never answers "accepted" before the message is on disk.
import type { Clock } from '../clock/clock.ts';
import { HeaderCompletion, HOP_LIMIT } from '../mail/completion.ts';
import type { Address, Client, Message } from '../mail/envelope.ts';
import { receivedField } from '../mail/received.ts';
import type { MailEvent, Observer } from '../observe/events.ts';
import { decide } from '../policy/evaluate.ts';
import type { IncomingMessage, Intake, Reply, Submission } from '../relay/intake.ts';
import { type BodyWriter, type Spool, SpoolFull } from '../spool/spool.ts';
import { enqueue } from './enqueue.ts';
import type { DestinationKey } from './entry.ts';
import { factsOf, type PlacementContext } from './placement.ts';

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
    const context = this.#options.context();
    const { ending, missing } = decide(context.policy, factsOf({ from, client }, to, [], context));
    return ending.kind === 'reject' && !missing.has('content') ? ending.reply : null;
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
  readonly #header: HeaderCompletion;

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
    this.#header = new HeaderCompletion({ received, at, id: this.id, hostname });
  }

  /** A write that failed is told at the end: a client hears nothing before its final dot. */
  write(chunk: Buffer): Promise<void> | undefined {
    return this.#put(this.#header.push(chunk))?.catch(() => undefined);
  }

  async finish(): Promise<{ accepted: string } | { refused: Reply }> {
    const { tail, eightBit, receivedCount } = this.#header.end();
    if (receivedCount > HOP_LIMIT) return this.#refuse(LOOP);
    try {
      await this.#put(tail);
      await this.#commit(eightBit);
      return { accepted: this.id };
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

  async #commit(eightBit: boolean): Promise<void> {
    const { from, recipients, client } = this.#submission;
    const message = {
      id: this.id,
      origin: 'client',
      arrived: this.#arrived,
      from,
      recipients,
      client,
      eightBit,
    } as const;
    await commitMessage(this.#options, message, this.#body);
  }
}

/** Commits a new message, reports it, and wakes the queue. Rejects with SpoolError. */
export async function commitMessage(
  options: IntakeOptions,
  message: Omit<Message, 'size'>,
  body: BodyWriter,
): Promise<Message> {
  const { entries, discarded } = enqueue({ ...message, size: body.size }, options.context());
  const committed = await options.spool.commit({ message, entries, discarded: discarded.length, body });
  options.observer.event(acceptedEvent(committed));
  for (const { index, route } of discarded) {
    const to = message.recipients[index] ?? '';
    options.observer.event({ event: 'discarded', id: message.id, from: message.from, to, route });
  }
  options.arrived(entries.filter((entry) => !entry.hold).map((entry) => entry.destination));
  return committed;
}

export function acceptedEvent(message: Message): MailEvent {
  const { id, from, origin, client, size, recipients } = message;
  return {
    event: 'accepted',
    id,
    from,
    to: recipients,
    origin,
    client: client?.address ?? null,
    helo: client?.helo ?? null,
    size,
  };
}

function replyFor(error: unknown): Reply {
  if (error instanceof SpoolFull)
    return { code: 452, enhanced: '4.3.1', text: `Cannot take mail now: ${error.message}` };
  return LOCAL_TROUBLE;
}
