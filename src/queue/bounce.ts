// Makes the report (DSN) that tells a sender what became of his message.
// settler.ts and timers.ts put it into the commit that settles; mail/dsn.ts writes the content.
// Never answers a null sender, and never a report with a report (RFC 3834 §2, RFC 5321 §6.1).
import { isDeepStrictEqual } from 'node:util';
import type { Failure } from '../delivery/failure.ts';
import { buildDsn } from '../mail/dsn.ts';
import type { DsnRecipient } from '../mail/dsn-input.ts';
import { type Original, readOriginal } from '../mail/dsn-original.ts';
import type { Address, Message } from '../mail/envelope.ts';
import type { NewMessage } from '../spool/spool.ts';
import { accept } from './acceptance.ts';
import { type Added, tellAdded } from './accepted.ts';
import { headerOf, keptHeader } from './content.ts';
import { enqueue } from './enqueue.ts';
import type { QueueEntry } from './entry.ts';
import { type House, placementContext } from './house.ts';
import { decisionFor, stageOf } from './placement.ts';

export interface Undelivered {
  readonly index: number;
  readonly failure: Failure;
  readonly attempts: number;
  readonly lastAttempt?: number;
  readonly expires: number;
  readonly tags?: readonly string[];
  readonly released?: true;
  /** A copy that a rule made. */
  readonly quiet?: true;
}

/** A report that is ready to be born, and what is said of it then. */
export interface Report extends NewMessage {
  readonly added: Omit<Added, 'message'>;
}

/** Says that a report was born. Called once it is on disk. */
export function tellBorn({ observer, dispatcher }: House, { message, body, added }: Report): void {
  const whole = { ...message, size: body.size };
  tellAdded({ ...added, message: whole }, observer, (destinations) => dispatcher.arrived(destinations));
}

/**
 * A report of `kind` about these recipients of one entry, ready to be born in a commit; null when there is
 * nobody to tell: policy says so, it is a copy, the sender is null, or the bounced message was a report and
 * there is no postmaster.
 */
export async function report(
  house: House,
  kind: 'failed' | 'delayed',
  message: Message,
  undelivered: readonly Undelivered[],
): Promise<Report | null> {
  const [first] = undelivered;
  const to = first ? reportTo(house, kind, message, first) : null;
  if (to === null) return null;
  const original = await originalOf(house, message);
  if (!original) return null;
  const now = house.clock.now();
  const id = house.spool.newId();
  const built = buildDsn({
    kind,
    id,
    hostname: house.hostname,
    now,
    to,
    from: message.from,
    originalId: message.id,
    arrived: message.arrived,
    recipients: undelivered.map((one) => dsnRecipient(message, one)),
    original,
  });
  const dsn = {
    id,
    origin: 'dsn',
    arrived: now,
    from: '',
    recipients: [to],
    eightBit: built.eightBit,
    ...headerOf(keptHeader(built.content, house.policy())),
  } as const;
  const enqueued = enqueue({ ...dsn, size: built.content.length }, placementContext(house));
  const { message: born, entries, discarded } = enqueued;
  const body = house.spool.receive('dsn');
  await body.write(built.content);
  const added = { given: dsn, entries, discarded };
  return { message: born, entries, discarded: discarded.length, body, added };
}

/**
 * Whether nobody works on the entry and it is as it was read: reading on, or the content for a report, takes
 * a moment, in which a run may claim it or settle it. Asked right before the commit, with nothing awaited in
 * between.
 */
export function isUnchanged({ spool }: House, entry: QueueEntry): boolean {
  return !spool.isClaimed(entry) && isDeepStrictEqual(spool.entry(entry), entry);
}

/** Null when the message is gone. Content that cannot be read is left out: the sender must hear all the same. */
async function originalOf({ spool, observer }: House, { id }: Message): Promise<Original | null> {
  try {
    const content = await spool.body(id);
    return content ? await readOriginal(content) : null;
  } catch (error) {
    observer.warn('the content cannot be read for a report', { id, error: String(error) });
    return { start: Buffer.alloc(0), whole: false };
  }
}

function reportTo(
  house: House,
  kind: 'failed' | 'delayed',
  message: Message,
  undelivered: Undelivered,
): string | null {
  const { index, tags = [], quiet } = undelivered;
  if (quiet) return null;
  if (message.from !== '') {
    const { bounces } = decisionFor(message, index, tags, placementContext(house), stageOf(undelivered));
    if (bounces.to === 'address') return bounces.address;
    return bounces.to === 'sender' ? message.from : null;
  }
  // A double bounce: the postmaster's, unless it is the postmaster who cannot be reached.
  const { postmaster } = house;
  const own = message.origin === 'dsn' && kind === 'failed';
  return own && postmaster !== null && !wentTo(house, message, postmaster) ? postmaster : null;
}

/** Whether the report went to this address already, whatever rewriting and rules make of it. */
function wentTo(house: House, report: Message, address: Address): boolean {
  const again = accept({ ...report, recipients: [address] }, placementContext(house));
  const own = again.parts.filter(({ isQuiet }) => !isQuiet).flatMap(({ recipients }) => recipients);
  const becomes = [address, ...own.map((index) => again.message.recipients[index])];
  return report.recipients.some((to) => becomes.includes(to));
}

function dsnRecipient(message: Message, one: Undelivered): DsnRecipient {
  const { failure, attempts, lastAttempt, expires } = one;
  return {
    address: message.recipients[one.index] ?? '',
    failure,
    attempts,
    ...(lastAttempt !== undefined && { lastAttempt }),
    willRetryUntil: expires,
  };
}
