// Which suspensions are in force: what operators told to wait, until when, and why.
// suspend.ts puts them in and takes them out; destinations.ts asks which one is over a destination.
// Never the truth: each has a note in the spool, from which recall.ts makes the table again.

import type { SuspensionScope } from '../operations/operations.ts';

export interface Suspension extends SuspensionScope {
  /** For operators: the log and listings have it, reports to senders have not. */
  readonly reason: string;
  /** Milliseconds since the epoch; ends by itself at `until`. */
  readonly since: number;
  readonly until: number;
}

/** Where mail goes, as far as it is known. */
export interface Whither {
  readonly route: string;
  readonly domain: string | null;
  readonly site: string | null;
}

/** Name of the spool's note that keeps a suspension: one for each scope. */
export const SUSPENSION_NOTES = 'suspension ';
export function suspensionNote({ site, route, domain }: SuspensionScope): string {
  return SUSPENSION_NOTES + JSON.stringify([site ?? null, route ?? null, domain ?? null]);
}

export class Suspensions {
  /** By the note's name. */
  readonly #table = new Map<string, Suspension>();

  /** Takes the place of one with the same scope. */
  add(suspension: Suspension): void {
    this.#table.set(suspensionNote(suspension), suspension);
  }

  delete(suspension: Suspension): void {
    this.#table.delete(suspensionNote(suspension));
  }

  get(scope: SuspensionScope): Suspension | undefined {
    return this.#table.get(suspensionNote(scope));
  }

  all(): Iterable<Suspension> {
    return this.#table.values();
  }

  /** The one over this mail that ends last, or null. It may have ended already: look at `until`. */
  over(where: Whither): Suspension | null {
    let last: Suspension | null = null;
    for (const suspension of this.#table.values()) {
      if (covers(suspension, where) && suspension.until > (last?.until ?? 0)) last = suspension;
    }
    return last;
  }
}

/** Null once it is over. */
export function inForce(suspension: Suspension | null, now: number): Suspension | null {
  return suspension && suspension.until > now ? suspension : null;
}

/** Whether every part that the scope gives is so there. */
function covers(scope: SuspensionScope, { site, route, domain }: Whither): boolean {
  if (scope.site !== undefined && scope.site !== site) return false;
  if (scope.route !== undefined && scope.route !== route) return false;
  return scope.domain === undefined || scope.domain === domain;
}
