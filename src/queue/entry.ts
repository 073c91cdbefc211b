// A queue entry: recipients of one message that travel together, with the state of their delivery.
// Made when mail is queued, split and changed by settle.ts, kept by the spool.
// Never changed in place: every change is a new value and one commit.
import type { Failure } from '../delivery/failure.ts';
import type { QueueId } from '../mail/envelope.ts';
import type { HeaderEdit } from '../mail/header-edit.ts';

/**
 * `route@192.0.2.10 example.org`: a route, the address of ours that its mail leaves from, and the recipient
 * domain. Without `@` where the route names no addresses; for a smarthost, without a domain. Names of routes
 * have neither space nor `@`.
 */
export type DestinationKey = string;

export interface DestinationParts {
  readonly route: string;
  /** Null: the system's choice. */
  readonly source: string | null;
  /** Null for a smarthost. */
  readonly domain: string | null;
}

export function destinationKey({ route, source, domain }: DestinationParts): DestinationKey {
  return wayText({ route, source }) + (domain === null ? '' : ` ${domain}`);
}

export function parseDestination(key: DestinationKey): DestinationParts {
  const space = key.indexOf(' ');
  const way = space < 0 ? key : key.slice(0, space);
  const domain = space < 0 ? null : key.slice(space + 1);
  const at = way.indexOf('@');
  if (at < 0) return { route: way, source: null, domain };
  return { route: way.slice(0, at), source: way.slice(at + 1), domain };
}

/** `route@192.0.2.10`, or the route alone. */
export function wayText({ route, source }: Pick<DestinationParts, 'route' | 'source'>): string {
  return source === null ? route : `${route}@${source}`;
}

/** An attempt whose final dot was sent and whose outcome never reached the disk. */
export interface Doubt {
  /** In a row. The third alarms. */
  readonly count: number;
  readonly since: number;
  readonly cause: 'connection-lost' | 'crash';
}

export interface Hold {
  readonly reason: string;
  readonly since: number;
  readonly by: 'operator' | 'policy' | 'quota' | 'alarm';
}

/** Who goes first within a destination: what policy calls urgent, everything else, what can wait. */
export type Priority = 'high' | 'normal' | 'low';
/** The most urgent first. */
export const priorities = ['high', 'normal', 'low'] as const satisfies readonly Priority[];

/** Under which decision an attempt was made. */
export interface AttemptDecision {
  /** When the attempt began, ms since the epoch. */
  readonly at: number;
  readonly rule: string;
  readonly route: string;
  /** The address of ours that it was to leave from; absent: the system's choice. */
  readonly source?: string;
  /** Why this route of the rule's, in words. */
  readonly reason: string;
}

/** Decisions kept with an entry: enough to see a fallback coming, and records stay small. */
const KEPT_DECISIONS = 5;

/** Key of an entry in the spool. */
export interface EntryKey {
  readonly id: QueueId;
  /**
   * The first of the entry's recipients. Each recipient of a message is in one entry at most, so a
   * split needs no counter and two splits at a time cannot collide.
   */
  readonly seq: number;
}

export interface QueueEntry extends EntryKey {
  readonly destination: DestinationKey;
  /** Indexes into the message's recipients, ascending, never empty. */
  readonly recipients: readonly number[];
  /** When the next attempt may start, ms since the epoch. Ignored while held. */
  readonly due: number;
  /** When it would be due, but for the window that it waits for. */
  readonly ready?: number;
  /** Attempts that reached the recipients' side, by any route. */
  readonly attempts: number;
  /** The same, by the present route since it became the present one. */
  readonly routeAttempts: number;
  readonly lastAttempt?: number;
  readonly last?: Failure;
  /** When the entry is given up, ms since the epoch. */
  readonly expires: number;
  /** How many warnings (delayed DSNs) went to the sender. */
  readonly warnings: number;
  /** When the next warning is due, if one is. */
  readonly nextWarning?: number;
  readonly doubt?: Doubt;
  /** Crashes of the daemon in a row while this entry was claimed. The third holds it. */
  readonly crashes: number;
  readonly hold?: Hold;
  /** The route that an operator chose for these recipients, over rules and over the message's own. */
  readonly routeOverride?: string;
  /** Why it took its present route, as of then. Entries of older versions have none. */
  readonly routeReason?: string;
  /** Of the last attempts, the latest last. */
  readonly decisions?: readonly AttemptDecision[];
  /** Absent: normal. */
  readonly priority?: Exclude<Priority, 'normal'>;
  /** Given by rules at acceptance. */
  readonly tags?: readonly string[];
  /** What rules change in the header on the way to these recipients. */
  readonly edit?: HeaderEdit;
  /** An operator released it from the hold of a rule: no rule holds it again. */
  readonly released?: true;
  /** An operator released it from the hold of a quota: quotas of senders neither stop nor count it. */
  readonly quotaWaived?: true;
  /** Addresses of ours from which it did not get through for their own sake, the oldest first. */
  readonly avoids?: readonly string[];
  /** Copies that a rule made: no sender is told what becomes of them. */
  readonly quiet?: true;
}

/** The entry with one more decision. `reason` counts where the entry does not know why it took its route. */
export function withDecision(
  entry: QueueEntry,
  at: number,
  { rule, reason }: Pick<AttemptDecision, 'rule' | 'reason'>,
): QueueEntry {
  const { route, source } = parseDestination(entry.destination);
  const from = source === null ? {} : { source };
  const decision = { at, rule, route, ...from, reason: entry.routeReason ?? reason };
  return { ...entry, decisions: [...(entry.decisions ?? []), decision].slice(-KEPT_DECISIONS) };
}

/** The entry due at another time, whatever it waited for. */
export function withDue(entry: QueueEntry, due: number): QueueEntry {
  const { ready: _, ...rest } = entry;
  return { ...rest, due };
}

export function priorityOf({ priority }: Pick<QueueEntry, 'priority'>): Priority {
  return priority ?? 'normal';
}

export function withPriority(entry: QueueEntry, priority: Priority): QueueEntry {
  if (priorityOf(entry) === priority) return entry;
  const { priority: _, ...rest } = entry;
  return priority === 'normal' ? rest : { ...rest, priority };
}

/** What changes with the destination: attempts by a route count on where only the address is another. */
export function movedTo(
  { destination: from, routeAttempts }: QueueEntry,
  destination: DestinationKey,
  routeReason: string,
): Pick<QueueEntry, 'destination' | 'routeReason' | 'routeAttempts'> {
  const isSameWay = differInSource(from, destination);
  return { destination, routeReason, routeAttempts: isSameWay ? routeAttempts : 0 };
}

/** Whether nothing but the address of ours tells them apart. */
export function differInSource(one: DestinationKey, other: DestinationKey): boolean {
  const [a, b] = [parseDestination(one), parseDestination(other)];
  return a.route === b.route && a.domain === b.domain && a.source !== b.source;
}

/** The part of a change that puts these entries in the place of one. */
export function replacing(
  entry: QueueEntry,
  put: readonly QueueEntry[],
): { readonly remove: readonly EntryKey[]; readonly put: readonly QueueEntry[] } {
  const replaced = put.some(({ seq }) => seq === entry.seq);
  return { remove: replaced ? [] : [{ id: entry.id, seq: entry.seq }], put };
}
