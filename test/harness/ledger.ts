// What one test did to the books of a daemon that several tests share.
// Opened before the test sends anything; the difference is what the test accounts for.
// Never accepts books that do not balance.
import { expect } from 'vitest';
import type { Books } from './books.ts';
import type { Sendoff } from './sendoff.ts';

export interface Ledger {
  /** Waits until exactly this came in since; what is not named is 0. */
  shows(expected: Partial<Books>): Promise<void>;
}

const NOTHING: Books = {
  accepted: 0,
  delivered: 0,
  bounced: 0,
  expired: 0,
  discarded: 0,
  removed: 0,
  queued: 0,
  held: 0,
};

export async function openLedger(sendoff: Sendoff): Promise<Ledger> {
  const before = await sendoff.books();
  return {
    async shows(expected) {
      await expect
        .poll(async () => difference(await sendoff.books(), before), { timeout: 15_000, interval: 20 })
        .toEqual({ ...NOTHING, ...expected });
      expect(balance(await sendoff.books())).toBe(0);
    },
  };
}

function difference(now: Books, before: Books): Books {
  const of = (key: keyof Books): [string, number] => [key, now[key] - before[key]];
  return Object.fromEntries((Object.keys(NOTHING) as (keyof Books)[]).map(of)) as unknown as Books;
}

/** Accepted recipients that are nowhere; 0 at any moment. */
export function balance(books: Books): number {
  const { accepted, delivered, bounced, expired, discarded, removed, queued } = books;
  return accepted - delivered - bounced - expired - discarded - removed - queued;
}
