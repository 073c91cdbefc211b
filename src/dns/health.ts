// Whether the name servers answer at all: the difference between our fault and the zone's.
// stub.ts asks for /readyz, lookup.ts when a question got no answer; exchange.ts asks the servers.
// Never waits in the line of lookups: when that is long, this must still be known.
import { withDeadline } from './deadline.ts';
import { exchange, type Timing } from './exchange.ts';
import { Flights } from './flights.ts';
import type { Server, Servers } from './servers.ts';

/** Milliseconds that an answer counts for: /readyz asks every 3 s and waits 3 s, and must be red within 10. */
const HEALTHY_FOR = 4_000;
const PATIENCE = 4_000;

/** The root's address: none has it, every recursive server knows so, and it tells nobody where our mail goes. */
const ROOT = { name: '.', type: 'A' } as const;

export class Health {
  readonly #servers: Servers;
  readonly #timing: Timing;
  readonly #flights = new Flights<boolean>();

  constructor(servers: Servers, timing: Timing) {
    this.#servers = servers;
    this.#timing = timing;
  }

  /** Whether any server answered anything lately, or does now. Settles within 4 s; false on abort. */
  check(signal?: AbortSignal): Promise<boolean> {
    return this.answersSince(this.#timing.clock.now() - HEALTHY_FOR, signal);
  }

  /** The same, with a moment of the clock for "lately". */
  async answersSince(moment: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#servers.answeredSince(moment)) return true;
    return this.#flights.join('root', signal, false, (ending) => this.#askAll(ending));
  }

  close(): void {
    this.#flights.close();
  }

  /** All servers at once; the first answer, of whatever kind, ends the other tries. */
  #askAll(ending: AbortSignal): Promise<boolean> {
    return withDeadline(this.#timing.clock, PATIENCE, ending, (signal) => {
      const tries = this.#servers.all.map((server) => this.#ask(server, signal));
      return Promise.any(tries).catch(() => false);
    });
  }

  async #ask(server: Server, signal: AbortSignal): Promise<true> {
    const reply = await exchange(server, ROOT, this.#timing, signal);
    if (reply.kind === 'silent') throw new Error(reply.reason);
    this.#servers.answered(server);
    return true;
  }
}
