// Why mail goes where it goes: policy's decision for one recipient, and how things stand there at this moment.
// control.ts answers `explain` and `queue show` with it; policy/explanation.ts words the decision.
// Never changes anything: nothing is reserved, no place is taken, no run is asked for.
import { formatShare } from '../config/quantities.ts';
import { domainOf, type Message } from '../mail/envelope.ts';
import { type Course, courseOf } from '../policy/course.ts';
import { decide } from '../policy/evaluate.ts';
import { explainArrival, explainQueuedMail } from '../policy/explanation.ts';
import { nextOpening } from '../policy/hours.ts';
import type { Decision, MailFacts, MxRoute, Policy, Route, Site } from '../policy/policy.ts';
import type { RouteChoice } from '../policy/routing.ts';
import { siteNamed } from '../policy/sites.ts';
import { type Destination, standing } from '../queue/destinations.ts';
import { parseDestination, type QueueEntry } from '../queue/entry.ts';
import { type House, placementContext } from '../queue/house.ts';
import { factsOf, type Placed, routeChoice, stageOf } from '../queue/placement.ts';
import { destinationOf, sourceFor } from '../queue/pools.ts';
import type { Origin } from '../queue/quotas.ts';
import { lookUpSites } from '../queue/site-lookup.ts';
import { inForce, type Suspension } from '../queue/suspensions.ts';
import { currentLevels, levels } from './levels.ts';
import type { Explanation, Present, QuotaView, Waiting } from './operations.ts';
import { quotaLevels } from './quota-views.ts';
import { waitingFor } from './views.ts';

/** A message that is not here; its domain's MX hosts are looked up where a rule or a direct route asks for them. */
export async function explainNew(house: House, mail: MailFacts): Promise<Explanation> {
  const policy = house.policy();
  const given = { ...mail, at: house.clock.now() };
  const walk = (): Course => courseOf(policy, given, (domain) => house.sites.nameOf(policy, domain));
  const unknown = domainsAskedFor(policy, given, walk()).filter(
    (domain) => !house.sites.nameOf(policy, domain),
  );
  if (unknown.length > 0) await lookUpSites(house, unknown, house.stopping);
  const course = walk();
  const { to } = course.mail;
  const site = house.sites.siteOf(policy, domainOf(to));
  const present = presentOf(house, { id: '', ...senderOf(course.mail) }, course.last, to, null, site);
  return { ...explainArrival(policy, given, course, site), present: await refreshed(house, present, site) };
}

/** With the levels of this moment: a person is waiting, and other daemons may have all slots. */
async function refreshed(house: House, present: Present | null, site: Site | null): Promise<Present | null> {
  const route = present && house.policy().routes.get(present.route);
  if (!route || route.via === 'discard') return present;
  return { ...present, limits: await currentLevels(house, { route, site, source: present.source }) };
}

/** Domains whose MX hosts a rule or a direct route asks for. */
function domainsAskedFor(policy: Policy, { to }: MailFacts, course: Course): string[] {
  const { rewritten, accepted, mail, last } = course;
  const first = rewritten?.to[0] ?? to;
  const asks = last.missing.has('site') || directRoute(policy, last) !== null;
  return [...(accepted.missing.has('site') ? [domainOf(first)] : []), ...(asks ? [domainOf(mail.to)] : [])];
}

/** A recipient of `entry`; the site is the one that the last look at the MX hosts found. */
export function explainQueued(house: House, message: Message, entry: QueueEntry, index: number): Explanation {
  const policy = house.policy();
  const to = message.recipients[index] ?? '';
  const facts = factsOf(message, to, entry.tags ?? [], placementContext(house));
  const stage = stageOf(entry);
  const decision = decide(policy, facts, stage);
  const site = knownSite(house, policy, decision, to);
  const present = presentOf(house, message, decision, to, entry, site);
  return { ...explainQueuedMail(policy, facts, site, stage), present };
}

/** The direct route of the list whose site is asked for. */
function directRoute(policy: Policy, { ending }: Decision): MxRoute | null {
  if (ending.kind !== 'route') return null;
  const routes = ending.routes.map((name) => policy.routes.get(name));
  return routes.find((route) => route?.via === 'mx') ?? null;
}

function knownSite(house: House, policy: Policy, decision: Decision, to: string): Site | null {
  const route = directRoute(policy, decision);
  if (!route) return null;
  const name = lastSite(house, route.name, domainOf(to));
  return house.sites.siteOf(policy, domainOf(to)) ?? (name === null ? null : siteNamed(policy, name));
}

/** As the last run found it, from whatever address of ours. */
function lastSite({ destinations }: House, route: string, domain: string): string | null {
  for (const one of destinations.all()) {
    if (one.route === route && one.domain === domain && one.site !== null) return one.site;
  }
  return null;
}

function senderOf({ from, client = null, user = null }: MailFacts): Origin {
  return { from, ...(client !== null && { client: { address: client, ...(user !== null && { user }) } }) };
}

/** Null for a recipient that no route takes. */
function presentOf(
  house: House,
  message: Pick<Placed, 'id' | 'routeOverride'> & Origin,
  decision: Decision,
  to: string,
  entry: QueueEntry | null,
  site: Site | null,
): Present | null {
  if (decision.ending.kind !== 'route') return null;
  const context = placementContext(house);
  const choice = routeChoice(message, decision, to, entry, context);
  const { route: name } = choice;
  const route = context.policy.routes.get(name);
  if (!route || route.via === 'discard') return null;
  const { address: source, reason } = sourceFor(message, name, to, entry, context);
  const destination = house.destinations.get(destinationOf(context.policy, name, source, to));
  const now = house.clock.now();
  const suspension = suspensionThere(house, route, site, domainOf(to), now);
  const open = Math.max(
    destination?.backOff?.until ?? 0,
    suspension?.until ?? 0,
    destination?.notBefore ?? 0,
  );
  const ready = Math.max(entry?.due ?? now, open, now);
  const quotas = quotaLevels(house, message, name, source);
  const full = entry?.quotaWaived ? null : senderFull(quotas);
  const allowed = Math.max(ready, Date.parse(full?.opens ?? '') || 0);
  const next = decision.window === null ? allowed : nextOpening(decision.window, allowed);
  const isHeld = entry?.hold !== undefined || full?.over === 'hold';
  return {
    route: name,
    source,
    reason: [choice.reason, cameBy(choice, entry), reason].filter((part) => part !== null).join('; '),
    state: suspension ? 'suspended' : destination ? standing(destination, now) : 'new',
    connections: destination?.running ?? 0,
    limits: levels(house, { route, site, source }),
    quotas,
    ...closing(destination),
    suspended: waitingFor(suspension),
    slowed: slowedThere(house, route, site, now),
    next: isHeld ? null : new Date(next).toISOString(),
  };
}

/** A quota of whoever sends it that lets it make no attempt: it would wait, or be held. */
function senderFull(quotas: readonly QuotaView[]): QuotaView | null {
  return quotas.find(({ left, over }) => left <= 0 && (over === 'hold' || over === 'defer')) ?? null;
}

/** What brought mail to the route that it is on, where that is not the first of its list; null: nothing did. */
function cameBy({ route, index }: RouteChoice, entry: QueueEntry | null): string | null {
  if (index < 1 || !entry?.routeReason || parseDestination(entry.destination).route !== route) return null;
  return `it came there: ${entry.routeReason}`;
}

function slowedThere({ slowdowns }: House, { via }: Route, site: Site | null, now: number): Waiting | null {
  const slowdown = slowdowns.of(via === 'mx' && site ? site.name : null, now);
  if (!slowdown) return null;
  const { to, rule, reply, until } = slowdown;
  const reason = `to ${formatShare(to)}, its reply fits the back-off rule "${rule}": ${reply.replaceAll('\n', ' ')}`;
  return { reason, until: new Date(until).toISOString() };
}

function suspensionThere(
  { destinations }: House,
  { name, via }: Route,
  site: Site | null,
  domain: string,
  now: number,
): Suspension | null {
  const where = { route: name, domain, site: via === 'mx' ? (site?.name ?? null) : null };
  return inForce(destinations.suspensions.over(where), now);
}

function closing(destination: Destination | undefined): Pick<Present, 'failures' | 'last'> {
  const backOff = destination?.backOff;
  return { failures: backOff?.failures ?? 0, last: backOff?.last ?? null };
}
