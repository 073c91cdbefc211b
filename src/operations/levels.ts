// How full the limits of one connection are: slots of all daemons, and the wait of the rates.
// explain.ts shows it; what Redis last said is refreshed there when a person waits for it.
// Never takes a slot or a turn.

import { type Limits, limitsOf } from '../limits/limits.ts';
import type { MxRoute, Site, SmarthostRoute } from '../policy/policy.ts';
import type { House } from '../queue/house.ts';
import type { Present } from './operations.ts';

/** Where a connection would go, and from which address of ours. */
export interface Way {
  readonly route: MxRoute | SmarthostRoute;
  readonly site: Site | null;
  readonly source: string | null;
}

/** As last seen by this daemon. */
export function levels({ slots, rates }: House, way: Way): Present['limits'] {
  const { connections, messageRates, connectionRates } = limitsAt(way);
  const paces = [...messageRates, ...connectionRates];
  const waits = new Map(paces.map(({ key }) => [key, Math.ceil(rates.wait(key))]));
  const counted = connections.map((limit) => ({
    of: limit.key,
    open: slots.open(limit.key),
    allowed: slots.allowed(limit),
    connections: limit.connections,
    wait: waits.get(limit.key) ?? null,
  }));
  const rest = paces.filter(({ key }) => !connections.some((limit) => limit.key === key));
  const paced = rest.map(({ key }) => ({
    of: key,
    open: slots.open(key),
    allowed: null,
    connections: null,
    wait: waits.get(key) ?? null,
  }));
  return [...counted, ...paced];
}

/** As all daemons on this Redis have it now; while it is away, as last seen. */
export async function currentLevels(house: House, way: Way): Promise<Present['limits']> {
  const { connections, messageRates, connectionRates } = limitsAt(way);
  await Promise.all([
    house.slots.refresh(connections.map(({ key }) => key)),
    house.rates.refresh([...messageRates, ...connectionRates]),
  ]);
  return levels(house, way);
}

function limitsAt({ route, site, source }: Way): Limits {
  return limitsOf(route, route.via === 'mx' ? site : null, source);
}
