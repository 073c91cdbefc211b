// The name servers that we ask: how they are written, and which is to be asked now.
// Filled from the configuration or system.ts; lookup.ts asks whom it names and says how it went.
// Never drops a server: one that was silent goes last, and is still asked.
import { isIP, isIPv6 } from 'node:net';
import type { Clock } from '../clock/clock.ts';
import type { Observer } from '../observe/events.ts';

export interface Server {
  readonly address: string;
  readonly port: number;
}

const DNS_PORT = 53;

/** Milliseconds that a server's silence is held against it; then one question tries whether it is back. */
const SILENCE_HELD = 30_000;

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
  readonly all: readonly Server[];
  readonly #clock: Clock;
  readonly #log: Observer | undefined;
  readonly #silentAt = new Map<Server, number>();
  readonly #answeredAt = new Map<Server, number>();

  /** Throws on a server that cannot be read, and on none at all: both are mistakes of configuration. */
  constructor(servers: readonly string[], clock: Clock, log?: Observer) {
    this.all = servers.map((text) => {
      const server = parseServer(text);
      if (!server) throw new Error(`not the address of a name server: ${text}`);
      return server;
    });
    if (this.all.length === 0) throw new Error('no name servers are configured');
    this.#clock = clock;
    this.#log = log;
  }

  /** The first as configured that was not silent lately, else the first; null when all were asked. */
  next(asked: ReadonlySet<Server>): Server | null {
    const left = this.all.filter((server) => !asked.has(server));
    const server = left.find((one) => !this.#within(SILENCE_HELD, this.#silentAt.get(one))) ?? left[0];
    if (!server) return null;
    // Who comes next does not wait for the outcome of this one's try.
    if (this.#silentAt.has(server)) this.#silentAt.set(server, this.#clock.now());
    return server;
  }

  /** Whether any server answered anything after that moment. */
  answeredSince(moment: number): boolean {
    const now = this.#clock.now();
    return [...this.#answeredAt.values()].some((at) => at > moment && at <= now);
  }

  answered(server: Server): void {
    this.#answeredAt.set(server, this.#clock.now());
    if (this.#silentAt.delete(server)) this.#log?.info(`name server ${serverName(server)} answers again`);
  }

  /** A question asked at `askedAt` got no answer. Where others did meanwhile, the silence is not the server's. */
  silent(server: Server, askedAt: number, reason: string): void {
    if ((this.#answeredAt.get(server) ?? Number.NEGATIVE_INFINITY) > askedAt) return;
    if (!this.#silentAt.has(server))
      this.#log?.warn(`name server ${serverName(server)} does not answer`, { reason });
    this.#silentAt.set(server, this.#clock.now());
  }

  /** False, too, for what lies ahead: the clock was set back. */
  #within(ms: number, at: number | undefined): boolean {
    if (at === undefined) return false;
    const age = this.#clock.now() - at;
    return age >= 0 && age < ms;
  }
}
