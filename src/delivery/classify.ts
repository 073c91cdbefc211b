// From a peer's refusal to a failure: its class, how far it reaches, for how long.
// connection.ts and transaction.ts ask; reply-classes.ts has the words and codes; retry and fallback read it.
// Never makes a 4xx permanent, nor a 5xx that is about the host or our login.
import type { Failure, FailureClass, FailureScope, Phase } from './failure.ts';
import type { Reply } from './reply.ts';
import {
  clearWords,
  codeClasses,
  statusClasses,
  vagueStatuses,
  vagueWords,
  type WordRule,
} from './reply-classes.ts';
import { retryHint } from './retry-hints.ts';

/** Before MAIL everything that is said is about hosts and logins, not about mail. */
const beforeMail: ReadonlySet<Phase> = new Set(['connect', 'greeting', 'ehlo', 'starttls', 'tls', 'auth']);

/** RFC 4954 §6: the login is wanted, or wrong, wherever it is said. */
const loginCodes: ReadonlySet<number> = new Set([530, 535, 538]);

/** Longer texts say no more, and every retry would carry them along. */
const LONGEST_TEXT = 2_000;

/** The failure that a refusal means. `smarthost`: the peer is one that we chose, and knows us. */
export function judge(reply: Reply, phase: Phase, smarthost: boolean): Failure {
  if (reply.code < 400) return unexpected(reply, phase);
  const said = classify(reply, phase);
  const ofUs = smarthost && reply.code >= 500 ? refusalOfUs(reply, phase, said) : null;
  const login = loginCodes.has(reply.code) || ofUs === 'auth';
  const forHost = login || ofUs !== null;
  const permanent = !forHost && isPermanent(reply, phase, said);
  const text = reply.text.slice(0, LONGEST_TEXT);
  const retryAfter = permanent ? null : retryHint(wordsOf(reply.text));
  const failure: Failure = {
    scope: forHost ? 'host' : scopeOf(reply, phase, said),
    permanent,
    class: ofUs ?? said,
    status: statusOf(reply, permanent),
    phase,
    text: `refused at ${phase}: ${text.replaceAll('\n', ' ')}`,
    reply: text,
    ...(retryAfter !== null && { retryAfter }),
  };
  return smarthost && (login || phase === 'auth') ? { ...failure, ours: true } : failure;
}

/**
 * A smarthost that knows us no more, or has blocked us, says so to every mail: an expired password must
 * not bounce the whole queue. What it says after the content may be about the content.
 */
function refusalOfUs({ text }: Reply, phase: Phase, said: FailureClass): FailureClass | null {
  if (loginWords.test(text)) return 'auth';
  return said === 'blocked' && phase !== 'final-dot' ? 'blocked' : null;
}

const loginWords =
  /\brelay|(?:auth\w*|login) (?:is )?required|not (?:authenticated|logged in)|(?:must|please) (?:first )?(?:authenticate|log ?in)/i;

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
  if (loginCodes.has(reply.code)) return /tls|ssl|encrypt/i.test(reply.text) ? 'tls' : 'auth';
  const words = wordsOf(reply.text);
  const kind = reply.code < 500 ? 4 : 5;
  const status = enhancedStatus(reply) ?? anyStatus(reply.text);
  const [, subject, detail] = status?.split('.') ?? [];
  const found =
    byWords(clearWords, words, kind) ??
    statusClasses.get(`${kind}.${subject}.${detail}`) ??
    statusClasses.get(`x.${subject}.${detail}`) ??
    byWords(vagueWords, words, kind) ??
    vagueStatuses.get(`${kind}.${subject}.${detail}`) ??
    vagueStatuses.get(`x.${subject}`) ??
    codeClasses.get(`${reply.code} ${phase}`) ??
    codeClasses.get(`${reply.code}`) ??
    'unknown';
  return inPhase(found, kind, phase);
}

function byWords(rules: readonly WordRule[], words: string, kind: 4 | 5): FailureClass | undefined {
  return rules.find(({ only, words: pattern }) => (only ?? kind) === kind && pattern.test(words))?.class;
}

/** What cannot be meant at that point of the dialogue. */
function inPhase(found: FailureClass, kind: 4 | 5, phase: Phase): FailureClass {
  if (phase === 'auth') return found === 'tls' || found === 'throttled' ? found : 'auth';
  // No recipient is known yet: whoever "does not exist" is the sender.
  if (phase === 'mail' && (found === 'unknown-user' || found === 'dns')) return 'policy';
  const vague = found === 'unknown' || found === 'policy' || found === 'unknown-user';
  if (!vague || (phase !== 'greeting' && phase !== 'ehlo')) return found;
  return kind === 5 ? 'blocked' : 'unreachable';
}

/** Lower case, without accents, addresses, paths of links and the codes of each line. */
function wordsOf(text: string): string {
  return text
    .slice(0, LONGEST_TEXT)
    .replace(/^\d{3}(?:[ -](?:[245]\.\d{1,3}\.\d{1,3}\b)?|$)/gm, ' ')
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/(https?:\/\/)?([\w.-]+)\/[^\s)>\]]*/g, '$2')
    .replace(/<[^<>\s]*>|[\w.+=-]+@[\w.-]+/g, '<>')
    .replace(/\s+/g, ' ');
}
