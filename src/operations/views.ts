// Queue entries and destinations as operators see them: plain data with times in ISO 8601.
// control.ts answers the admin API with them.
// Never changes anything, and never shows a secret.
import type { Message } from '../mail/envelope.ts';
import { type Destination, type Destinations, standing, suspensionOf } from '../queue/destinations.ts';
import { parseDestination, priorityOf, type QueueEntry } from '../queue/entry.ts';
import type { House } from '../queue/house.ts';
import { suspensionOfEntry } from '../queue/put-off.ts';
import { routeOpens, waitsForQuota } from '../queue/quota-waits.ts';
import type { Suspension } from '../queue/suspensions.ts';
import { waitsForWindow } from '../queue/window.ts';
import type { DestinationView, EntryView, SuspensionView, Waiting } from './operations.ts';

const iso = (ms: number): string => new Date(ms).toISOString();

export function entryView(house: House, message: Message, entry: QueueEntry): EntryView {
  const destination = house.destinations.get(entry.destination);
  const claimed = house.spool.isClaimed(entry);
  const now = house.clock.now();
  const suspension = entry.hold ? null : suspensionOfEntry(house.destinations, message, entry, now);
  const waiting = suspension ? 'suspended' : 'queued';
  const of = parseDestination(entry.destination);
  const quota = entry.hold ? null : waitsForQuota(house, message, entry);
  return {
    id: entry.id,
    state: entry.hold ? 'held' : claimed ? 'delivering' : waiting,
    from: message.from,
    to: entry.recipients.map((index) => message.recipients[index] ?? ''),
    ...of,
    site: destination?.site ?? null,
    size: message.size,
    arrived: iso(message.arrived),
    next: entry.hold
      ? null
      : iso(Math.max(entry.due, destination?.backOff?.until ?? 0, suspension?.until ?? 0, quota?.until ?? 0)),
    attempts: entry.attempts,
    last: entry.last ?? destination?.backOff?.last ?? null,
    expires: iso(entry.expires),
    hold: entry.hold?.reason ?? null,
    suspended: waitingFor(suspension),
    window: !entry.hold && waitsForWindow(entry, now) ? iso(entry.due) : null,
    quota: waitingFor(quota),
    inDoubt: entry.doubt !== undefined,
    priority: priorityOf(entry),
    tags: entry.tags ?? [],
    header: entry.edit ?? null,
    copy: entry.quiet ?? false,
    forcedRoute: entry.routeOverride ?? null,
    attempted: (entry.decisions ?? []).map((decision) => ({ ...decision, at: iso(decision.at) })),
  };
}

/** Destinations with mail, those that wait longest first. */
export function destinationViews(house: House, destinations: Destinations): DestinationView[] {
  const views: DestinationView[] = [];
  for (const stock of house.spool.stock()) {
    const destination = destinations.of(stock.destination);
    views.push(destinationView(house, destination, stock.entries, stock.nextDue));
  }
  return views.sort((a, b) => b.entries - a.entries);
}

function destinationView(
  house: House,
  destination: Destination,
  entries: number,
  due: number,
): DestinationView {
  const { route, source, domain, site, backOff } = destination;
  const now = house.clock.now();
  const suspension = suspensionOf(destination, now);
  const quota = routeOpens(house, { destination: destination.key });
  return {
    route,
    source,
    domain,
    site,
    state: suspension ? 'suspended' : standing(destination, now),
    entries,
    connections: destination.running,
    next: iso(
      Math.max(due, backOff?.until ?? 0, destination.notBefore, suspension?.until ?? 0, quota?.until ?? 0),
    ),
    failures: backOff?.failures ?? 0,
    last: backOff?.last ?? null,
    suspended: waitingFor(suspension),
    quota: waitingFor(quota),
  };
}

export function waitingFor(what: Pick<Suspension, 'reason' | 'until'> | null): Waiting | null {
  return what && { reason: what.reason, until: iso(what.until) };
}

export function suspensionView(suspension: Suspension): SuspensionView {
  const { site = null, route = null, domain = null, reason, since, until } = suspension;
  return { site, route, domain, reason, since: iso(since), until: iso(until) };
}
