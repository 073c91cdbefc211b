// One name looked up to the end: server after server, round after round, alias after alias.
// stub.ts asks for what its cache does not know; exchange.ts puts each question to one server.
// Never takes silence or an error for the absence of a name.
import { exchange, type Reply, type Timing } from './exchange.ts';
import type { Health } from './health.ts';
import { type Answer, MAX_ALIASES, type Question, type RecordOf, type RecordType } from './question.ts';
import type { Lookup } from './resolver.ts';
import { type Server, type Servers, serverName } from './servers.ts';
import type { Slots } from './slots.ts';

export interface Asking extends Timing {
  readonly servers: Servers;
  readonly slots: Slots;
  readonly health: Health;
}

interface Try<R> {
  readonly server: Server;
  readonly reply: Reply<R>;
  /** Milliseconds of the clock. */
  readonly askedAt: number;
}
type Failed = Extract<Lookup<never>, { kind: 'failed' }>;
type Said<R> = Extract<Answer<R>, { kind: 'records' | 'alias' | 'nxdomain' | 'no-data' }>;

/**
 * Times that the list of servers is gone through. The first datagram may be lost and the second too late;
 * a server that missed three was not slow, and the mail's own schedule is the better place to wait.
 */
const ROUNDS = 3;

/** An abort ends it with a failure. */
export async function lookup<T extends RecordType>(
  question: Question<T>,
  asking: Asking,
  signal: AbortSignal,
): Promise<Lookup<RecordOf[T]>> {
  const { type } = question;
  let { name } = question;
  let hops = 0;
  let ttl = Number.POSITIVE_INFINITY;
  let authenticated = true;
  while (hops <= MAX_ALIASES) {
    const answer = await askServers({ name, type }, asking, signal);
    if (answer.kind === 'failed') return answer;
    ttl = Math.min(ttl, answer.ttl);
    if (answer.kind === 'nxdomain' || answer.kind === 'no-data') return { kind: answer.kind, ttl };
    authenticated &&= answer.authenticated;
    if (answer.kind === 'records') return { kind: 'found', records: answer.records, ttl, authenticated };
    hops += answer.hops;
    name = answer.target;
  }
  return {
    kind: 'failed',
    reason: `${type} ${question.name}: more than ${MAX_ALIASES} aliases`,
    ours: false,
  };
}

/** The first server that knows. One that says it cannot answer is not asked again, a silent one is. */
async function askServers<T extends RecordType>(
  question: Question<T>,
  asking: Asking,
  signal: AbortSignal,
): Promise<Said<RecordOf[T]> | Failed> {
  const reasons = new Map<Server, string>();
  const declined = new Set<Server>();
  let askedAt = asking.clock.now();
  for (let round = 1; round <= ROUNDS && !signal.aborted; round++) {
    const asked = new Set(declined);
    while (asked.size < asking.servers.all.length) {
      // Which server it is, is decided when there is room: much may be known then that was not before.
      const tried = await asking.slots.run(signal, () => askNext(question, asking, asked, signal));
      if (!tried || signal.aborted) break;
      const { server, reply } = tried;
      askedAt = tried.askedAt;
      if (reply.kind !== 'silent' && reply.kind !== 'error' && reply.kind !== 'unusable') return reply;
      reasons.set(server, reply.reason);
      if (reply.kind !== 'silent') declined.add(server);
    }
  }
  // Dead servers of a zone keep ours silent as well: before the fault is ours, they must know nothing at all.
  const theirs =
    declined.size > 0 || (reasons.size > 0 && (await asking.health.answersSince(askedAt, signal)));
  return failed(question, reasons, !theirs);
}

/** One try with the server that is next; notes that it was asked, and how it did. */
async function askNext<T extends RecordType>(
  question: Question<T>,
  { servers, ...timing }: Asking,
  asked: Set<Server>,
  signal: AbortSignal,
): Promise<Try<RecordOf[T]> | null> {
  const server = servers.next(asked);
  if (!server) return null;
  asked.add(server);
  const askedAt = timing.clock.now();
  const reply = await exchange(server, question, timing, signal);
  if (reply.kind !== 'silent') servers.answered(server);
  else if (!signal.aborted) servers.silent(server, askedAt, reply.reason);
  return { server, reply, askedAt };
}

/** What each server said last: `MX example.org: 192.0.2.53:53 SERVFAIL; 192.0.2.54:53 no answer in time`. */
function failed(question: Question, reasons: ReadonlyMap<Server, string>, ours: boolean): Failed {
  const said = [...reasons].map(([server, reason]) => `${serverName(server)} ${reason}`);
  const reason = said.length > 0 ? said.join('; ') : 'no name server could be asked in time';
  return { kind: 'failed', reason: `${question.type} ${question.name}: ${reason}`, ours };
}
