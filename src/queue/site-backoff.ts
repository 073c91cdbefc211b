// Does what the back-off rules of a site say when a reply fits one: no mail for a while, or less of it.
// run.ts shows it what each attempt heard; suspensions and slowdowns are what it changes.
// Never touches the mail that was answered, and never shortens what an operator ordered.

import { SLOW_NOTES, type Slowdown, slowNote } from '../limits/slowdowns.ts';
import { type BackoffRule, backoffFor } from '../policy/backoff.ts';
import type { Site } from '../policy/policy.ts';
import type { House } from './house.ts';
import type { RecipientOutcome } from './settle.ts';
import { suspend } from './suspend.ts';

/** What several connections hear in one moment is said once. */
const ONCE_MS = 60_000;

/** Of a reply in reasons and notes: enough to know it again. */
const LONGEST_REPLY = 300;

export function heed(house: House, site: Site, outcomes: Iterable<RecipientOutcome>): void {
  if (site.backoff.length === 0) return;
  for (const outcome of outcomes) {
    const reply = outcome.kind === 'failed' ? outcome.failure.reply : undefined;
    const rule = reply === undefined ? null : backoffFor(site.backoff, reply);
    if (rule) {
      obey(house, site.name, rule, (reply ?? '').slice(0, LONGEST_REPLY));
      return;
    }
  }
}

function obey(house: House, site: string, rule: BackoffRule, reply: string): void {
  const now = house.clock.now();
  const until = now + rule.action.ms;
  const done =
    rule.action.kind === 'suspend'
      ? suspendSite(house, site, rule, reply, now)
      : slowSite(house, { site, to: rule.action.to, since: now, until, rule: rule.reply.text, reply });
  if (done === null) return;
  const { kind } = rule.action;
  const to = rule.action.kind === 'slow' ? rule.action.to : null;
  const end = new Date(until).toISOString();
  house.observer.event({
    event: 'backoff',
    site,
    rule: rule.reply.text,
    reply,
    action: kind,
    to,
    until: end,
  });
  done.catch((error: Error) => {
    house.observer.warn('a back-off is not on disk', { site, error: error.message });
  });
}

/** Null when one is over the site that lasts as long. */
function suspendSite(
  house: House,
  site: string,
  { reply: { text }, action }: BackoffRule,
  reply: string,
  since: number,
): Promise<void> | null {
  const until = since + action.ms;
  const before = house.destinations.suspensions.get({ site });
  if (before && (before.until >= until || since - before.since < ONCE_MS)) return null;
  const reason = `its reply fits the back-off rule "${text}": ${reply.replaceAll('\n', ' ')}`;
  return suspend(house, { site, reason, since, until });
}

/** Null when the site has just been told. Several in a row make it longer, not slower. */
function slowSite(house: House, slowdown: Slowdown): Promise<void> | null {
  const { site, since, until } = slowdown;
  const before = house.slowdowns.of(site, since);
  if (before && (since - before.since < ONCE_MS || (before.to < slowdown.to && before.until > until)))
    return null;
  house.slowdowns.add(slowdown);
  return house.spool.change({ notes: { [slowNote(site)]: slowdown } });
}

/** Those whose time is over. */
export function endSlowdowns(house: House, now: number): void {
  const ended = house.slowdowns.takeEnded(now);
  if (ended.length === 0) return;
  for (const { site } of ended)
    house.observer.info('a site has all its connections and rates again', { site });
  // Those who waited under the lower limit.
  house.dispatcher.limitsChanged();
  const notes = Object.fromEntries(ended.map(({ site }) => [slowNote(site), null]));
  house.spool.change({ notes }).catch((error: Error) => {
    house.observer.warn('the notes of ended slowdowns could not be removed', { error: error.message });
  });
}

/** Puts in force again what the notes of an earlier process say. */
export function recallSlowdowns(house: House): void {
  for (const [, value] of house.spool.notes(SLOW_NOTES)) house.slowdowns.add(value as Slowdown);
}
