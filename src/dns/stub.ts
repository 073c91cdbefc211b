// The stub resolver: what the daemon asks of the DNS, answered from the cache or by the name servers.
// delivery/ asks, /readyz too; flights.ts joins equal questions, lookup.ts asks, cache.ts keeps.
// Never rejects, and never waits longer than its own deadline.
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import type { Observer } from '../observe/events.ts';
import { LookupCache } from './cache.ts';
import { exchange } from './exchange.ts';
import { Flights } from './flights.ts';
import { type Asking, lookup } from './lookup.ts';
import { isName, type RecordOf, type RecordType } from './question.ts';
import type { Lookup, Resolver } from './resolver.ts';
import { Servers } from './servers.ts';
import { Slots } from './slots.ts';

export interface ResolverOptions {
  /** `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`, in the order to ask. */
  readonly servers: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: Observer;
}

/**
 * Questions on their way at once, each with a socket. A recursive server that needs 50 ms for each answers
 * 4,000 a second so, and it is a fifth of the file descriptors that a process gets by default.
 */
const MOST_QUESTIONS = 200;

/** Milliseconds for a lookup in all, its wait in line included: three rounds of two silent servers, and some. */
const LOOKUP_DEADLINE = 20_000;

/** /readyz must turn red within 10 s: an answer counts for 5, and a question takes at most two tries' time. */
const HEALTHY_FOR = 5_000;
const HEALTH_DEADLINE = 4_000;

/** Throws on a server that is not an address, and on none. */
export function createResolver({ servers, clock, random, log }: ResolverOptions): Resolver {
  const asking = {
    servers: new Servers(servers, clock, log),
    slots: new Slots(MOST_QUESTIONS),
    clock,
    random,
  };
  const lanes = { MX: new Lane('MX', asking), A: new Lane('A', asking), AAAA: new Lane('AAAA', asking) };
  const health = new Flights<boolean>();
  return {
    mx: (domain, signal) => lanes.MX.lookup(domain, signal),
    a: (name, signal) => lanes.A.lookup(name, signal),
    aaaa: (name, signal) => lanes.AAAA.lookup(name, signal),
    healthy: async (signal) =>
      asking.servers.sinceAnswer() < HEALTHY_FOR ||
      health.join('', signal, false, (ending) => anyAnswers(asking, ending)),
    close() {
      health.close();
      for (const lane of Object.values(lanes)) lane.close();
    },
  };
}

/** Lookups of one record type: cache, questions under way, and the way to the servers. */
class Lane<T extends RecordType> {
  readonly #type: T;
  readonly #asking: Asking;
  readonly #cache: LookupCache<RecordOf[T]>;
  readonly #flights = new Flights<Lookup<RecordOf[T]>>();
  #closed = false;

  constructor(type: T, asking: Asking) {
    this.#type = type;
    this.#asking = asking;
    this.#cache = new LookupCache(asking.clock);
  }

  async lookup(domain: string, signal?: AbortSignal): Promise<Lookup<RecordOf[T]>> {
    const name = domain.toLowerCase();
    // No zone can hold such a name, so it does not exist; no server would say more.
    if (!isName(name)) return { kind: 'nxdomain', ttl: 0 };
    if (this.#closed) return { kind: 'failed', reason: 'the resolver is closed', ours: true };
    const cached = this.#cache.get(name);
    if (cached) return cached;
    const left = { kind: 'failed', reason: 'given up by who asked', ours: true } as const;
    return this.#flights.join(name, signal, left, (ending) => this.#ask(name, ending));
  }

  close(): void {
    this.#closed = true;
    this.#flights.close();
    this.#cache.clear();
  }

  async #ask(name: string, ending: AbortSignal): Promise<Lookup<RecordOf[T]>> {
    const found = await withDeadline(this.#asking.clock, LOOKUP_DEADLINE, ending, (signal) =>
      lookup({ name, type: this.#type }, this.#asking, signal),
    );
    if (!ending.aborted) this.#cache.put(name, found);
    return found;
  }
}

/** Whether one of the servers says anything about the root, which each of them knows. Outside the line. */
async function anyAnswers({ servers, clock, random }: Asking, ending: AbortSignal): Promise<boolean> {
  const question = { name: '.', type: 'A' } as const;
  return withDeadline(clock, HEALTH_DEADLINE, ending, async (signal) => {
    const tries = servers.inOrder().map(async (server) => {
      const reply = await exchange(server, question, { clock, random }, signal);
      if (reply.kind === 'silent') throw new Error(reply.reason);
      servers.answered(server);
      return true;
    });
    return Promise.any(tries).catch(() => false);
  });
}

/** Runs the work with a signal that aborts with `ending` or after `ms`, and ends what it left under way. */
async function withDeadline<T>(
  clock: Clock,
  ms: number,
  ending: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const timer = clock.after(ms, () => deadline.abort());
  try {
    return await work(AbortSignal.any([ending, deadline.signal]));
  } finally {
    timer.cancel();
    deadline.abort();
  }
}
