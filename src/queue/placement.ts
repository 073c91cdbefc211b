// Where each recipient of a message belongs now: its destination, and the decision that says so.
// Asked when mail is queued, before each attempt and in a review; policy/ decides, this groups.
// Never changes anything: it returns groups, the caller commits them.
import { domainOf, type Message } from '../mail/envelope.ts';
import { decide } from '../policy/evaluate.ts';
import type { Decision, Policy, RejectReply } from '../policy/policy.ts';
import { chooseRoute, type RouteChoice, type RouteList } from '../policy/routing.ts';
import type { BackOff } from './destinations.ts';
import { type DestinationKey, destinationKey, parseDestination, type QueueEntry } from './entry.ts';

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
  | { readonly kind: 'discard'; readonly route: string; readonly recipients: readonly number[] }
  | {
      readonly kind: 'reject';
      readonly rule: string;
      readonly reply: RejectReply;
      readonly recipients: readonly number[];
    };

/** A recipient whose mail ends at a discard route. */
export interface Discarded {
  readonly index: number;
  readonly route: string;
}

export function discardedBy(placements: readonly Placement[]): Discarded[] {
  return placements.flatMap((placement) => {
    if (placement.kind !== 'discard') return [];
    return placement.recipients.map((index) => ({ index, route: placement.route }));
  });
}

/** What placing needs to know of the world: the policy in force and which doors are closed. */
export interface PlacementContext {
  readonly policy: Policy;
  /** What closed a destination's door, while it is closed; null: a message may knock. */
  readonly door: (destination: DestinationKey) => Pick<BackOff, 'failures' | 'last'> | null;
}

export type Placed = Pick<Message, 'from' | 'recipients' | 'routeOverride'>;

/** Groups `recipients` (indexes) of the message; `entry` is their present state, if they have one. */
export function place(
  message: Placed,
  recipients: readonly number[],
  entry: QueueEntry | null,
  context: PlacementContext,
): Placement[] {
  const groups = new Map<string, Placement & { recipients: number[] }>();
  for (const index of recipients) {
    const placement = placeOne(message, index, entry, context);
    const key = groupKey(placement);
    const group = groups.get(key);
    if (group) group.recipients.push(index);
    else groups.set(key, { ...placement, recipients: [index] });
  }
  return [...groups.values()];
}

function placeOne(
  message: Placed,
  index: number,
  entry: QueueEntry | null,
  context: PlacementContext,
): Placement {
  const to = message.recipients[index] ?? '';
  const recipients = [index];
  const decision = decide(context.policy, { from: message.from, to });
  if (decision.ending.kind === 'reject') {
    return { kind: 'reject', rule: decision.rule, reply: decision.ending.reply, recipients };
  }
  const { route, reason } = routeChoice(message, decision, to, entry, context);
  if (context.policy.routes.get(route)?.via === 'discard') return { kind: 'discard', route, recipients };
  const destination = destinationOf(context.policy, route, to);
  return { kind: 'queue', destination, decision, reason, recipients };
}

/** The reason of a route that was forced. */
export const FORCED = 'the operator chose it';

/** The route that a recipient takes now, and why; `decision` is one that ends in routes. */
export function routeChoice(
  message: Pick<Placed, 'routeOverride'>,
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
  const doorOf = (route: string) => context.door(destinationOf(policy, route, to));
  const present = entry ? parseDestination(entry.destination).route : null;
  const door = present === null ? null : doorOf(present);
  const choice = chooseRoute(list, {
    present,
    routeAttempts: entry?.routeAttempts ?? 0,
    destinationFailures: door?.failures ?? 0,
    failure: door?.last ?? entry?.last ?? null,
    inDoubt: entry?.doubt !== undefined,
  });
  if (!policy.routes.has(choice.route)) {
    return {
      route: list.routes[0] ?? choice.route,
      index: 0,
      reason: `there is no ${choice.route} any more`,
    };
  }
  return choice.route === present ? choice : pastClosedDoors(choice, list, doorOf);
}

/** A fallback whose own door is closed is no help: on to the next one, as its failures allow. */
function pastClosedDoors(
  first: RouteChoice,
  list: RouteList,
  doorOf: (route: string) => Pick<BackOff, 'failures' | 'last'> | null,
): RouteChoice {
  let choice = first;
  for (let door = doorOf(choice.route); door; door = doorOf(choice.route)) {
    const { failures: destinationFailures, last: failure } = door;
    const state = { present: choice.route, routeAttempts: 0, destinationFailures, failure, inDoubt: false };
    const next = chooseRoute(list, state);
    if (next.index === choice.index) break;
    choice = next;
  }
  return choice;
}

/** A smarthost is one destination for all domains; direct mail has one for each. */
export function destinationOf(policy: Policy, route: string, to: string): DestinationKey {
  return destinationKey(route, policy.routes.get(route)?.via === 'smarthost' ? null : domainOf(to));
}

function groupKey(placement: Placement): string {
  if (placement.kind === 'discard') return `discard ${placement.route}`;
  if (placement.kind === 'reject') return `reject ${placement.rule}`;
  const { rule, retry } = placement.decision;
  return `queue ${placement.destination} ${rule} ${retry.name}`;
}
