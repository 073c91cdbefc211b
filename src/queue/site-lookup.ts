// Finds out to which sites a message's recipients belong, where a rule asks for it and nobody looked lately.
// claims.ts calls it before it places a message for an attempt, explain.ts before it explains one.
// Never fails, and never holds a run up: what nobody tells in time counts as unknown for a while, and the mail goes on.
import { domainOf } from '../mail/envelope.ts';
import type { Policy } from '../policy/policy.ts';
import type { Claim } from '../spool/spool.ts';
import type { QueueEntry } from './entry.ts';
import type { House } from './house.ts';
import { decisionFor, type Placed, type PlacementContext, stageOf } from './placement.ts';

/** A resolver answers within a second or not soon. */
const LONGEST_MS = 5_000;

/** Messages that wait for a look side by side; a run that finds one more waits for the first of them. */
const MOST_WAITING = 500;

/** Domains whose site would decide about one of these recipients, if it were known. */
export function sitesWanted(
  message: Placed,
  entry: Pick<QueueEntry, 'recipients' | 'tags' | 'released'>,
  context: Pick<PlacementContext, 'policy' | 'now' | 'site'>,
): string[] {
  if (!asksForSites(context.policy)) return [];
  const { recipients, tags = [] } = entry;
  const wanted = new Set<string>();
  for (const index of recipients) {
    const to = message.recipients[index] ?? '';
    const domain = domainOf(to);
    if (wanted.has(domain) || context.site(domain) !== undefined) continue;
    const { missing } = decisionFor(message, index, tags, context, stageOf(entry));
    if (missing.has('site')) wanted.add(domain);
  }
  return [...wanted];
}

/**
 * The message waits, claimed, until the domains are looked up; then it is due as it was. Others of its
 * destination, and all other destinations, go on meanwhile.
 */
export async function lookUpFirst(house: House, claim: Claim, domains: readonly string[]): Promise<void> {
  const { looking, dispatcher, stopping } = house;
  if (looking.size >= MOST_WAITING) await Promise.race(looking);
  const look = lookUpSites(house, domains, stopping).finally(() => {
    looking.delete(look);
    claim.release();
    dispatcher.arrived([claim.entry.destination]);
  });
  looking.add(look);
}

/** Puts the domains into the house's book. Resolves at once when `signal` aborts, with nothing learned. */
export async function lookUpSites(
  { delivery, sites, clock }: Pick<House, 'delivery' | 'sites' | 'clock'>,
  domains: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const patience = new AbortController();
  const timer = clock.after(LONGEST_MS, () => patience.abort());
  const either = AbortSignal.any([signal, patience.signal]);
  const lookUp = async (domain: string): Promise<void> => {
    const bestMx = await delivery.bestMx(domain, either);
    if (bestMx !== null || !signal.aborted) sites.learned(domain, bestMx);
  };
  await Promise.all(domains.map(lookUp));
  timer.cancel();
}

const asking = new WeakMap<Policy, boolean>();

/** Whether any rule does: most policies need none of this. */
function asksForSites(policy: Policy): boolean {
  let asks = asking.get(policy);
  if (asks === undefined) {
    asks = policy.rules.some(({ when }) => when.some(({ needs }) => needs.has('site')));
    asking.set(policy, asks);
  }
  return asks;
}
