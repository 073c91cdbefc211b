// Where each recipient of a message belongs now: its destination, and the decision that says so.
// Asked when mail is queued, before each attempt and in a review; policy/ decides, this groups.
// Never changes anything: it returns groups, the caller commits them.
import { domainOf, type Message, type QueueId } from '../mail/envelope.ts';
import { decide, type Stage } from '../policy/evaluate.ts';
import { hoursText } from '../policy/hours.ts';
import type { Decision, MailFacts, Policy, RejectReply } from '../policy/policy.ts';
import {
  chooseRoute,
  type Passed,
  type RouteChoice,
  type RouteList,
  type RouteState,
} from '../policy/routing.ts';
import type { BackOff } from './destinations.ts';
import { type DestinationKey, parseDestination, type QueueEntry } from './entry.ts';
import { destinationOf, sourceFor } from './pools.ts';

/** Recipients that go the same way under the same settings. */
export type Placement =
  | {
      readonly kind: 'queue';
      readonly destination: DestinationKey;
      readonly decision: Decision;
      /** Why its route, in words. */
      readonly reason: string;
      readonly recipients: readonly number[];
    }
  | {
      readonly kind: 'discard';
      readonly rule: string;
      readonly route: string;
      readonly recipients: readonly number[];
    }
  | {
      readonly kind: 'reject';
      readonly rule: string;
      readonly reply: RejectReply;
      readonly recipients: readonly number[];
    }
  | {
      readonly kind: 'hold';
      readonly rule: string;
      readonly reason: string;
      readonly recipients: readonly number[];
    };

/** Why policy keeps the mail of such a placement from being tried. */
export function holdReason(placement: Extract<Placement, { kind: 'reject' | 'hold' }>): string {
  const { rule } = placement;
  if (placement.kind === 'hold') return `rule "${rule}": ${placement.reason}`;
  return `rule "${rule}" would now reject it: ${placement.reply.text}`;
}

/** A recipient whose mail is thrown away: by a discard route, or, without one, by the rule itself. */
export interface Discarded {
  readonly index: number;
  readonly route: string | null;
  readonly rule: string;
}

export function discardedBy(placements: readonly Placement[]): Discarded[] {
  return placements.flatMap((placement) => {
    if (placement.kind !== 'discard') return [];
    const { route, rule } = placement;
    return placement.recipients.map((index) => ({ index, route, rule }));
  });
}

/** What placing needs to know of the world: the policy in force, which doors are closed, where domains' mail goes. */
export interface PlacementContext {
  readonly policy: Policy;
  readonly now: number;
  /** What closed a destination's door, while it is closed; null: a message may knock. */
  readonly door: (destination: DestinationKey) => Pick<BackOff, 'failures' | 'last'> | null;
  /** The site of a domain's direct mail; null: it cannot be found out; undefined: nobody looked lately. */
  readonly site: (domain: string) => string | null | undefined;
  /** Why a message to a domain, whose decision has this list, passes a route over for now. */
  readonly passed: (route: string, message: QueueId, domain: string, list: RouteList) => Passed | null;
  /** Why no mail leaves from an address of ours for now. */
  readonly sourcePassed: (address: string) => Passed | null;
}

/** What placing looks at. */
export type Placed = Pick<Message, 'id' | 'from' | 'recipients' | 'routeOverride' | 'client' | 'header'> &
  Partial<Pick<Message, 'size'>>;

/** What the rules may look at. `header` and `size` are left out while the content is not known. */
export function factsOf(
  { from, client, header, size }: Partial<Placed> & Pick<Placed, 'from'>,
  to: string,
  tags: readonly string[],
  context: Pick<PlacementContext, 'now' | 'site'>,
): MailFacts {
  const site = context.site(domainOf(to));
  return {
    from,
    to,
    user: client?.user ?? null,
    client: client?.address ?? null,
    tags,
    at: context.now,
    ...(size !== undefined && { size, header: header ?? {} }),
    ...(site !== undefined && { site }),
  };
}

/** What acceptance said of recipients. */
export interface AtAcceptance {
  readonly tags: readonly string[];
  /** By index, of those for whom a second look would say the same. */
  readonly decisions?: ReadonlyMap<number, Decision>;
}

/**
 * Groups `recipients` (indexes) of the message; `entry` is their present state, if they have one, and
 * `accepted` what acceptance said of those that have none.
 */
export function place(
  message: Placed,
  recipients: readonly number[],
  entry: QueueEntry | null,
  context: PlacementContext,
  accepted: AtAcceptance = { tags: entry?.tags ?? [] },
): Placement[] {
  const groups = new Map<string, Placement & { recipients: number[] }>();
  for (const index of recipients) {
    const placement = placeOne(message, index, entry, accepted, context);
    const key = groupKey(placement);
    const group = groups.get(key);
    if (group) group.recipients.push(index);
    else groups.set(key, { ...placement, recipients: [index] });
  }
  return [...groups.values()];
}

/** What policy says now of one recipient that was accepted. */
export function decisionFor(
  message: Placed,
  index: number,
  tags: readonly string[],
  context: Pick<PlacementContext, 'policy' | 'now' | 'site'>,
  stage: Stage = 'queued',
): Decision {
  const to = message.recipients[index] ?? '';
  return decide(context.policy, factsOf(message, to, tags, context), stage);
}

/** How far mail that is queued has come. */
export function stageOf(entry: Pick<QueueEntry, 'released'> | null): Stage {
  return entry?.released ? 'released' : 'queued';
}

function placeOne(
  message: Placed,
  index: number,
  entry: QueueEntry | null,
  { tags, decisions }: AtAcceptance,
  context: PlacementContext,
): Placement {
  const to = message.recipients[index] ?? '';
  const recipients = [index];
  const decision = decisions?.get(index) ?? decisionFor(message, index, tags, context, stageOf(entry));
  const { rule, ending } = decision;
  if (ending.kind === 'reject') return { kind: 'reject', rule, reply: ending.reply, recipients };
  if (ending.kind === 'hold') return { kind: 'hold', rule, reason: ending.reason, recipients };
  const { route, reason: why } = routeChoice(message, decision, to, entry, context);
  if (context.policy.routes.get(route)?.via === 'discard')
    return { kind: 'discard', rule, route, recipients };
  const source = sourceFor(message, route, to, entry, context);
  const destination = destinationOf(context.policy, route, source.address, to);
  const reason = source.reason === null ? why : `${why}; ${source.reason}`;
  return { kind: 'queue', destination, decision, reason, recipients };
}

/** The reason of a route that was forced. */
export const FORCED = 'the operator chose it';

/** The route that a recipient takes now, and why; `decision` is one that ends in routes. */
export function routeChoice(
  message: Pick<Placed, 'id' | 'routeOverride'>,
  decision: Decision,
  to: string,
  entry: QueueEntry | null,
  context: PlacementContext,
): RouteChoice {
  const { policy } = context;
  const routeOverride = entry?.routeOverride ?? message.routeOverride;
  if (routeOverride !== undefined && policy.routes.has(routeOverride)) {
    return { route: routeOverride, index: -1, reason: FORCED };
  }
  if (decision.ending.kind !== 'route') throw new Error('a rejected recipient has no route');
  const list = { routes: decision.ending.routes, fallback: decision.fallback };
  const sourceBy = (route: string) => sourceFor(message, route, to, entry, context);
  const doorOf = (route: string) => context.door(destinationOf(policy, route, sourceBy(route).address, to));
  const passed: RouteState['passed'] = (route) => context.passed(route, message.id, domainOf(to), list);
  const present = entry ? parseDestination(entry.destination).route : null;
  const door = entry && context.door(entry.destination);
  const choice = chooseRoute(list, {
    present,
    routeAttempts: entry?.routeAttempts ?? 0,
    destinationFailures: door?.failures ?? 0,
    failure: door?.last ?? entry?.last ?? null,
    sourceLeft: present !== null && sourceBy(present).isFresh,
    inDoubt: entry?.doubt !== undefined,
    passed,
  });
  if (!policy.routes.has(choice.route)) {
    return {
      route: list.routes[0] ?? choice.route,
      index: 0,
      reason: `there is no ${choice.route} any more`,
    };
  }
  return choice.route === present ? choice : pastClosedDoors(choice, list, doorOf, passed);
}

/** A fallback whose own door is closed is no help: on to the next one, as its failures allow. */
function pastClosedDoors(
  first: RouteChoice,
  list: RouteList,
  doorOf: (route: string) => Pick<BackOff, 'failures' | 'last'> | null,
  passed: RouteState['passed'],
): RouteChoice {
  let choice = first;
  for (let door = doorOf(choice.route); door; door = doorOf(choice.route)) {
    const { failures: destinationFailures, last: failure } = door;
    const known = { routeAttempts: 0, sourceLeft: false, inDoubt: false, passed };
    const state = { ...known, present: choice.route, destinationFailures, failure };
    const next = chooseRoute(list, state);
    if (next.index === choice.index) break;
    choice = next;
  }
  return choice;
}

function groupKey(placement: Placement): string {
  if (placement.kind === 'discard') return `discard ${placement.route} ${placement.rule}`;
  if (placement.kind === 'reject') return `reject ${placement.rule}`;
  if (placement.kind === 'hold') return `hold ${placement.rule}`;
  const { rule, retry, priority, window, bounces } = placement.decision;
  const told = bounces.to === 'address' ? bounces.address : bounces.to;
  const times = [retry.name, retry.warn, window && hoursText(window)];
  return ['queue', placement.destination, rule, ...times, priority, told].join(' ');
}
