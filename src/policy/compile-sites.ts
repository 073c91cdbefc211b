// Makes the sites of a policy: the operator's, then those that ship, each with the defaults for what it leaves out.
// compile.ts calls it; sites.ts looks mail up in the result.
// Never fails: whatever can be wrong was found by the schema.
import type { BackoffRule } from './backoff.ts';
import { DomainSet, patternText } from './match.ts';
import type { Site, SiteRule } from './policy.ts';
import { commonBackoff, providers, type ShippedSite } from './providers.ts';
import { type BackoffData, type SiteData, site as siteKeys } from './site-schema.ts';

type SitesData = Readonly<Record<string, SiteData>>;

/** Far above what one sender needs, below what large receivers call abuse. */
const builtInSite: Site = {
  name: 'default',
  connections: 20,
  rate: null,
  connectionRate: null,
  messagesPerConnection: 100,
  ip: null,
  backoff: compileBackoff(siteKeys.parse({ backoff: commonBackoff }).backoff ?? []),
};

const shipped: ReadonlyMap<string, SiteData> = new Map(
  Object.entries(providers).map(([name, one]) => [name, siteKeys.parse(asWritten(one))]),
);

function asWritten(one: ShippedSite): unknown {
  return one.backoff === undefined ? one : { ...one, backoff: [...one.backoff, ...commonBackoff] };
}

export function compileDefaultSite(data: SitesData): Site {
  return compileSite('default', data.default ?? {}, builtInSite);
}

/** An operator's site that has the name of one that ships has its keys where it says nothing. */
export function compileSiteRules(data: SitesData, defaultSite: Site): SiteRule[] {
  const { default: _, ...named } = data;
  const own = Object.entries(named).map(([name, keys]) => {
    const both = { ...shipped.get(name), ...keys };
    return compileSiteRule(name, both, defaultSite);
  });
  const rest = [...shipped].filter(([name]) => !Object.hasOwn(named, name));
  return [
    ...own,
    ...rest.map(([name, keys]) => ({ ...compileSiteRule(name, keys, defaultSite), shipped: true })),
  ];
}

function compileSiteRule(name: string, data: SiteData, defaultSite: Site): SiteRule {
  const { domains: ofDomains = [], mx: ofHosts = [] } = data;
  const domains = new DomainSet(ofDomains);
  const hosts = new DomainSet(ofHosts);
  return {
    site: compileSite(name, data, defaultSite),
    shipped: false,
    patterns: { domains: ofDomains.map(patternText), mx: ofHosts.map(patternText) },
    matchesDomain: (domain) => domains.has(domain),
    matchesMx: (host) => hosts.has(host),
  };
}

function compileSite(name: string, data: SiteData, base: Site): Site {
  return {
    name,
    connections: data.connections ?? base.connections,
    rate: data.rate ?? base.rate,
    connectionRate: data.connectionRate ?? base.connectionRate,
    messagesPerConnection: data.messagesPerConnection ?? base.messagesPerConnection,
    ip: data.ip ?? base.ip,
    backoff: data.backoff === undefined ? base.backoff : compileBackoff(data.backoff),
  };
}

function compileBackoff(data: readonly BackoffData[]): BackoffRule[] {
  return data.map(({ reply, suspend, slow = 1, for: ms = 0 }) => ({
    reply,
    action: suspend === undefined ? { kind: 'slow', to: slow, ms } : { kind: 'suspend', ms: suspend },
  }));
}
