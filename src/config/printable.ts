// The settings and the policy in force, as plain data in the words of the YAML files.
// `check --print` shows it; quantities come out as they are written, defaults included.
// Never shows a password or a token.
import { stringify } from 'yaml';
import type { BackoffRule } from '../policy/backoff.ts';
import type {
  Fallback,
  Policy,
  Rate,
  RetryClass,
  RetrySchedule,
  Route,
  Rule,
  Site,
  SiteRule,
  SmarthostAddress,
  SmarthostRoute,
} from '../policy/policy.ts';
import { formatEndpoint } from './network.ts';
import { printableActions, printableEnding } from './printable-actions.ts';
import { printableQuota, printableSenderQuota, printableWarmup } from './printable-quotas.ts';
import { formatDuration, formatRate, formatShare, formatSize } from './quantities.ts';
import type { Settings } from './settings.ts';

const MASKED = '***';

export interface Printable {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly policy: Readonly<Record<string, unknown>>;
}

/** Data that JSON can carry. */
export function printable(settings: Settings, policy: Policy): Printable {
  return { settings: printableSettings(settings), policy: printablePolicy(policy) };
}

/** The same as YAML, for people. */
export function printableText(settings: Settings, policy: Policy): string {
  return stringify(printable(settings, policy), { lineWidth: 0 });
}

function printableSettings(settings: Settings): Readonly<Record<string, unknown>> {
  const { limits, trusted, redisUrl, spool, admin, shutdownTimeout, ...asTheyAre } = settings;
  return {
    ...asTheyAre,
    shutdownTimeout: formatDuration(shutdownTimeout),
    clients: { trusted },
    limits: { ...limits, messageSize: formatSize(limits.messageSize), rate: formatRate(limits.rate) },
    redis: { url: redisUrl === null ? null : withoutPassword(redisUrl) },
    spool: { kind: 'disk', minFree: formatSize(spool.minFree) },
    admin: { ...admin, token: admin.token === null ? null : MASKED },
  };
}

function withoutPassword(text: string): string {
  const url = URL.parse(text);
  if (url === null) return MASKED;
  if (url.password !== '') url.password = MASKED;
  return url.href;
}

/** The policy alone. Rules are a list, with the built-in one at its end; everything else has names. */
export function printablePolicy(policy: Policy): Readonly<Record<string, unknown>> {
  return {
    routes: Object.fromEntries([...policy.routes].map(([name, route]) => [name, printableRoute(route)])),
    retry: { default: printableSchedule(policy.defaultRetry) },
    sites: {
      ...Object.fromEntries(policy.siteRules.map(printableSiteRule)),
      default: printableSite(policy.defaultSite),
    },
    rewrite: {
      senders: policy.rewrite.senders.lines(),
      recipients: policy.rewrite.recipients.lines(),
    },
    quotas: policy.senderQuotas.map(printableSenderQuota),
    warmup: Object.fromEntries([...policy.warmups].map(([source, one]) => [source, printableWarmup(one)])),
    rules: [...policy.rules, policy.otherwise].map(printableRule),
  };
}

function printableRoute(route: Route): Readonly<Record<string, unknown>> {
  if (route.via === 'discard') return { via: route.via, displayName: route.displayName };
  const { name: _, connectTimeout, rate, quotas, ...asTheyAre } = route;
  const limits = {
    ...asTheyAre,
    rate: printableRate(rate),
    quota: quotas.map(printableQuota),
    connectTimeout: formatDuration(connectTimeout),
  };
  return route.via === 'smarthost' ? { ...limits, ...smarthostParts(route) } : limits;
}

function smarthostParts({ hosts, auth }: SmarthostRoute): Readonly<Record<string, unknown>> {
  return {
    hosts: hosts.map(printableHost),
    auth: auth === null ? null : printableAuth(auth),
  };
}

function printableAuth(auth: NonNullable<SmarthostRoute['auth']>): Readonly<Record<string, unknown>> {
  if (auth.kind === 'pop') {
    const { implicitTls: _, ...server } = auth.popBeforeSmtp;
    return { popBeforeSmtp: { ...server, password: MASKED } };
  }
  const { kind, ...asTheyAre } = auth;
  if (kind === 'password') return { ...asTheyAre, password: MASKED };
  const { clientId, tokenUrl } = auth.oauth2;
  return { ...asTheyAre, oauth2: { clientId, clientSecret: MASKED, refreshToken: MASKED, tokenUrl } };
}

function printableHost({ host, port, implicitTls, weight }: SmarthostAddress): unknown {
  const url = `${implicitTls ? 'smtps://' : ''}${formatEndpoint(host, port)}`;
  return weight === 1 ? url : { host: url, weight };
}

function printableSchedule(schedule: RetrySchedule): Readonly<Record<string, unknown>> {
  return {
    ...printableRetryClass(schedule),
    attempts: schedule.attempts,
    warn: schedule.warn.map(formatDuration),
    classes: Object.fromEntries([...schedule.classes].map(([name, one]) => [name, printableRetryClass(one)])),
  };
}

function printableRetryClass({ after, expire }: RetryClass): Readonly<Record<string, unknown>> {
  return { after: after.map(formatDuration), expire: formatDuration(expire) };
}

function printableSiteRule({ site, shipped, patterns }: SiteRule): readonly [string, unknown] {
  const { domains, mx } = patterns;
  const which = { ...(domains.length > 0 && { domains }), ...(mx.length > 0 && { mx }) };
  return [site.name, { ...which, ...printableSite(site), ...(shipped && { shipped }) }];
}

function printableSite(site: Site): Readonly<Record<string, unknown>> {
  const { name: _, rate, connectionRate, backoff, ...asTheyAre } = site;
  return {
    ...asTheyAre,
    rate: printableRate(rate),
    connectionRate: printableRate(connectionRate),
    backoff: backoff.map(printableBackoff),
  };
}

function printableBackoff({ reply, action }: BackoffRule): Readonly<Record<string, unknown>> {
  const time = formatDuration(action.ms);
  if (action.kind === 'suspend') return { reply: reply.text, suspend: time };
  return { reply: reply.text, slow: formatShare(action.to), for: time };
}

function printableRate(rate: Rate | null): string | null {
  return rate === null ? null : formatRate(rate);
}

function printableRule(rule: Rule): Readonly<Record<string, unknown>> {
  const { ending } = rule;
  return {
    name: rule.name,
    when: rule.when.length === 0 ? 'any' : rule.when.map((condition) => condition.describe),
    ...(ending === undefined ? {} : printableEnding(ending)),
    ...(rule.retry === undefined ? {} : { retry: printableSchedule(rule.retry) }),
    ...(rule.fallback === undefined ? {} : { fallback: printableFallback(rule.fallback) }),
    ...printableActions(rule),
  };
}

function printableFallback({ on, after, memory }: Fallback): Readonly<Record<string, unknown>> {
  if (memory === undefined) return { on: [...on], after };
  const { siteAfter, remember, canary } = memory;
  return { on: [...on], after, siteAfter, remember: formatDuration(remember), canary: formatShare(canary) };
}
