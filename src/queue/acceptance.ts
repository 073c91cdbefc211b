// What policy makes of a message when it comes: other addresses, refusals, copies, and what its entries keep.
// enqueue.ts asks before a commit, intake.ts at RCPT; policy/rewrite.ts and policy/evaluate.ts decide.
// Never places anything: routes, holds and schedules are looked up again as long as the mail waits.
import type { Address, Message } from '../mail/envelope.ts';
import type { HeaderEdit } from '../mail/header-edit.ts';
import { decide } from '../policy/evaluate.ts';
import type { Decision, Policy, RejectReply, Rule } from '../policy/policy.ts';
import { DEEPEST_ALIAS, expanded, rewrittenSender } from '../policy/rewrite.ts';
import { copiesOf } from './copies.ts';
import {
  type AtAcceptance,
  type Discarded,
  factsOf,
  type Placed,
  type PlacementContext,
} from './placement.ts';

/** Recipients that are alike in what acceptance fixed. */
export interface Part extends AtAcceptance {
  /** Indexes into the message's recipients, ascending. */
  readonly recipients: readonly number[];
  readonly edit: HeaderEdit | null;
  /** Copies: no sender hears of them. */
  readonly isQuiet: boolean;
}

export interface Refusal {
  readonly rule: string;
  readonly reply: RejectReply;
}

export interface Acceptance {
  /** With the addresses that it goes to: after rewriting, aliases and redirects, the copies at the end. */
  readonly message: Message;
  /** All recipients but the discarded ones. */
  readonly parts: readonly Part[];
  readonly discarded: readonly Discarded[];
  /** Why a client's message is not taken. What the daemon wrote itself is held instead. */
  readonly refusal: Refusal | null;
}

export function accept(given: Message, context: PlacementContext): Acceptance {
  const from = rewrittenSender(context.policy.rewrite, given.from);
  const all = given.recipients.flatMap((to) => arrivalsOf({ ...given, from }, to, context));
  const arrivals = once(all);
  const copies = copiesOf(
    arrivals.map(({ to, looked, decision }) => ({ to, looked, copies: decision.fixed.copies })),
  );
  const recipients = [...arrivals.map(({ to }) => to), ...copies.map(({ to }) => to)];
  const copyParts = copies.map(({ edit }, n): Part => {
    return { recipients: [arrivals.length + n], tags: [], edit, isQuiet: true };
  });
  return {
    message: { ...given, from, recipients },
    parts: [...partsOf(arrivals), ...copyParts],
    discarded: arrivals.flatMap(({ decision }, index) =>
      isDiscarded(decision) ? [{ index, route: null, rule: decision.rule }] : [],
    ),
    refusal: refusalOf(all),
  };
}

/** What the envelope alone decides of a recipient; null: welcome so far. `mail` without content. */
export function refusalAtRcpt(
  mail: Pick<Message, 'from' | 'client'>,
  to: Address,
  context: PlacementContext,
): Refusal | null {
  if (!mayRefuse(context.policy)) return null;
  const from = rewrittenSender(context.policy.rewrite, mail.from);
  const refused = arrivalsOf({ ...mail, from }, to, context).find(({ refusal }) => refusal !== null);
  return refused?.refusal ?? null;
}

/** Without a rule that rejects, and without aliases that might have no end, nothing is refused. */
function mayRefuse({ rules, otherwise, rewrite }: Policy): boolean {
  return !rewrite.recipients.isEmpty || rules.some(isRejecting) || isRejecting(otherwise);
}

const isRejecting = ({ ending }: Rule): boolean => ending?.kind === 'reject';

/** One address that a recipient became. */
interface Arrival {
  /** As the client gave it. */
  readonly given: Address;
  /** As the rules looked at it: after its aliases. */
  readonly looked: Address;
  /** Where the mail goes: after a redirect. */
  readonly to: Address;
  readonly decision: Decision;
  readonly refusal: Refusal | null;
}

type Arriving = Partial<Placed> & Pick<Placed, 'from'>;

function arrivalsOf(mail: Arriving, given: Address, context: PlacementContext): Arrival[] {
  const expansion = expanded(context.policy.rewrite, given);
  const targets = 'chain' in expansion ? [given] : expansion.recipients;
  return targets.map((looked) => {
    const arrival = arrivalOf(mail, given, looked, context);
    return 'chain' in expansion ? { ...arrival, refusal: ENDLESS } : arrival;
  });
}

/** RFC 3463 §3.5: x.4.6 is a routing loop. */
const ENDLESS: Refusal = {
  rule: 'rewrite',
  reply: { code: 554, enhanced: '5.4.6', text: `Alias loop, or more than ${DEEPEST_ALIAS} aliases in a row` },
};

function arrivalOf(mail: Arriving, given: Address, looked: Address, context: PlacementContext): Arrival {
  const decision = decide(context.policy, factsOf(mail, looked, [], context));
  const { ending, fixed } = decision;
  const to = ending.kind === 'redirect' ? ending.to : looked;
  // Mail that was redirected is looked at like queued mail: it is not redirected again.
  const last =
    ending.kind === 'redirect'
      ? decide(context.policy, factsOf(mail, to, fixed.tags, context), 'queued')
      : decision;
  // As long as the content may lead elsewhere, nothing is refused.
  const isOpen = decision.missing.has('content') || last.missing.has('content');
  const refusal =
    last.ending.kind === 'reject' && !isOpen ? { rule: last.rule, reply: last.ending.reply } : null;
  return { given, looked, to, decision, refusal };
}

/** Several that became the same are one; one that is thrown away does not stand for one that is not. */
function once(all: readonly Arrival[]): Arrival[] {
  const byAddress = new Map<Address, Arrival>();
  for (const arrival of all) {
    const known = byAddress.get(arrival.to);
    if (!known || (isDiscarded(known.decision) && !isDiscarded(arrival.decision)))
      byAddress.set(arrival.to, arrival);
  }
  return [...byAddress.values()];
}

function isDiscarded({ ending }: Decision): boolean {
  return ending.kind === 'discard';
}

function partsOf(arrivals: readonly Arrival[]): Part[] {
  const parts = new Map<string, { part: Part; recipients: number[]; decisions: Map<number, Decision> }>();
  for (const [index, { decision }] of arrivals.entries()) {
    if (isDiscarded(decision)) continue;
    const { tags, header: edit } = decision.fixed;
    const key = tags.length === 0 && edit === null ? '' : JSON.stringify([tags, edit]);
    const known = parts.get(key) ?? emptyPart(tags, edit);
    known.recipients.push(index);
    // Queued mail has its tags from the beginning, and another recipient after a redirect.
    if (tags.length === 0 && decision.ending.kind !== 'redirect') known.decisions.set(index, decision);
    parts.set(key, known);
  }
  return [...parts.values()].map(({ part }) => part);
}

function emptyPart(tags: readonly string[], edit: HeaderEdit | null) {
  const recipients: number[] = [];
  const decisions = new Map<number, Decision>();
  const part: Part = { recipients, decisions, tags, edit, isQuiet: false };
  return { part, recipients, decisions };
}

/**
 * The message is taken whole or not at all. A refusal for good goes before one for now: the client would come
 * back in vain. The reply names its recipient when others would have been taken.
 */
function refusalOf(all: readonly Arrival[]): Refusal | null {
  const refused = all.filter(({ refusal }) => refusal !== null);
  const first = refused.find(({ refusal }) => (refusal?.reply.code ?? 0) >= 500) ?? refused[0];
  if (!first?.refusal) return null;
  const { rule, reply } = first.refusal;
  if (refused.length === all.length) return { rule, reply };
  return { rule, reply: { ...reply, text: `<${first.given}>: ${reply.text}` } };
}
