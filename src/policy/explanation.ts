// A decision in the words of the policy file: what holds for one recipient, and where each part comes from.
// operations/explain.ts adds how things stand at this moment; cli/ prints it, of a mail that is queued and of one that is not.
// Never shows a login, and never looks anything up.
import { formatEndpoint } from '../config/network.ts';
import { formatDuration, formatRate, formatShare } from '../config/quantities.ts';
import type { Priority } from '../queue/entry.ts';
import { type ArrivalView, arrivalView, type Course, courseOf } from './course.ts';
import { explain, type Stage } from './evaluate.ts';
import { hoursText } from './hours.ts';
import type {
  Explanation,
  Fallback,
  MailFacts,
  Policy,
  Rate,
  RejectReply,
  RetryClass,
  RetrySchedule,
  Route,
  RuleTrace,
  Site,
  SourceAddress,
  TlsPolicy,
} from './policy.ts';
import { quotaText } from './quota.ts';
import { bouncesText } from './settings.ts';
import { domainSiteOf } from './sites.ts';

/** Durations as people write them: `4h`. */
export interface RetryClassView {
  readonly after: readonly string[];
  readonly expire: string;
}

export interface RetryView extends RetryClassView {
  readonly name: string;
  readonly warn: readonly string[];
  readonly attempts: number | null;
  readonly classes: Readonly<Record<string, RetryClassView>>;
}

export interface RouteView {
  readonly name: string;
  readonly displayName: string;
  readonly via: Route['via'];
  /** Of a smarthost, in the order to try; empty otherwise. */
  readonly hosts: readonly string[];
  /** Null where nothing is connected to. */
  readonly limits: {
    readonly tls: TlsPolicy;
    readonly connections: number | null;
    readonly messagesPerConnection: number | null;
    /** `14/second`. */
    readonly rate: string | null;
    /** `200/hour`, `10000/month`. */
    readonly quotas: readonly string[];
    readonly recipients: number;
    /** What it would return to the sender waits. */
    readonly softBounce: boolean;
    /** Addresses of ours to leave from; empty: the system's choice. */
    readonly sources: readonly SourceAddress[];
  } | null;
}

export interface SiteView {
  readonly name: string;
  /** What put the domain there: its name, its MX hosts, or no rule at all. */
  readonly by: 'domain' | 'mx' | 'default';
  /** Its numbers come with the package. */
  readonly shipped: boolean;
  readonly connections: number;
  /** `300/minute`. */
  readonly rate: string | null;
  readonly connectionRate: string | null;
  readonly messagesPerConnection: number;
  readonly ip: 4 | 6 | null;
}

/** What policy says of one recipient. */
export interface DecisionView {
  readonly to: string;
  readonly rule: string;
  readonly trace: readonly RuleTrace[];
  /** What acceptance does with it; null for mail that is queued already. */
  readonly arrival: ArrivalView | null;
  /** The answer at RCPT, or after DATA where a rule looks at the content; null: it is taken. */
  readonly reject: RejectReply | null;
  /** Why it is kept until somebody, or another hour, releases it; null: it is not. */
  readonly hold: string | null;
  /** In the order to take them; empty for what is rejected. */
  readonly routes: readonly RouteView[];
  readonly fallback: {
    readonly on: readonly string[];
    readonly after: number;
    /** Null: each message finds out for itself. */
    readonly memory: {
      readonly siteAfter: number;
      readonly remember: string;
      /** `1%`; null: none. */
      readonly canary: string | null;
    } | null;
  };
  readonly retry: RetryView;
  readonly priority: Priority;
  /** When attempts may be made, `07:00-20:00 mon,tue Europe/Madrid`; null: always. */
  readonly window: string | null;
  /** Who hears of failures: `sender`, `nobody` or an address. */
  readonly bounces: string;
  /** For the direct routes of the list; null without one, and while nobody knows the domain's MX hosts. */
  readonly site: SiteView | null;
}

/**
 * Of mail that comes: `given` is what the course was made of. `site`: as the MX hosts of the last recipient's
 * domain say, if they are known.
 */
export function explainArrival(
  policy: Policy,
  given: MailFacts,
  course: Course,
  site: Site | null,
): DecisionView {
  const { rule, trace } = course.accepted;
  const view = decisionView(policy, course.mail.to, course.last, site);
  return { ...view, to: given.to, rule, trace, arrival: arrivalView(policy, given, course) };
}

/** Of mail that comes, by the policy alone: rules know sites by the domains that they name. */
export function explainMail(policy: Policy, mail: MailFacts, site: Site | null): DecisionView {
  const course = courseOf(policy, mail, (domain) => domainSiteOf(policy, domain)?.name);
  return explainArrival(policy, mail, course, site);
}

/** Of mail that is queued. */
export function explainQueuedMail(
  policy: Policy,
  mail: MailFacts,
  site: Site | null,
  stage: Stage,
): DecisionView {
  return decisionView(policy, mail.to, explain(policy, mail, stage), site);
}

function decisionView(policy: Policy, to: string, decision: Explanation, site: Site | null): DecisionView {
  const { rule, trace, ending, fallback, retry, priority, window, bounces } = decision;
  const names = ending.kind === 'route' ? ending.routes : [];
  const routes = names.flatMap((name) => policy.routes.get(name) ?? []);
  return {
    to,
    rule,
    trace,
    arrival: null,
    reject: ending.kind === 'reject' ? ending.reply : null,
    hold: ending.kind === 'hold' ? ending.reason : null,
    routes: routes.map(routeView),
    fallback: fallbackView(fallback),
    retry: retryView(retry),
    priority,
    window: window && hoursText(window),
    bounces: bouncesText(bounces),
    site: routes.some(({ via }) => via === 'mx') ? siteView(policy, to, site) : null,
  };
}

function fallbackView({ on, after, memory }: Fallback): DecisionView['fallback'] {
  const view = { on: [...on], after };
  if (memory === undefined) return { ...view, memory: null };
  const { siteAfter, remember, canary } = memory;
  const share = canary === 0 ? null : formatShare(canary);
  return { ...view, memory: { siteAfter, remember: formatDuration(remember), canary: share } };
}

function routeView(route: Route): RouteView {
  const { name, displayName, via } = route;
  if (route.via === 'discard') return { name, displayName, via, hosts: [], limits: null };
  const { tls, connections, messagesPerConnection, rate, recipients, softBounce, sources } = route;
  const quotas = route.quotas.map(quotaText);
  const numbers = { connections, messagesPerConnection, rate: rateText(rate), quotas, recipients };
  const limits = { tls, ...numbers, softBounce, sources };
  const hosts = route.via === 'smarthost' ? route.hosts : [];
  return { name, displayName, via, hosts: hosts.map((one) => formatEndpoint(one.host, one.port)), limits };
}

function retryView({ name, attempts, warn, classes, ...schedule }: RetrySchedule): RetryView {
  return {
    name,
    attempts,
    ...retryClassView(schedule),
    warn: warn.map(formatDuration),
    classes: Object.fromEntries([...classes].map(([failure, one]) => [failure, retryClassView(one)])),
  };
}

function retryClassView({ after, expire }: RetryClass): RetryClassView {
  return { after: after.map(formatDuration), expire: formatDuration(expire) };
}

function siteView(policy: Policy, to: string, byMx: Site | null): SiteView | null {
  const byDomain = domainSiteOf(policy, to.slice(to.lastIndexOf('@') + 1).toLowerCase());
  const site = byDomain ?? byMx;
  if (site === null) return null;
  const rule = policy.siteRules.find((one) => one.site.name === site.name);
  const { name, connections, rate, connectionRate, messagesPerConnection, ip } = site;
  return {
    name,
    by: byDomain !== null ? 'domain' : rule ? 'mx' : 'default',
    shipped: rule?.shipped ?? false,
    connections,
    rate: rateText(rate),
    connectionRate: rateText(connectionRate),
    messagesPerConnection,
    ip,
  };
}

function rateText(rate: Rate | null): string | null {
  return rate === null ? null : formatRate(rate);
}
