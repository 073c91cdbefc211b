// The name servers that we ask: how they are written, and in which order they are asked now.
// Filled from the configuration or system.ts; lookup.ts asks in this order and says how it went.
// Never drops a server: one that was silent goes last, and is still asked.
import { isIP, isIPv6 } from 'node:net';
import type { Clock } from '../clock/clock.ts';
import type { Observer } from '../observe/events.ts';

export interface Server {
  readonly address: string;
  readonly port: number;
}

const DNS_PORT = 53;

/** Milliseconds that a server's silence is held against it. A restart takes less; in an outage, a try each time is lost. */
const SILENCE_REMEMBERED = 30_000;

/** Reads `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`; null for anything else. */
export function parseServer(text: string): Server | null {
  if (isIP(text)) return { address: text, port: DNS_PORT };
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[\d.]+))(?::(?<port>\d{1,5}))?$/.exec(text);
  const { v6, v4, port } = match?.groups ?? {};
  const address = v6 ?? v4 ?? '';
  const number = port === undefined ? DNS_PORT : Number(port);
  if (isIP(address) !== (v6 === undefined ? 4 : 6) || number < 1 || number > 65_535) return null;
  return { address, port: number };
}

export function serverName({ address, port }: Server): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

export class Servers {
  readonly #servers: readonly Server[];
  readonly #clock: Clock;
  readonly #log: Observer | undefined;
  readonly #silentSince = new Map<Server, number>();
  #lastAnswer = Number.NEGATIVE_INFINITY;

  /** Throws on a server that cannot be read, and on none at all: both are mistakes of configuration. */
  constructor(servers: readonly string[], clock: Clock, log?: Observer) {
    this.#servers = servers.map((text) => {
      const server = parseServer(text);
      if (!server) throw new Error(`not the address of a name server: ${text}`);
      return server;
    });
    if (this.#servers.length === 0) throw new Error('no name servers are configured');
    this.#clock = clock;
    this.#log = log;
  }

  /** As configured, those that were silent lately last. */
  inOrder(): readonly Server[] {
    const now = this.#clock.now();
    const silent = (server: Server): number =>
      now - (this.#silentSince.get(server) ?? Number.NEGATIVE_INFINITY) < SILENCE_REMEMBERED ? 1 : 0;
    return this.#servers.toSorted((one, other) => silent(one) - silent(other));
  }

  /** Milliseconds since any server answered anything; infinite when none has. */
  sinceAnswer(): number {
    return this.#clock.now() - this.#lastAnswer;
  }

  answered(server: Server): void {
    this.#lastAnswer = this.#clock.now();
    if (this.#silentSince.delete(server)) this.#log?.info(`name server ${serverName(server)} answers again`);
  }

  silent(server: Server, reason: string): void {
    if (!this.#silentSince.has(server))
      this.#log?.warn(`name server ${serverName(server)} does not answer`, { reason });
    this.#silentSince.set(server, this.#clock.now());
  }
}
