// What a connection and a message are counted against: the limits of a site or a route.
// run.ts asks once it knows the site; slots.ts counts connections by it, rates.ts paces messages.
// Never counts anything itself.
import type { MxRoute, Site, SmarthostRoute } from '../policy/policy.ts';
import type { RateLimit } from './rates.ts';

/** Anything that connections or messages are counted against: a site's or a route's key. */
export type LimitKey = string;

/** Receivers judge each address of ours by itself: a site counts for each of them, where the route names any. */
export const siteKey = (site: string, source: string | null = null): LimitKey =>
  source === null ? `site ${site}` : `site ${site} ${source}`;
export const routeKey = (route: string): LimitKey => `route ${route}`;

export interface ConnectionLimit {
  readonly key: LimitKey;
  readonly connections: number;
  /** The site that it is of: then the number is the most, and how many the receiver likes is found out. */
  readonly site: string | null;
}

export interface Limits {
  readonly connections: readonly ConnectionLimit[];
  readonly messageRates: readonly RateLimit[];
  readonly connectionRates: readonly RateLimit[];
}

export const NO_LIMITS: Limits = { connections: [], messageRates: [], connectionRates: [] };

/** Of a connection of this route to this site, from this address of ours (null: the system's choice). */
export function limitsOf(
  route: MxRoute | SmarthostRoute,
  site: Site | null,
  source: string | null = null,
): Limits {
  const connections: ConnectionLimit[] = [];
  const messageRates: RateLimit[] = [];
  const connectionRates: RateLimit[] = [];
  if (site) {
    const key = siteKey(site.name, source);
    connections.push({ key, connections: site.connections, site: site.name });
    if (site.rate) messageRates.push({ key, rate: site.rate, site: site.name });
    if (site.connectionRate) {
      connectionRates.push({ key: `connections ${key}`, rate: site.connectionRate, site: site.name });
    }
  }
  const key = routeKey(route.name);
  if (route.connections !== null) connections.push({ key, connections: route.connections, site: null });
  if (route.rate) messageRates.push({ key, rate: route.rate, site: null });
  return { connections, messageRates, connectionRates };
}
