// The change that moves an entry to where its recipients belong now.
// Used before an attempt and by a review, when placement and entry no longer agree.
// Never attempts anything and charges nobody an attempt.
import type { Change } from '../spool/spool.ts';
import {
  type DestinationKey,
  differInSource,
  movedTo,
  priorityOf,
  type QueueEntry,
  replacing,
  withDue,
  withPriority,
} from './entry.ts';
import { type Discarded, discardedBy, holdReason, type Placement } from './placement.ts';
import { inWindow } from './window.ts';

export interface Relocation {
  readonly change: Change;
  readonly discarded: readonly Discarded[];
}

/** True when the entry already stands where all its recipients belong, and with the priority that they have. */
export function inPlace(entry: QueueEntry, placements: readonly Placement[]): boolean {
  const [only, ...others] = placements;
  if (only?.kind !== 'queue' || others.length > 0) return false;
  return only.destination === entry.destination && only.decision.priority === priorityOf(entry);
}

export function relocate(entry: QueueEntry, placements: readonly Placement[], now: number): Relocation {
  const put: QueueEntry[] = [];
  for (const placement of placements) {
    const part = { ...entry, recipients: placement.recipients, seq: placement.recipients[0] ?? entry.seq };
    if (placement.kind === 'discard') continue;
    if (placement.kind !== 'queue') {
      put.push({ ...part, hold: { reason: holdReason(placement), since: now, by: 'policy' } });
      continue;
    }
    const { destination, decision, reason: routeReason } = placement;
    const there =
      destination === entry.destination
        ? part
        : { ...atItsTime(part, destination, now), ...movedTo(entry, destination, routeReason) };
    put.push(inWindow(withPriority(there, decision.priority), decision.window, now));
  }
  const discarded = discardedBy(placements);
  const ended = discarded.length > 0 ? { discarded: discarded.length } : {};
  return { change: { ...replacing(entry, put), ended }, discarded };
}

/** Another route is taken at once; from another address mail keeps its time. */
function atItsTime(entry: QueueEntry, next: DestinationKey, now: number): QueueEntry {
  return differInSource(entry.destination, next) ? entry : withDue(entry, now);
}
