// One name looked up to the end: server after server, round after round, alias after alias.
// stub.ts asks for what its cache does not know; exchange.ts puts each question to one server.
// Never takes silence or an error for the absence of a name.
import { exchange, type Timing } from './exchange.ts';
import { type Answer, MAX_ALIASES, type Question, type RecordOf, type RecordType } from './question.ts';
import type { Lookup } from './resolver.ts';
import { type Server, type Servers, serverName } from './servers.ts';
import type { Slots } from './slots.ts';

export interface Asking extends Timing {
  readonly servers: Servers;
  readonly slots: Slots;
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
  { servers, slots, ...timing }: Asking,
  signal: AbortSignal,
): Promise<Said<RecordOf[T]> | Failed> {
  const reasons = new Map<Server, string>();
  const declined = new Set<Server>();
  for (let round = 1; round <= ROUNDS; round++) {
    for (const server of servers.inOrder()) {
      if (declined.has(server)) continue;
      const reply = await slots.run(signal, () => exchange(server, question, timing, signal));
      if (!reply || signal.aborted) return failed(question, reasons, declined.size === 0);
      if (reply.kind === 'silent') {
        servers.silent(server, reply.reason);
        reasons.set(server, reply.reason);
        continue;
      }
      servers.answered(server);
      if (reply.kind !== 'error' && reply.kind !== 'unusable') return reply;
      reasons.set(server, reply.kind === 'error' ? reply.rcode : reply.reason);
      declined.add(server);
    }
  }
  return failed(question, reasons, declined.size === 0);
}

/** What each server said last: `MX example.org: 192.0.2.53:53 SERVFAIL; 192.0.2.54:53 no answer in time`. */
function failed(question: Question, reasons: ReadonlyMap<Server, string>, ours: boolean): Failed {
  const said = [...reasons].map(([server, reason]) => `${serverName(server)} ${reason}`);
  const reason = said.length > 0 ? said.join('; ') : 'no name server could be asked in time';
  return { kind: 'failed', reason: `${question.type} ${question.name}: ${reason}`, ours };
}
