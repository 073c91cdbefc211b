// Which way mail takes, as detours.ts knows ways: by route, and for direct mail by the site that it goes to.
// house.ts binds it to placing; claims.ts and run.ts tell by it what was tried.
// Never looks a site up: direct mail to a site that nobody knows has no way yet, and is looked at again when it has.
import { domainOf } from '../mail/envelope.ts';
import type { Decision, Policy } from '../policy/policy.ts';
import type { RouteList } from '../policy/routing.ts';
import type { Claim } from '../spool/spool.ts';
import type { Way } from './detours.ts';
import { parseDestination } from './entry.ts';
import type { House } from './house.ts';
import type { PlacementContext } from './placement.ts';

/** Null for direct mail to a site that nobody knows. */
export function wayOf(
  { sites }: Pick<House, 'sites'>,
  policy: Policy,
  route: string,
  domain: string,
): Way | null {
  if (policy.routes.get(route)?.via !== 'mx') return { route, site: null };
  const site = sites.nameOf(policy, domain);
  return site ? { route, site } : null;
}

/** What placing asks of the detours at this moment. */
export function detoursNow(
  house: Pick<House, 'detours' | 'sites'>,
  policy: Policy,
  now: number,
): PlacementContext['passed'] {
  return (route, id, domain, list) => {
    const way = wayOf(house, policy, route, domain);
    return way && house.detours.passed(way, id, list, now);
  };
}

/** A message that a run has in hand. */
export interface OnItsWay {
  readonly way: Way;
  /** Null where an operator chose its route. */
  readonly list: RouteList | null;
}

/** Null as long as nobody knows its site. All recipients of an entry for direct mail are of one domain. */
export function onItsWay(
  house: Pick<House, 'policy' | 'sites'>,
  { entry, message }: Claim,
  { ending, fallback }: Decision,
): OnItsWay | null {
  const { route } = parseDestination(entry.destination);
  const to = message.recipients[entry.recipients[0] ?? 0] ?? '';
  const way = wayOf(house, house.policy(), route, domainOf(to));
  const isForced = (entry.routeOverride ?? message.routeOverride) !== undefined;
  const list = isForced || ending.kind !== 'route' ? null : { routes: ending.routes, fallback };
  return way && { way, list };
}
