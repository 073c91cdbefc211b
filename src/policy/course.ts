// The way of a new mail through the policy, as acceptance walks it: other addresses first, then the rules, and
// after a redirect the rules again for the new recipient.
// explanation.ts words it, operations/explain.ts asks how things stand at its end.
// Never looks anything up: sites are asked for by the caller's function.
import type { MailHeader } from '../mail/envelope.ts';
import { rewriteAddresses } from '../mail/from-rewrite.ts';
import type { HeaderEdit } from '../mail/header-edit.ts';
import { explain } from './evaluate.ts';
import type { Copy, Explanation, MailFacts, Policy, RuleTrace } from './policy.ts';
import { expanded, rewrittenSender } from './rewrite.ts';

/** The site of a domain's direct mail; null: it cannot be found out; undefined: nobody knows yet. */
export type SiteName = (domain: string) => string | null | undefined;

export interface Course {
  /** The addresses that the rules look at, if they are others: all that the recipient became. */
  readonly rewritten: { readonly from: string; readonly to: readonly string[] } | null;
  readonly accepted: Explanation;
  /** What is queued: of several recipients the first, after a redirect the new one. */
  readonly mail: MailFacts;
  /** What holds for it then. */
  readonly last: Explanation;
}

/** A header that is not given is one without fields; nobody logged in unless it is said. */
export function courseOf(policy: Policy, given: MailFacts, siteOf: SiteName): Course {
  const from = rewrittenSender(policy.rewrite, given.from);
  const expansion = expanded(policy.rewrite, given.to);
  const recipients = 'chain' in expansion ? [given.to] : expansion.recipients;
  const [to = given.to] = recipients;
  const header = withRewrittenAuthors(policy, given.header ?? {});
  const known = { user: null, ...given, header, from };
  const isSame = from === given.from && recipients.length === 1 && to === given.to;
  const mail = addressedTo(to, known, siteOf);
  const accepted = explain(policy, mail);
  const rewritten = isSame ? null : { from, to: recipients };
  const { ending, fixed } = accepted;
  if (ending.kind !== 'redirect') return { rewritten, accepted, mail, last: accepted };
  const redirected = addressedTo(ending.to, { ...known, tags: fixed.tags }, siteOf);
  return { rewritten, accepted, mail: redirected, last: explain(policy, redirected, 'queued') };
}

/** Rules see the From field as it is rewritten. */
function withRewrittenAuthors({ rewrite: { senders } }: Policy, header: MailHeader): MailHeader {
  if (senders.isEmpty || header.from === undefined) return header;
  const rewritten = (value: string): string =>
    rewriteAddresses(Buffer.from(`:${value}`), (one) => senders.targetsOf(one)?.[0] ?? null)
      .toString()
      .slice(1);
  return { ...header, from: header.from.map(rewritten) };
}

function addressedTo(to: string, mail: Omit<MailFacts, 'to'>, siteOf: SiteName): MailFacts {
  const site = siteOf(to.slice(to.lastIndexOf('@') + 1));
  return { ...mail, to, ...(site !== undefined && { site }) };
}

/** What acceptance does besides queueing the mail. */
export interface ArrivalView {
  readonly rewritten: Course['rewritten'];
  /** The mail is taken and thrown away. */
  readonly discard: boolean;
  /** The new recipient, and the rules that were looked at for it. */
  readonly redirect: {
    readonly to: string;
    readonly rule: string;
    readonly trace: readonly RuleTrace[];
  } | null;
  readonly tags: readonly string[];
  readonly header: HeaderEdit | null;
  readonly copies: readonly Copy[];
  /** Fields that rules look at, where no header was given: it is taken as one without them. */
  readonly assumedMissing: readonly string[];
}

export function arrivalView(policy: Policy, given: MailFacts, course: Course): ArrivalView {
  const { rewritten, accepted, last } = course;
  const { ending, fixed } = accepted;
  return {
    rewritten,
    discard: ending.kind === 'discard',
    redirect: ending.kind === 'redirect' ? { to: ending.to, rule: last.rule, trace: last.trace } : null,
    ...fixed,
    assumedMissing: given.header === undefined ? [...policy.headerFields] : [],
  };
}
