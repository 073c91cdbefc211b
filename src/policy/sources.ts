// Which address of a route's pool a message leaves from: always the same one, until something speaks against it.
// queue/pools.ts asks with what it knows of the message and of the doors; delivery/ then binds to the address.
// Never chance and never memory: the same message in the same state gets the same address from everybody.
import { fractionOf } from './fraction.ts';
import type { SourceAddress } from './policy.ts';
import type { Passed } from './routing.ts';

/** What speaks for and against addresses. */
export interface PoolState {
  /** The address that the message has; null: none yet. */
  readonly present: string | null;
  /** The last attempt may have delivered it: a receiver knows its duplicates by where they come from, too. */
  readonly inDoubt: boolean;
  /** Those from which this message did not get through for the address's sake, the oldest first. */
  readonly avoided: readonly string[];
  /** Whether other mail for the same receiver just failed for the address's sake. */
  readonly isShut: (address: string) => boolean;
  /** Why no mail at all leaves from the address for now; null: it may. */
  readonly passed: (address: string) => Passed | null;
}

export interface SourceChoice {
  /** Null: the route names none, the system chooses. */
  readonly address: string | null;
  /** Nothing that this message or others met speaks against it. */
  readonly isFresh: boolean;
  /** Why not the one that it had, or would have; null: it is that one. */
  readonly reason: string | null;
}

/**
 * The present address stays, for greylisting knows it. Otherwise the message's own order of addresses decides,
 * and those that are used up or blocked are passed over. Where all are blocked, the one whose block is oldest
 * has its next turn; where all are used up, the one that can be used soonest.
 */
export function chooseSource(
  pool: readonly SourceAddress[],
  message: string,
  state: PoolState,
): SourceChoice {
  const own = ownOrder(pool, message);
  const isThere = state.present !== null && own.includes(state.present);
  const wanted = isThere ? [state.present, ...own.filter((one) => one !== state.present)] : own;
  const [first] = wanted;
  if (first === undefined) return { address: null, isFresh: false, reason: null };
  if (isThere && state.inDoubt) return { address: first, isFresh: false, reason: null };
  const usable = wanted.filter((address) => state.passed(address) === null);
  if (usable.length === 0) return { address: soonest(wanted, state), isFresh: false, reason: null };
  const fresh = usable.find((address) => !isAvoided(address, state));
  const address = fresh ?? longestAgo(usable, state.avoided);
  const isFresh = fresh !== undefined;
  return { address, isFresh, reason: address === first ? null : whyNot(first, address, state) };
}

/**
 * By weighted rendezvous: each address draws a number for the message, and the smallest wins. An address that
 * comes or goes moves its own share of messages and no others.
 */
function ownOrder(pool: readonly SourceAddress[], message: string): string[] {
  // One address needs no draw.
  if (pool.length < 2) return pool.map(({ address }) => address);
  const drawn = pool.map(({ address, weight }) => {
    // Never 0, of which there is no logarithm.
    const fraction = 1 - fractionOf(`${message} ${address}`);
    return { address, number: -Math.log(fraction) / weight };
  });
  return drawn.sort((a, b) => a.number - b.number).map(({ address }) => address);
}

function isAvoided(address: string, { avoided, isShut }: PoolState): boolean {
  return avoided.includes(address) || isShut(address);
}

function longestAgo(usable: readonly string[], avoided: readonly string[]): string {
  return usable.reduce((a, b) => (avoided.indexOf(b) < avoided.indexOf(a) ? b : a));
}

function soonest(all: readonly string[], { passed }: PoolState): string {
  const until = (address: string): number => passed(address)?.until ?? 0;
  return all.reduce((a, b) => (until(b) < until(a) ? b : a));
}

function whyNot(first: string, taken: string, { passed }: PoolState): string {
  return `from ${taken}: ${passed(first)?.reason ?? `${first} is blocked there or cannot be used`}`;
}
