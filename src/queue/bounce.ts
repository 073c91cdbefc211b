// Makes the report (DSN) that tells a sender what became of his message.
// settler.ts and timers.ts put it into the commit that settles; mail/dsn.ts writes the content.
// Never answers a null sender, and never a report with a report (RFC 3834 §2, RFC 5321 §6.1).
import type { Failure } from '../delivery/failure.ts';
import { buildDsn } from '../mail/dsn.ts';
import type { DsnRecipient } from '../mail/dsn-input.ts';
import { readOriginal } from '../mail/dsn-original.ts';
import type { Message } from '../mail/envelope.ts';
import type { NewMessage } from '../spool/spool.ts';
import { enqueue } from './enqueue.ts';
import type { QueueEntry } from './entry.ts';
import { type House, placementContext } from './house.ts';

export interface Undelivered {
  readonly index: number;
  readonly failure: Failure;
  readonly attempts: number;
  readonly lastAttempt?: number;
  readonly expires: number;
}

/**
 * A report of `kind` about these recipients, ready to be born in a commit; null when there is
 * nobody to tell: the sender is null, or the bounced message was a report and there is no postmaster.
 */
export async function report(
  house: House,
  kind: 'failed' | 'delayed',
  message: Message,
  undelivered: readonly Undelivered[],
): Promise<NewMessage | null> {
  const to = reportTo(house, kind, message);
  if (to === null || undelivered.length === 0) return null;
  const content = await house.spool.body(message.id);
  if (!content) return null;
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
    original: await readOriginal(content),
  });
  const dsn = {
    id,
    origin: 'dsn',
    arrived: now,
    from: '',
    recipients: [to],
    eightBit: built.eightBit,
  } as const;
  const { entries, discarded } = enqueue(dsn, placementContext(house));
  const body = house.spool.receive('dsn');
  await body.write(built.content);
  return { message: dsn, entries, discarded: discarded.length, body };
}

/**
 * Whether the entry is as it was when a report about it was begun: reading the content takes a moment, in
 * which a run may claim it or settle it. Asked right before the commit, with nothing awaited in between.
 */
export function isUnchanged({ spool }: House, entry: QueueEntry): boolean {
  const present = spool.entry(entry);
  if (!present || spool.isClaimed(entry)) return false;
  const same = present.destination === entry.destination && present.hold?.since === entry.hold?.since;
  return same && present.due === entry.due && present.attempts === entry.attempts;
}

function reportTo(house: House, kind: 'failed' | 'delayed', message: Message): string | null {
  if (message.from !== '') return message.from;
  // A double bounce: the postmaster's, unless it is the postmaster who cannot be reached.
  const { postmaster } = house;
  const own = message.origin === 'dsn' && kind === 'failed';
  return own && postmaster !== null && !message.recipients.includes(postmaster) ? postmaster : null;
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
