// Which of our addresses a message leaves from: the pool of its route, and what is known of doors and budgets.
// placement.ts asks once it knows the route; policy/sources.ts chooses, run.ts takes the address with its name.
// Never changes anything: the choice is part of the destination, the caller moves the mail there.
import { isOfSource } from '../delivery/failure.ts';
import { domainOf } from '../mail/envelope.ts';
import type { MxRoute, Policy, Route, SmarthostRoute, SourceAddress } from '../policy/policy.ts';
import { chooseSource, type SourceChoice } from '../policy/sources.ts';
import { type DestinationKey, destinationKey, parseDestination, type QueueEntry } from './entry.ts';
import type { Placed, PlacementContext } from './placement.ts';

/** Whether any address of the route may get through where others do not. */
export function hasPool({ routes }: Policy, name: string): boolean {
  return sourcesOf(routes.get(name)).length > 1;
}

/** Of a route that names none, and of one that opens no connections: none. */
export function sourcesOf(route: Route | undefined): readonly SourceAddress[] {
  return route === undefined || route.via === 'discard' ? [] : route.sources;
}

/** The address that a recipient's mail leaves from by this route. */
export function sourceFor(
  { id }: Pick<Placed, 'id'>,
  route: string,
  to: string,
  entry: QueueEntry | null,
  { policy, door, sourcePassed }: PlacementContext,
): SourceChoice {
  const last = (source: string) => door(destinationOf(policy, route, source, to))?.last;
  return chooseSource(sourcesOf(policy.routes.get(route)), id, {
    present: entry && parseDestination(entry.destination).source,
    inDoubt: entry?.doubt !== undefined,
    avoided: entry?.avoids ?? [],
    isShut: (source) => {
      const failure = last(source);
      return failure !== undefined && isOfSource(failure);
    },
    passed: sourcePassed,
  });
}

/** A smarthost is one destination for all domains; direct mail has one for each. */
export function destinationOf(
  { routes }: Policy,
  route: string,
  source: string | null,
  to: string,
): DestinationKey {
  const domain = routes.get(route)?.via === 'smarthost' ? null : domainOf(to);
  return destinationKey({ route, source, domain });
}

/** The address with its name and weight; null: the system's choice; undefined: the route has no such address by now. */
export function sourceIn(
  { sources }: MxRoute | SmarthostRoute,
  address: string | null,
): SourceAddress | null | undefined {
  if (address === null) return sources.length === 0 ? null : undefined;
  return sources.find((one) => one.address === address);
}

/** Whether the route has an address that the entry was not blocked from yet, beside its own. */
export function hasUntried({ routes }: Policy, { destination, avoids = [] }: QueueEntry): boolean {
  const { route, source } = parseDestination(destination);
  return sourcesOf(routes.get(route)).some(({ address }) => address !== source && !avoids.includes(address));
}
