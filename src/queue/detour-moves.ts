// A site that leaves a route and comes back to it: what the house does about it.
// claims.ts and run.ts tell of attempts, detours.ts decides, recall.ts and timers.ts keep it going.
// Never holds up an attempt: notes, events and the review of queued mail follow by themselves.
import { pause } from '../clock/clock.ts';
import { isOfSource } from '../delivery/failure.ts';
import type { Decision, Policy } from '../policy/policy.ts';
import type { Change, Claim } from '../spool/spool.ts';
import { type Detour, detourText, type Way, wayName } from './detours.ts';
import { withDue } from './entry.ts';
import type { House } from './house.ts';
import { hasUntried } from './pools.ts';
import { review } from './review.ts';
import type { RecipientOutcome } from './settle.ts';
import { lookUpSites } from './site-lookup.ts';
import { onItsWay } from './ways.ts';

/** Beginning of the names of the spool's notes. */
const NOTES = 'detour ';

/** What was placed a moment ago is in the spool by then. */
const COMMITTED_MS = 1_000;

/** lmdb takes 1978 octets. A site with so many hosts is left all the same, and a restart forgets it. */
const LONGEST_NOTE = 1024;

/**
 * A claimed message is where it belongs, and next in turn. The change that puts it off where its way was left
 * and all other routes of its list are passed over too; null: it goes, for all others where it is the one to try.
 */
export function aboutToTry(house: House, claim: Claim, decision: Decision): Change | null {
  const { entry } = claim;
  const { way, list } = onItsWay(house, claim, decision) ?? {};
  if (!way || !list) return null;
  const now = house.clock.now();
  const passed = entry.doubt ? null : house.detours.passed(way, entry.id, list, now);
  if (passed) return { put: [withDue(entry, passed.until)] };
  if (house.detours.takes(way, entry.id, list, now)) void letOthersPass(house, way);
  return null;
}

/** An attempt is over. */
export function tried(
  house: House,
  claim: Claim,
  decision: Decision,
  outcomes: Iterable<RecipientOutcome>,
): void {
  const mail = onItsWay(house, claim, decision);
  const all = [...outcomes];
  // A way is not shut as long as mail may get through from another address of ours.
  if (!mail || isOfOneSource(house.policy(), claim, all)) return;
  const { way, list } = mail;
  const move = house.detours.learn(way, { id: claim.entry.id, outcomes: all, list, now: house.clock.now() });
  if (move?.kind === 'left') leave(house, move.detour);
  else if (move) end(house, [move.detour], 'delivery');
}

function isOfOneSource(policy: Policy, { entry }: Claim, outcomes: readonly RecipientOutcome[]): boolean {
  const isFailure = (one: RecipientOutcome): boolean => one.kind === 'failed' && isOfSource(one.failure);
  return hasUntried(policy, entry) && outcomes.every(isFailure);
}

/** Puts in force again what the notes of an earlier process say, as far as the policy still wants it. */
export function recallDetours(house: House): void {
  for (const [, value] of house.spool.notes(NOTES)) house.detours.put(value as Detour);
  policyForgets(house);
  for (const detour of house.detours.all()) alarm(house, detour);
}

/** Another policy is in force: ways that no rule would leave any more are open. */
export function policyForgets(house: House): void {
  const policy = house.policy();
  end(
    house,
    house.detours.drop(({ route, site, class: failureClass }) => {
      const isSameWay = (policy.routes.get(route)?.via === 'mx') === (site !== null);
      return !isSameWay || !isLeft(policy, route, failureClass);
    }),
    'policy',
  );
}

/** Those that nobody has taken for long are over. */
export function endDetours(house: House, now: number): void {
  end(house, house.detours.dropForgotten(now), 'time');
}

function isLeft({ rules }: Policy, route: string, failureClass: Detour['class']): boolean {
  const isFollowed = rules.some(
    ({ ending }) => ending?.kind === 'route' && ending.routes.slice(0, -1).includes(route),
  );
  return isFollowed && rules.some(({ fallback }) => fallback?.memory && fallback.on.has(failureClass));
}

/** Told at once and noted behind: a delivery that ends it a moment later is told after it, and noted after it. */
function leave(house: House, detour: Detour): void {
  const { route, site, class: failureClass, failure: reason, messages } = detour;
  const until = new Date(detour.until).toISOString();
  house.observer.event({ event: 'route-left', route, site, class: failureClass, reason, messages, until });
  alarm(house, detour);
  note(house, [detour], detour);
  void moveAll(house, detour);
}

function alarm({ alarms }: House, detour: Detour): void {
  const { route, site, failure } = detour;
  alarms.raise('route-left', `${detourText(detour)}: ${failure}`, { route, site }, wayName(detour));
}

function end(house: House, ended: readonly Detour[], by: 'delivery' | 'policy' | 'time'): void {
  if (ended.length === 0) return;
  for (const detour of ended) {
    const { route, site } = detour;
    const since = new Date(detour.since).toISOString();
    house.observer.event({ event: 'route-back', route, site, since, by });
    house.alarms.clear('route-left', wayName(detour));
  }
  // A note that stays is dropped, or disproved, after the next start.
  note(house, ended, null);
}

function note(house: House, ways: readonly Way[], value: Detour | null): void {
  const names = ways.map((way) => NOTES + wayName(way));
  const kept = names.filter((name) => Buffer.byteLength(name) <= LONGEST_NOTE);
  const notes = Object.fromEntries(kept.map((name) => [name, value]));
  house.spool.change({ notes }).catch((error: unknown) => warn(house, error));
}

/**
 * Others that came after the detour's time were placed here too, and must not wait for what the one finds
 * out; some of them are still on their way to the disk.
 */
async function letOthersPass(house: House, way: Way): Promise<void> {
  await moveAll(house, way);
  if (await pause(house.clock, COMMITTED_MS, house.stopping)) await moveAll(house, way);
}

/** Mail that waits to go this way takes the next one. Never rejects. */
async function moveAll(house: House, way: Way): Promise<void> {
  await reviewWay(house, way).catch((error: unknown) => warn(house, error));
}

async function reviewWay(house: House, way: Way): Promise<void> {
  const policy = house.policy();
  for (const { key, route, domain, site } of [...house.destinations.all()]) {
    if (route !== way.route) continue;
    if (domain !== null && (house.sites.nameOf(policy, domain) ?? site) !== way.site) continue;
    // Placing must know it again.
    if (domain !== null && !house.sites.nameOf(policy, domain)) {
      await lookUpSites(house, [domain], house.stopping);
    }
    await review(house, key);
  }
}

function warn({ observer }: House, error: unknown): void {
  observer.warn('a detour could not be followed', { error: String(error) });
}
