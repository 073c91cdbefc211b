// Makes checked policy data into the Policy that the daemon runs on: defaults merged, patterns in sets.
// load-policy.ts calls it with the data of all files; evaluate.ts, schedule.ts and sites.ts use the result.
// Never fails: whatever can be wrong was found by the schema.
import { Schedules } from './compile-retry.ts';
import { compileDefaultSite, compileSiteRules } from './compile-sites.ts';
import { compileConditions, conditionsOf, headerFieldsOf, timesOf } from './conditions.ts';
import { AddressSet, patternText } from './match.ts';
import type {
  Fallback,
  FallbackMemory,
  LastRule,
  Policy,
  RetrySchedule,
  Route,
  RouteLimits,
  Rule,
  RuleEnding,
  TlsPolicy,
} from './policy.ts';
import type { SenderQuota } from './quota.ts';
import type { SenderQuotaData } from './quota-schema.ts';
import { RewriteTable } from './rewrite.ts';
import { type RouteData, routeSchema } from './route-schema.ts';
import type { KnownNames, RuleData } from './rule-schema.ts';
import type { PolicyData } from './schema.ts';
import { warmupFrom } from './warmup.ts';
import { hostZone } from './zone.ts';

/** The route that is always there; a policy may define it otherwise. */
const BUILT_IN_ROUTE = 'direct';

/** Names that rules may use without a definition. */
export const builtInNames: KnownNames = { routes: [BUILT_IN_ROUTE], schedules: ['default'] };

/** What every route list falls back on: the way is shut, or it is shut to us. */
const builtInFallback: Fallback = { on: new Set(['unreachable', 'blocked']), after: 2 };

/** Of a fallback that has one: five different messages are no accident, and an hour is no day. */
const builtInMemory: FallbackMemory = { siteAfter: 5, remember: 3_600_000, canary: 0 };

/** What one client may open to a provider's submission service without being called a nuisance. */
const SMARTHOST_CONNECTIONS = 20;

/** Mail that no rule ends takes the built-in route, as a mail server without a transport map does. */
const otherwise: LastRule = {
  name: 'everything else',
  when: [],
  ending: { kind: 'route', routes: [BUILT_IN_ROUTE] },
};

/** `softBounce`: of routes that do not say. */
export function compilePolicy(data: PolicyData, softBounce = false): Policy {
  const schedules = new Schedules(data.retry);
  const defaultSite = compileDefaultSite(data.sites);
  return {
    routes: compileRoutes(data.routes, softBounce),
    defaultRetry: schedules.default,
    siteRules: compileSiteRules(data.sites, defaultSite),
    defaultSite,
    rules: data.rules.map((rule, index) => compileRule(rule, index, schedules)),
    otherwise,
    defaultFallback: builtInFallback,
    rewrite: {
      senders: new RewriteTable(data.rewrite.senders),
      recipients: new RewriteTable(data.rewrite.recipients),
    },
    headerFields: new Set(data.rules.flatMap(({ when }) => headerFieldsOf(conditionsOf(when)))),
    times: data.rules.flatMap(({ when, window }) => [
      ...timesOf(conditionsOf(when)),
      ...(window ? [window] : []),
    ]),
    senderQuotas: data.quotas.map(compileSenderQuota),
    warmups: compileWarmups(data.warmup),
  };
}

function compileRoutes(data: PolicyData['routes'], softBounce: boolean): Map<string, Route> {
  const all = { [BUILT_IN_ROUTE]: routeSchema(new Map()).parse({ via: 'mx' }), ...data };
  return new Map(Object.entries(all).map(([name, one]) => [name, compileRoute(name, one, softBounce)]));
}

function compileRoute(name: string, data: RouteData, softBounce: boolean): Route {
  const displayName = data.displayName ?? name;
  switch (data.via) {
    case 'discard':
      return { name, displayName, via: 'discard' };
    case 'mx':
      return { name, displayName, via: 'mx', ...limitsOf(data, data.tls ?? 'opportunistic', softBounce) };
    case 'smarthost': {
      const { auth } = data;
      const isSecret = auth !== null && auth.kind !== 'pop' && !auth.cleartext;
      const tls = data.tls ?? (isSecret ? 'verified' : 'opportunistic');
      const limits = limitsOf(data, tls, softBounce);
      const { hosts, choose, connections = SMARTHOST_CONNECTIONS } = data;
      return { name, displayName, via: 'smarthost', hosts, choose, auth, ...limits, connections };
    }
  }
}

function limitsOf(
  data: Exclude<RouteData, { via: 'discard' }>,
  tls: TlsPolicy,
  softBounce: boolean,
): RouteLimits {
  return {
    connections: data.connections ?? null,
    messagesPerConnection: data.messagesPerConnection ?? null,
    rate: data.rate ?? null,
    quotas: data.quota,
    recipients: data.recipients,
    connectTimeout: data.connectTimeout,
    softBounce: data.softBounce ?? softBounce,
    sources: data.sources.map(({ address, ehlo, weight }) => ({
      address,
      ehlo: ehlo ?? null,
      weight,
    })),
    tls,
  };
}

/** Where two files name an address, the first one counts. */
function compileWarmups(data: PolicyData['warmup']): Policy['warmups'] {
  const zone = hostZone();
  const all = data.map(({ source, start, perDay }) => warmupFrom(source, start, perDay, zone));
  return new Map(all.reverse().map((one) => [one.source, one]));
}

function compileSenderQuota({ for: patterns, ...quota }: SenderQuotaData): SenderQuota {
  if (patterns === null) return { ...quota, for: null };
  const senders = new AddressSet(patterns);
  return { ...quota, for: { patterns: patterns.map(patternText), has: (sender) => senders.has(sender) } };
}

function compileRule(data: RuleData, index: number, schedules: Schedules): Rule {
  const name = data.name ?? `rule ${index + 1}`;
  const ending = compileEnding(data);
  return {
    name,
    when: compileConditions(conditionsOf(data.when)),
    ...(ending === null ? {} : { ending }),
    ...(data.retry === undefined ? {} : { retry: compileRetry(data.retry, name, schedules) }),
    ...(data.fallback === undefined ? {} : { fallback: compileFallback(data.fallback) }),
    ...plainSettingsOf(data),
  };
}

/** Those that are used as they are written. */
function plainSettingsOf({ priority, window, bounces, warn, tag, header, copy }: RuleData): Partial<Rule> {
  return {
    ...(priority !== undefined && { priority }),
    ...(window !== undefined && { window }),
    ...(bounces !== undefined && { bounces }),
    ...(warn !== undefined && { warn }),
    ...(tag !== undefined && { tags: tag }),
    ...(header !== undefined && { header }),
    ...(copy !== undefined && { copy }),
  };
}

function compileEnding({ route: routes, reject, hold, discard, redirect }: RuleData): RuleEnding | null {
  if (routes !== undefined) return { kind: 'route', routes };
  if (hold !== undefined) return { kind: 'hold', reason: hold };
  if (discard !== undefined) return { kind: 'discard' };
  if (redirect !== undefined) return { kind: 'redirect', to: redirect };
  if (reject === undefined) return null;
  const enhanced = reject.enhanced ?? `${reject.code < 500 ? 4 : 5}.7.1`;
  return { kind: 'reject', reply: { code: reject.code, enhanced, text: reject.text } };
}

function compileRetry(
  data: NonNullable<RuleData['retry']>,
  rule: string,
  schedules: Schedules,
): RetrySchedule {
  return typeof data === 'string' ? schedules.named(data) : schedules.inherit(`of rule "${rule}"`, data);
}

function compileFallback(data: NonNullable<RuleData['fallback']>): Fallback {
  const { on, after } = data;
  const memory = compileMemory(data);
  return {
    on: on === undefined ? builtInFallback.on : new Set(on),
    after: after ?? builtInFallback.after,
    ...(memory && { memory }),
  };
}

/** Any of its keys asks for a memory, and has the others with it. */
function compileMemory(data: NonNullable<RuleData['fallback']>): FallbackMemory | null {
  const { siteAfter, remember, canary } = data;
  if (siteAfter === undefined && remember === undefined && canary === undefined) return null;
  return {
    siteAfter: siteAfter ?? builtInMemory.siteAfter,
    remember: remember ?? builtInMemory.remember,
    canary: canary ?? builtInMemory.canary,
  };
}
