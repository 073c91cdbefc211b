// What clients may use up together and each for itself: connections and messages over time.
// One for the whole daemon, asked by every listener.
// Never waits: it answers now, and a refusal is always temporary.
import type { Clock } from '../clock/clock.ts';
import type { LimitSettings } from '../config/settings.ts';
import type { Reply } from './intake.ts';
import { reply } from './replies.ts';

export type Admission =
  | { readonly admitted: true; release(): void }
  | { readonly admitted: false; reply: Reply };

/** Above this many clients with a rate on record, the ones that have rested are forgotten. */
const RATES_KEPT = 10_000;

export class SharedClientLimits {
  readonly #limits: LimitSettings;
  readonly #clock: Clock;
  #connections = 0;
  readonly #connectionsOf = new Map<string, number>();
  /** GCRA: when the client's messages so far would have been due at an even pace, ms. */
  readonly #paidUntil = new Map<string, number>();
  #forgetAt = RATES_KEPT;

  constructor(limits: LimitSettings, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Whether limits per client hold for this one. */
  holdsFor(trusted: boolean): boolean {
    return !trusted || this.#limits.trusted;
  }

  /** Clients whose rate is remembered. */
  get clientsOnRecord(): number {
    return this.#paidUntil.size;
  }

  /** Counts a connection until `release` (safe to call twice). */
  admit(client: string, trusted: boolean): Admission {
    if (this.#connections >= this.#limits.connections) {
      return { admitted: false, reply: reply(421, '4.3.2', 'too many connections, try again later') };
    }
    const own = this.#connectionsOf.get(client) ?? 0;
    if (this.holdsFor(trusted) && own >= this.#limits.connectionsPerClient) {
      return { admitted: false, reply: reply(421, '4.7.0', 'too many connections from your address') };
    }
    this.#connections++;
    this.#connectionsOf.set(client, own + 1);
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      this.#leave(client);
    };
    return { admitted: true, release };
  }

  /**
   * Takes one message from the client's rate, or says that there is none left. A client that
   * rested may send a whole `count` at once, then one each `per / count` ms.
   */
  takeMessage(client: string, trusted: boolean): Reply | null {
    if (!this.holdsFor(trusted)) return null;
    const { count, per } = this.#limits.rate;
    const now = this.#clock.now();
    const paid = Math.max(this.#paidUntil.get(client) ?? now, now) + per / count;
    if (paid - now > per) return reply(450, '4.7.1', 'too many messages from your address, slow down');
    this.#paidUntil.set(client, paid);
    if (this.#paidUntil.size > this.#forgetAt) this.#forgetRested(now);
    return null;
  }

  #leave(client: string): void {
    this.#connections--;
    const left = (this.#connectionsOf.get(client) ?? 1) - 1;
    if (left > 0) this.#connectionsOf.set(client, left);
    else this.#connectionsOf.delete(client);
  }

  #forgetRested(now: number): void {
    for (const [client, paid] of this.#paidUntil) if (paid <= now) this.#paidUntil.delete(client);
    // When most of them are busy, the next look waits until there are twice as many.
    this.#forgetAt = Math.max(RATES_KEPT, 2 * this.#paidUntil.size);
  }
}
