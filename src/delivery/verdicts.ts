// What became of each recipient in one transaction, as the replies come in.
// transaction.ts tells it what was heard; queue/ gets the results.
// Never changes a verdict: the first thing that is known of a recipient stands.
import { enhancedStatus, judge } from './classify.ts';
import type { Failure, Phase } from './failure.ts';
import type { Reply } from './reply.ts';
import type { RecipientResult, Target } from './session.ts';

const NEXT: RecipientResult = { kind: 'next-transaction' };

export class Verdicts {
  /** One for each recipient of the mail; null while nothing is known. */
  readonly #results: (RecipientResult | null)[];
  readonly #accepted: number[] = [];
  readonly #target: Target;
  readonly #smarthost: boolean;
  /** Indexes of the recipients of this transaction; those over `limit` wait for another one. */
  readonly asked: readonly number[];

  constructor(recipients: number, limit: number, target: Target, smarthost: boolean) {
    const asked = Math.min(recipients, limit);
    this.asked = Array.from({ length: asked }, (_, i) => i);
    this.#results = Array.from({ length: recipients }, (_, i) => (i < asked ? null : NEXT));
    this.#target = target;
    this.#smarthost = smarthost;
  }

  get anyAccepted(): boolean {
    return this.#accepted.length > 0;
  }

  /** Recipients that nothing is known of were not asked about: another transaction is theirs. */
  results(): readonly RecipientResult[] {
    return this.#results.map((result) => result ?? NEXT);
  }

  accept(recipient: number): void {
    this.#accepted.push(recipient);
  }

  /** A reply to RCPT that is no yes. False when the peer wants no more recipients in this transaction. */
  refuse(recipient: number, reply: Reply): boolean {
    const tooMany = this.anyAccepted && isTooManyRecipients(reply);
    this.#results[recipient] ??= tooMany
      ? NEXT
      : { kind: 'failed', failure: this.#located(judge(reply, 'rcpt', this.#smarthost)) };
    return !tooMany;
  }

  deliver(reply: Reply): void {
    for (const i of this.#accepted) this.#results[i] ??= { kind: 'delivered', reply: reply.text };
  }

  /** A reply that decides for everybody who is not decided yet. */
  refuseRest(reply: Reply, phase: Phase): void {
    this.failRest(judge(reply, phase, this.#smarthost));
  }

  failRest(failure: Failure): void {
    const located = this.#located(failure);
    for (const i of this.asked) this.#results[i] ??= { kind: 'failed', failure: located };
  }

  #located(failure: Failure): Failure {
    return { ...failure, host: this.#target.host, ip: this.#target.address };
  }
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
