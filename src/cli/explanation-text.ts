// An explanation in words: the rules that were looked at, what they set, and how things stand there now.
// explain.ts and queue-show.ts print it.
// Never says what the daemon did not say: what nobody looked up is told as such.

import type { Explanation, Present } from '../operations/operations.ts';
import type { ArrivalView } from '../policy/course.ts';
import type { DecisionView, RetryClassView, RouteView, SiteView } from '../policy/explanation.ts';
import type { RuleTrace } from '../policy/policy.ts';
import { quotaLevelText } from './quota.ts';
import { type Field, lines } from './sections.ts';
import { addressText, count, failureText, hintText, momentText, plain, untilText, wayText } from './text.ts';

export function explanationFields(explanation: Explanation, now: number): Field[] {
  const { trace, arrival, reject, hold, present } = explanation;
  const rules = [
    ...(arrival?.rewritten ? [rewrittenField(arrival.rewritten)] : []),
    ...trace.map(traceField),
    ...(arrival === null ? [] : arrivalFields(arrival)),
  ];
  if (arrival?.discard) return [...rules, ['discarded', 'taken, and thrown away']];
  if (reject !== null)
    return [...rules, ['answer', plain(`${reject.code} ${reject.enhanced} ${reject.text}`)]];
  if (hold !== null) return [...rules, ['held', plain(hold)]];
  return [
    ...rules,
    ...settingFields(explanation, present !== null),
    ...(present === null ? [] : presentFields(present, now)),
  ];
}

function rewrittenField({ from, to }: NonNullable<ArrivalView['rewritten']>): Field {
  const first = to.length > 1 ? '; what follows is of the first recipient' : '';
  return ['rewritten', `${addressText(from)} to ${to.map(addressText).join(', ')}${first}`];
}

/** What is fixed when the mail is accepted. */
function arrivalFields({ assumedMissing, redirect, tags, header, copies }: ArrivalView): Field[] {
  const fields: Field[] = [];
  if (assumedMissing.length > 0)
    fields.push(['no header', plain(`none is given: taken as one without ${assumedMissing.join(', ')}`)]);
  if (tags.length > 0) fields.push(['tags', plain(tags.join(', '))]);
  if (header !== null) fields.push(...lines('header', headerLines(header)));
  const copied = copies.map(({ to, per }) => `to ${addressText(to)}, once a ${per}`);
  fields.push(...lines('copies', copied));
  if (redirect !== null) {
    fields.push(['redirect', `to ${addressText(redirect.to)}: rule "${plain(redirect.rule)}"`]);
    fields.push(...redirect.trace.map(traceField));
  }
  return fields;
}

/** A header edit, a line for each field. */
export function headerLines({ add, remove }: NonNullable<ArrivalView['header']>): string[] {
  const added = add.map(({ name, value }) => plain(`+ ${name}: ${value}`));
  return [...added, ...remove.map((name) => plain(`- ${name}`))];
}

function traceField({ rule, matched, failed, open, held, gave }: RuleTrace): Field {
  if (open !== undefined) return ['open', plain(`${rule}: cannot be told without more: ${open}`)];
  if (!matched) return ['no', plain(`${rule}${failed === undefined ? '' : `: ${failedText(failed)}`}`)];
  const why = held.length === 0 ? 'every mail' : held.join(' and ');
  return ['yes', plain(`${rule}: ${why}${gave.length === 0 ? '' : `; gives ${gave.join(', ')}`}`)];
}

/** Why a condition does not hold, in the order of a sentence; of one with `not`, what it excludes. */
function failedText(failed: string): string {
  const excluded = /^not \((.*)\)$/.exec(failed)?.[1];
  if (excluded !== undefined) return excluded;
  const isOne = !/ and |; or /.test(failed);
  return isOne ? failed.replace(/^(header \S+|\w+) is /, '$1 is not ') : `not so: ${failed}`;
}

function settingFields(explanation: DecisionView, byDaemon: boolean): Field[] {
  const { routes, fallback, retry, priority, window, bounces, site } = explanation;
  const classes = Object.entries(retry.classes);
  const tries = retry.attempts === null ? '' : `, ${count(retry.attempts, 'attempt', 'attempts')} at most`;
  const fields: Field[] = lines('routes', routes.map(routeText));
  if (routes.length > 1) fields.push(['fallback', fallbackText(fallback)]);
  fields.push(['retry', `${plain(retry.name)}: ${scheduleText(retry)}${tries}`]);
  fields.push(...classes.map(([name, one]): Field => ['', `${name}: ${scheduleText(one)}`]));
  fields.push(['warnings', retry.warn.length === 0 ? 'none' : `after ${retry.warn.join(', ')}`]);
  if (priority !== 'normal') fields.push(['priority', priority]);
  if (window !== null) fields.push(['window', plain(window)]);
  if (bounces !== 'sender') fields.push(['bounces', `to ${plain(bounces)}`]);
  if (routes.some(({ via }) => via === 'mx'))
    fields.push(['site', site === null ? unknownSiteText(byDaemon) : siteText(site)]);
  return fields;
}

function fallbackText({ on, after, memory }: DecisionView['fallback']): string {
  const text = `on ${on.join(', ')}; after ${count(after, 'attempt', 'attempts')}`;
  if (memory === null) return text;
  const { siteAfter, remember, canary } = memory;
  const row = count(siteAfter, 'message', 'messages in a row');
  const share = canary === null ? '' : `; meanwhile ${canary} tries it`;
  return `${text}; all mail of a site after ${row}, for ${remember}${share}`;
}

function scheduleText({ after, expire }: RetryClassView): string {
  return `after ${after.join(', ')}; expires after ${expire}`;
}

function routeText({ name, displayName, via, hosts, limits }: RouteView): string {
  const title = displayName === name ? name : `${name} (${plain(displayName)})`;
  if (limits === null) return `${title}: ${via}`;
  const parts = [hosts.length === 0 ? via : `${via} ${hosts.join(', ')}`, `tls ${limits.tls}`];
  if (limits.connections !== null) parts.push(count(limits.connections, 'connection', 'connections'));
  if (limits.messagesPerConnection !== null) parts.push(`${limits.messagesPerConnection} messages each`);
  if (limits.rate !== null) parts.push(limits.rate);
  parts.push(...limits.quotas);
  if (limits.softBounce) parts.push('bounces wait');
  if (limits.sources.length > 0) parts.push(`from ${limits.sources.map(sourceText).join(', ')}`);
  return `${title}: ${parts.join(', ')}`;
}

/** `192.0.2.10 as mail1.example.net (weight 2)`. */
function sourceText({ address, ehlo, weight }: NonNullable<RouteView['limits']>['sources'][number]): string {
  return `${address}${ehlo === null ? '' : ` as ${ehlo}`}${weight === 1 ? '' : ` (weight ${weight})`}`;
}

const whys: Readonly<Record<SiteView['by'], string>> = {
  domain: 'by its domain',
  mx: 'by its MX hosts',
  default: 'of its own, as `default`',
};

/** The daemon asks DNS before it explains; for mail that waits it goes by what attempts found. */
function unknownSiteText(byDaemon: boolean): string {
  return byDaemon
    ? 'not known: its MX hosts were not found, or no attempt was made yet'
    : 'not known: nobody looked up its MX hosts';
}

function siteText(site: SiteView): string {
  const { name, by, shipped, connections, rate, connectionRate, messagesPerConnection, ip } = site;
  const parts = [count(connections, 'connection', 'connections'), `${messagesPerConnection} messages each`];
  if (rate !== null) parts.push(rate);
  if (connectionRate !== null) parts.push(`connections ${connectionRate}`);
  if (ip !== null) parts.push(`IPv${ip} only`);
  const from = shipped ? ', as it ships' : '';
  return plain(`${name}, ${whys[by]}${from}: ${parts.join(', ')}`);
}

function presentFields(present: Present, now: number): Field[] {
  const { reason, state, connections, limits, quotas, failures, last, suspended, slowed, next } = present;
  const fields: Field[] = [
    ['takes', plain(`${wayText(present)}: ${reason}`)],
    ['there', `${state.replace('-', ' ')}, ${count(connections, 'connection', 'connections')}`],
    ...lines('levels', limits.map(levelText)),
    ...lines(
      'quotas',
      quotas.map((view) => quotaLevelText(view, now)),
    ),
  ];
  if (last !== null) {
    const hint = hintText(last);
    const pause = hint === null ? '' : `; for ${hint}`;
    fields.push(['shut by', `${count(failures, 'failure', 'failures')}: ${failureText(last)}${pause}`]);
  }
  if (suspended !== null)
    fields.push(['suspended', `until ${momentText(suspended.until)}: ${plain(suspended.reason)}`]);
  if (slowed !== null) fields.push(['slowed', `until ${momentText(slowed.until)}: ${plain(slowed.reason)}`]);
  if (next !== null) fields.push(['attempt', `${untilText(next, now)}, ${momentText(next)}`]);
  return fields;
}

function levelText({ of, open, allowed, connections, wait }: Present['limits'][number]): string {
  const parts = [];
  if (connections !== null) {
    const now = allowed ?? connections;
    const most = now === connections ? '' : ` (${connections} at most)`;
    parts.push(`${open} of ${count(now, 'connection', 'connections')} open${most}`);
  }
  if (wait !== null) parts.push(`next ${wait === 0 ? 'at once' : `in ${wait} ms`}`);
  return plain(`${of}: ${parts.join(', ')}`);
}
