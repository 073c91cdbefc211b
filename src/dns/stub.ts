// The stub resolver: what the daemon asks of the DNS, answered from the cache or by the name servers.
// delivery/ asks, /readyz too; flights.ts joins equal questions, lookup.ts asks, cache.ts keeps.
// Never rejects, and never waits longer than its own deadline.
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import type { Observer } from '../observe/events.ts';
import { LookupCache } from './cache.ts';
import { withDeadline } from './deadline.ts';
import { Flights } from './flights.ts';
import { Health } from './health.ts';
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
 * Questions on their way at once, each with a socket. Where an answer takes 50 ms that is 4,000 a second, and
 * it leaves most of the usual 1,024 file descriptors to the mail.
 */
const MOST_QUESTIONS = 200;

/**
 * Milliseconds for a lookup in all, its wait in line included: three rounds of the three servers that a
 * resolv.conf may name, and the question whose fault it is.
 */
const LOOKUP_DEADLINE = 30_000;

const GIVEN_UP = { kind: 'failed', reason: 'the lookup was given up', ours: true } as const;

/** Throws on a server that is not an address, and on none. */
export function createResolver({ servers: addresses, clock, random, log }: ResolverOptions): Resolver {
  const servers = new Servers(addresses, clock, log);
  const health = new Health(servers, { clock, random });
  const asking: Asking = { servers, health, slots: new Slots(MOST_QUESTIONS), clock, random };
  const lanes = { MX: new Lane('MX', asking), A: new Lane('A', asking), AAAA: new Lane('AAAA', asking) };
  return {
    mx: (domain, signal) => lanes.MX.lookup(domain, signal),
    a: (name, signal) => lanes.A.lookup(name, signal),
    aaaa: (name, signal) => lanes.AAAA.lookup(name, signal),
    healthy: (signal) => health.check(signal),
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

  constructor(type: T, asking: Asking) {
    this.#type = type;
    this.#asking = asking;
    this.#cache = new LookupCache(asking.clock);
  }

  async lookup(domain: string, signal?: AbortSignal): Promise<Lookup<RecordOf[T]>> {
    const name = domain.toLowerCase();
    // No zone can hold such a name, so it does not exist; no server would say more.
    if (!isName(name)) return { kind: 'nxdomain', ttl: 0 };
    const cached = this.#cache.get(name);
    return cached ?? this.#flights.join(name, signal, GIVEN_UP, (ending) => this.#ask(name, ending));
  }

  close(): void {
    this.#flights.close();
    this.#cache.clear();
  }

  async #ask(name: string, ending: AbortSignal): Promise<Lookup<RecordOf[T]>> {
    const question = { name, type: this.#type };
    const found = await withDeadline(this.#asking.clock, LOOKUP_DEADLINE, ending, (signal) =>
      lookup(question, this.#asking, signal),
    );
    if (!ending.aborted) this.#cache.put(name, found);
    return found;
  }
}
