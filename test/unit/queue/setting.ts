// Values that the queue's pure parts are asked about: entries, messages, failures, what placing sees.
// Used by the tests beside it.
// Never stands for a spool or a daemon.
import type { Failure } from '../../../src/delivery/failure.ts';
import type { Message } from '../../../src/mail/envelope.ts';
import type { QueueEntry } from '../../../src/queue/entry.ts';
import type { PlacementContext } from '../../../src/queue/placement.ts';
import type { SettleContext } from '../../../src/queue/settle.ts';
import { policyFrom } from '../../harness/policy.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** When messages here arrived. */
export const ARRIVED = Date.UTC(2026, 10, 24, 10);
/** In the middle of every spread. */
export const middle = (): number => 0.5;

export function message(recipients: readonly string[], changes: Partial<Message> = {}): Message {
  return {
    id: '0abc123def45',
    origin: 'client',
    arrived: ARRIVED,
    from: 'ann@example.net',
    recipients,
    size: 1000,
    eightBit: false,
    ...changes,
  };
}

/** All recipients of a message in one entry, direct to example.org. */
export function entry(count: number, changes: Partial<QueueEntry> = {}): QueueEntry {
  return {
    id: '0abc123def45',
    seq: 0,
    destination: 'direct example.org',
    recipients: Array.from({ length: count }, (_, i) => i),
    due: ARRIVED,
    attempts: 0,
    routeAttempts: 0,
    expires: ARRIVED + 5 * DAY,
    warnings: 0,
    crashes: 0,
    ...changes,
  };
}

/** A mailbox that is busy for a while. */
export function failure(changes: Partial<Failure> = {}): Failure {
  return {
    scope: 'recipient',
    permanent: false,
    class: 'unknown',
    status: '4.2.1',
    phase: 'rcpt',
    text: 'refused at rcpt: 450 4.2.1 busy',
    reply: '450 4.2.1 busy',
    ...changes,
  };
}

/** `doors`: failures in a row of destinations whose door is closed. */
export function placing(
  yaml: string,
  doors: Readonly<Record<string, { failures: number; last: Failure }>> = {},
): PlacementContext {
  return {
    policy: policyFrom(yaml),
    now: ARRIVED,
    door: (key) => doors[key] ?? null,
    site: () => undefined,
    passed: () => null,
    sourcePassed: () => null,
  };
}

export function settling(yaml: string, changes: Partial<SettleContext> = {}): SettleContext {
  return { ...placing(yaml), now: ARRIVED + MINUTE, random: middle, ...changes };
}
