// From a peer's refusal to a failure: its class, how far it reaches, for how long.
// connection.ts and transaction.ts ask; reply-classes.ts has the words and codes; retry and fallback read it.
// Never makes a 4xx permanent, nor a 5xx that is about the host or our login.
import type { Failure, FailureClass, FailureScope, Phase } from './failure.ts';
import type { Reply } from './reply.ts';
import { codeClasses, statusClasses, wordRules } from './reply-classes.ts';

/** Before MAIL everything that is said is about hosts and logins, not about mail. */
const beforeMail: ReadonlySet<Phase> = new Set(['connect', 'greeting', 'ehlo', 'starttls', 'tls', 'auth']);

/** RFC 4954 §6: the login is wanted, or wrong, wherever it is said. */
const loginCodes: ReadonlySet<number> = new Set([530, 535, 538]);

/** The failure that a refusal means. `smarthost`: the peer is one that we chose, and knows us. */
export function judge(reply: Reply, phase: Phase, smarthost: boolean): Failure {
  if (reply.code < 400) return unexpected(reply, phase);
  const failureClass = classify(reply, phase);
  const relayRefused = smarthost && reply.code >= 500 && isRelayRefusal(reply.text);
  const login = loginCodes.has(reply.code) || relayRefused;
  const scope = login ? 'host' : scopeOf(reply, phase, failureClass);
  const permanent = !login && isPermanent(reply, phase, failureClass);
  const failure: Failure = {
    scope,
    permanent,
    class: relayRefused ? 'auth' : failureClass,
    status: statusOf(reply, permanent),
    phase,
    text: `refused at ${phase}: ${reply.text.replaceAll('\n', ' ')}`,
    reply: reply.text,
  };
  return smarthost && (login || phase === 'auth') ? { ...failure, ours: true } : failure;
}

/** The enhanced status that a reply begins with (RFC 2034 §4), or null. */
export function enhancedStatus({ text }: Reply): string | null {
  return /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})(?![\d.])/m.exec(text)?.[1] ?? null;
}

function unexpected(reply: Reply, phase: Phase): Failure {
  const text = `an answer that ${phase} cannot have: ${reply.text}`;
  return {
    scope: 'host',
    permanent: false,
    class: 'protocol',
    status: '4.5.0',
    phase,
    text,
    reply: reply.text,
  };
}

function scopeOf({ code }: Reply, phase: Phase, failureClass: FailureClass): FailureScope {
  // RFC 7504 §4: the domain takes no mail, whichever host says so.
  if (code === 556) return 'destination';
  if (code === 421 || beforeMail.has(phase)) return 'host';
  if (phase === 'rcpt') return 'recipient';
  // Before it knows a recipient, "not now" is said to us, and another host may think otherwise.
  const toUs = failureClass === 'blocked' || failureClass === 'throttled' || failureClass === 'unreachable';
  return phase === 'mail' && code < 500 && toUs ? 'host' : 'message';
}

function isPermanent({ code }: Reply, phase: Phase, failureClass: FailureClass): boolean {
  if (code < 500) return false;
  if (code === 556) return true;
  // RFC 7504 §3: this host takes no mail at all; not so when a block list speaks.
  if (beforeMail.has(phase)) return phase === 'greeting' && code === 521 && failureClass !== 'blocked';
  // Mailboxes are emptied; RetryClass says how long that is waited for.
  return failureClass !== 'mailbox-full';
}

/** RFC 3463 §2: the first digit says whether it is over; a peer's 5 that we retry becomes a 4. */
function statusOf(reply: Reply, permanent: boolean): string {
  const found = enhancedStatus(reply) ?? anyStatus(reply.text);
  const detail = found?.slice(2) ?? '0.0';
  return `${permanent ? 5 : 4}.${detail}`;
}

/** Some write the status anywhere: `550 sorry, no mailbox here by that name (#5.1.1)`. */
function anyStatus(text: string): string | null {
  return /(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(text)?.[1] ?? null;
}

/** The class of a 4xx or 5xx reply. */
export function classify(reply: Reply, phase: Phase): FailureClass {
  const words = wordsOf(reply.text);
  const kind = Math.floor(reply.code / 100);
  const rule = wordRules.find(({ only, words: pattern }) => (only ?? kind) === kind && pattern.test(words));
  if (rule) return rule.class;
  const status = enhancedStatus(reply) ?? anyStatus(reply.text);
  const byStatus = status === null ? undefined : statusClasses.get(status.slice(2));
  return byStatus ?? codeClasses.get(reply.code) ?? 'unknown';
}

function isRelayRefusal(text: string): boolean {
  return /relay/i.test(text);
}

function wordsOf(text: string): string {
  return text.toLowerCase();
}
