// Answers that a receiver might give, as somebody writes them down: `451,'550 5.1.1 unknown',timeout`.
// simulate.ts plays them; classify.ts and failures.ts judge them as they judge the real ones.
// Never a network: what would have been said is given.
import { judge } from '../delivery/classify.ts';
import type { Failure, Phase } from '../delivery/failure.ts';
import { failureKinds, lossFailure, openingFailure } from '../delivery/failures.ts';
import { parseReply, type Reply } from '../delivery/reply.ts';
import type { Route } from '../policy/policy.ts';
import type { RecipientOutcome } from '../queue/settle.ts';

/** Trouble without a reply. `lost`: the connection, after the final dot. */
export const troubles = ['timeout', 'refused', 'dns', 'lost'] as const;
export type Trouble = (typeof troubles)[number];

/** `text`: as it was written. */
export type SimulatedReply =
  | { readonly kind: 'reply'; readonly text: string; readonly reply: Reply }
  | { readonly kind: 'trouble'; readonly text: Trouble };

/** Between commas; a text that has one itself stands in quotes, single or double. */
export function parseReplies(text: string): readonly SimulatedReply[] | { readonly wrong: string } {
  const parts = text.match(/\s*(?:'[^']*'|"[^"]*"|[^,'"]+)\s*(?:,|$)|.+/g) ?? [];
  const replies: SimulatedReply[] = [];
  for (const part of parts) {
    const one = part.replace(/,$/, '').trim();
    const reply = simulated(one.replace(/^(['"])(.*)\1$/, '$2').trim());
    if (reply === null) return { wrong: one };
    replies.push(reply);
  }
  return replies.length === 0 ? { wrong: text } : replies;
}

function simulated(text: string): SimulatedReply | null {
  const trouble = troubles.find((known) => known === text);
  if (trouble !== undefined) return { kind: 'trouble', text: trouble };
  const reply = parseReply(text);
  // 1xx and 3xx end nothing (RFC 5321 §4.2.1).
  return reply !== null && /^[245]/.test(text) ? { kind: 'reply', text, reply } : null;
}

/** What an attempt by `route` makes of it, with one recipient and one host that matters. */
export function outcomeOf(said: SimulatedReply, route: Exclude<Route, { via: 'discard' }>): RecipientOutcome {
  if (said.kind === 'trouble') return { kind: 'failed', failure: failureOf(said.text, route.via) };
  const { reply } = said;
  if (reply.code < 300) return { kind: 'delivered', reply: reply.text };
  return { kind: 'failed', failure: judge(reply, phaseOf(reply), route.via === 'smarthost') };
}

function failureOf(trouble: Trouble, via: 'mx' | 'smarthost'): Failure {
  switch (trouble) {
    case 'timeout':
      return openingFailure('connect', 'no answer in time', '');
    case 'refused':
      return openingFailure('connect', 'connection refused', 'ECONNREFUSED');
    case 'dns': {
      const { lookupFailed, addressLookupFailed } = failureKinds;
      return { ...(via === 'mx' ? lookupFailed : addressLookupFailed), text: 'the look-up failed' };
    }
    case 'lost':
      return lossFailure(
        { kind: 'lost', cause: 'closed', reason: 'the connection was lost' },
        'final-dot',
        true,
      );
  }
}

/** Most refusals come at RCPT; a login is refused at AUTH (RFC 4954 §6), a host that is leaving says so at once. */
function phaseOf({ code }: Reply): Phase {
  if (code === 421) return 'greeting';
  return code === 535 || code === 538 ? 'auth' : 'rcpt';
}
