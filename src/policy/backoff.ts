// What a receiver's words mean for all mail to it: rules that match replies, and what they do to the site.
// compile-sites.ts makes them from the keys of a site; queue/site-backoff.ts does what the first that fits says.
// Never decides about the message that was answered: that is its retry schedule's.
import { fits, type Glob } from './glob.ts';

/** Times in milliseconds. */
export type BackoffAction =
  /** No mail for the site's domains. */
  | { readonly kind: 'suspend'; readonly ms: number }
  /** Connections and rates times `to`, which is between 0 and 1. */
  | { readonly kind: 'slow'; readonly to: number; readonly ms: number };

export interface BackoffRule {
  /** Fits the whole reply, its lines joined by spaces. */
  readonly reply: Glob;
  readonly action: BackoffAction;
}

/** The first rule that fits a reply (lines joined by `\n`, with its code), or null. */
export function backoffFor(rules: readonly BackoffRule[], reply: string): BackoffRule | null {
  const text = reply.replaceAll('\n', ' ').toLowerCase();
  return rules.find((rule) => fits(rule.reply, text)) ?? null;
}
