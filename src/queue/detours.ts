// Which sites left a route for a while because message after message failed there, and how they come back.
// detour-moves.ts tells it what attempts found and carries out what follows; placement.ts asks which routes to pass.
// Never does I/O and never reads a clock: the truth of what is in force is kept as notes in the spool.
import type { Failure, FailureClass } from '../delivery/failure.ts';
import type { QueueId } from '../mail/envelope.ts';
import { fractionOf } from '../policy/fraction.ts';
import { neverFallsBack, type Passed, type RouteList } from '../policy/routing.ts';
import type { RecipientOutcome } from './settle.ts';

/**
 * A message that tries for all others whether the way is open again may be greylisted, or wait behind a
 * closed door. After this long without an answer another one tries.
 */
const CANARY_MS = 15 * 60_000;

/** A detour that nobody has taken for so long after its end is forgotten: the next message finds out anew. */
const FORGOTTEN_MS = 24 * 60 * 60_000;

/** Rows of failures that are kept. Forgetting the oldest costs its site some messages more. */
const MOST_ROWS = 10_000;

/** What mail takes: a route, and for direct mail the site that it goes to; a smarthost takes all alike. */
export interface Way {
  readonly route: string;
  readonly site: string | null;
}

/** A way that mail has left: from `since` the rule's next route is taken. Kept in the spool. */
export interface Detour extends Way {
  readonly since: number;
  /** From then on one message tries the way for all others. */
  readonly until: number;
  readonly class: FailureClass;
  /** The peer's words, or ours. */
  readonly failure: string;
  /** In a row, when the way was left. */
  readonly messages: number;
}

/** What an attempt changed. */
export type Move =
  | { readonly kind: 'left'; readonly detour: Detour; readonly again: boolean }
  | { readonly kind: 'back'; readonly detour: Detour };

/** One attempt as this table looks at it. */
export interface Tried {
  readonly id: QueueId;
  readonly outcomes: Iterable<RecipientOutcome>;
  /** By which the message went; null: an operator chose its route. */
  readonly list: RouteList | null;
  readonly now: number;
}

interface Left {
  detour: Detour;
  /** Who tries the way once the time is over, and since when. */
  canary: { readonly id: QueueId; readonly since: number } | null;
}

export class Detours {
  /** Messages that failed in a row, by way. */
  readonly #rows = new Map<string, Set<QueueId>>();
  readonly #left = new Map<string, Left>();

  /** Why this message passes the route over; null: it may take it. The same for the same moment, always. */
  passed(way: Way, id: QueueId, list: RouteList, now: number): Passed | null {
    const left = this.#left.get(wayName(way));
    if (!left || !isFor(left.detour, list) || isInShare(id, list)) return null;
    if (!isOver(left.detour, now)) return { reason: detourText(left.detour), until: left.detour.until };
    const { canary } = left;
    if (!isAlive(canary, now) || canary.id === id) return null;
    return { reason: detourText(left.detour, canary.id), until: canary.since + CANARY_MS };
  }

  /** The message is about to take the way. True: it is the first one after the detour's time, and tries it for all. */
  takes(way: Way, id: QueueId, list: RouteList, now: number): boolean {
    const left = this.#left.get(wayName(way));
    if (!left || !isFor(left.detour, list) || isInShare(id, list)) return false;
    if (!isOver(left.detour, now) || isAlive(left.canary, now)) return false;
    left.canary = { id, since: now };
    return true;
  }

  /**
   * Any delivery ends a row, and a detour. Of failures only those count that the message's own rule falls
   * back on, and only where there is a next route; everything else neither counts nor ends a row: a full
   * mailbox says nothing of the way. Null when nothing changed.
   */
  learn(way: Way, { id, outcomes, list, now }: Tried): Move | null {
    const name = wayName(way);
    const all = [...outcomes];
    if (all.some(({ kind }) => kind === 'delivered')) return this.#opened(name);
    const memory = list?.fallback.memory;
    if (!list || !memory || isLast(way.route, list)) return null;
    const failure = all.map((outcome) => countedFailure(outcome, list)).find((one) => one !== null);
    if (!failure) return null;
    const left = this.#left.get(name);
    if (left && !(isOver(left.detour, now) && isFor(left.detour, list))) return null;
    const row = left ? null : this.#row(name).add(id);
    if (row && row.size < memory.siteAfter) return null;
    const messages = row?.size ?? left?.detour.messages ?? 1;
    const { reply, text, class: failureClass } = failure;
    const times = { since: left?.detour.since ?? now, until: now + memory.remember };
    const detour = { ...way, ...times, class: failureClass, failure: reply ?? text, messages };
    this.put(detour);
    return { kind: 'left', detour, again: left !== undefined };
  }

  /** In force, as a note of an earlier process says. */
  put(detour: Detour): void {
    const name = wayName(detour);
    this.#rows.delete(name);
    this.#left.set(name, { detour, canary: null });
  }

  /** Opens the ways that `unwanted` says; returns them. */
  drop(unwanted: (detour: Detour) => boolean): Detour[] {
    const gone: Detour[] = [];
    for (const [name, { detour }] of this.#left) {
      if (!unwanted(detour)) continue;
      this.#left.delete(name);
      gone.push(detour);
    }
    return gone;
  }

  /** Opens those that nobody has tried for long; returns them. */
  dropForgotten(now: number): Detour[] {
    return this.#left.size === 0 ? [] : this.drop(({ until }) => now >= until + FORGOTTEN_MS);
  }

  /** Those in force. */
  all(): Detour[] {
    return [...this.#left.values()].map(({ detour }) => detour);
  }

  #opened(name: string): Move | null {
    this.#rows.delete(name);
    const left = this.#left.get(name);
    this.#left.delete(name);
    return left ? { kind: 'back', detour: left.detour } : null;
  }

  #row(name: string): Set<QueueId> {
    const row = this.#rows.get(name) ?? new Set<QueueId>();
    this.#rows.delete(name);
    this.#rows.set(name, row);
    for (const oldest of this.#rows.keys()) {
      if (this.#rows.size <= MOST_ROWS) break;
      this.#rows.delete(oldest);
    }
    return row;
  }
}

/** `site X left route direct until …: blocked, 5 messages in a row`. */
export function detourText(detour: Detour, canary?: QueueId): string {
  const { route, site, until, messages, class: failureClass } = detour;
  const who = site === null ? `mail left route ${route}` : `site ${site} left route ${route}`;
  const end = canary === undefined ? ` until ${new Date(until).toISOString()}` : '';
  const row = messages === 1 ? '1 message' : `${messages} messages in a row`;
  return `${who}${end}: ${failureClass}, ${row}${canary === undefined ? '' : `; ${canary} tries it now`}`;
}

/** Different for different ways: route names have no space. */
export function wayName({ route, site }: Way): string {
  return site === null ? route : `${route} ${site}`;
}

/** A failure that says that the way is shut, and not this mail unwelcome or ourselves in trouble. */
function countedFailure(outcome: RecipientOutcome, { fallback }: RouteList): Failure | null {
  if (outcome.kind === 'delivered') return null;
  const { failure } = outcome;
  if (failure.ours || failure.aborted || failure.inDoubt || neverFallsBack.has(failure.class)) return null;
  return fallback.on.has(failure.class) ? failure : null;
}

/** Mail whose rule remembers, and would have left the way for this failure itself. */
function isFor(detour: Detour, list: RouteList): boolean {
  const { memory, on } = list.fallback;
  return memory !== undefined && on.has(detour.class) && !isLast(detour.route, list);
}

function isLast(route: string, { routes }: RouteList): boolean {
  return routes.at(-1) === route;
}

/** A clock that was set back must not keep a way closed for as long as it was wrong. */
function isOver({ since, until }: Detour, now: number): boolean {
  return now >= until || now < since;
}

function isAlive<C extends { readonly since: number }>(canary: C | null, now: number): canary is C {
  return canary !== null && now >= canary.since && now < canary.since + CANARY_MS;
}

/** The share of messages that try a way all the same; told by their ids, so that each is always told the same. */
function isInShare(id: QueueId, { fallback }: RouteList): boolean {
  const share = fallback.memory?.canary ?? 0;
  return share > 0 && fractionOf(id) < share;
}
