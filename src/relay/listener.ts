// A listening port: takes connections in, watches their time, lets them end when the daemon does.
// Started by daemon.ts, one for each line under `listeners`; behind it connection.ts and session.ts.
// Never decides about mail: that is the intake.
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock/clock.ts';
import type { ListenerSettings } from '../config/settings.ts';
import { RelayServer, type TlsMaterial } from './connection.ts';
import { trustedNetworks } from './networks.ts';
import type { SessionRules } from './rules.ts';

export interface ListenerOptions extends Omit<SessionRules, 'startTls'> {
  /** CIDRs whose clients may relay. */
  readonly trusted: readonly string[];
  readonly tls: TlsMaterial | null;
}

export interface Listener {
  readonly address: string;
  readonly port: number;
  /** Open now, those that are saying goodbye included. */
  connections(): number;
  /** For connections from now on. Throws when certificate and key do not fit together. */
  updateTls(tls: TlsMaterial): void;
  /**
   * No new connections; 421 to clients between commands, at once. A message under way has
   * `deadlineMs` to arrive. Resolves when no connection is left: clients that ignore the goodbye are
   * cut off after 5 s, so that is 5 s after the deadline at the latest.
   */
  close(deadlineMs: number): Promise<void>;
}

/** How often the clients' deadlines are looked at; they are minutes, so seconds do not matter. */
const WATCH_INTERVAL = 5_000;

/** Connections that wait to be accepted while the loop is busy (Node: 511; capped by the system). */
const BACKLOG = 1024;

/** Rejects when the address cannot be listened on. */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { listener, tls, clock, observer } = options;
  if (listener.tls === 'implicit' && tls === null) throw new Error('implicit TLS needs a certificate');
  const rules = { ...options, startTls: listener.tls === 'starttls' && tls !== null };
  const server = new RelayServer(rules, trustedNetworks(options.trusted), tls);
  await listening(server, listener);
  server.server.on('error', (error: Error) => observer.warn('listener failed', { error: error.message }));
  const { address, port } = server.server.address() as AddressInfo;
  const stopWatching = watch(server, clock);
  let closing: Promise<void> | null = null;
  return {
    address,
    port,
    connections: () => server.open.size,
    updateTls: (material) => server.replaceTls(material),
    close(deadlineMs) {
      closing ??= close(server, clock, deadlineMs).finally(stopWatching);
      return closing;
    },
  };
}

function listening(server: RelayServer, { address, port }: ListenerSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.server.once('error', reject);
    server.server.listen({ host: address, port, backlog: BACKLOG }, () => {
      server.server.off('error', reject);
      resolve();
    });
  });
}

/** One timer for all clients; a timer for each would be set and cleared with every command. */
function watch(server: RelayServer, clock: Clock): () => void {
  const look = (): void => {
    const now = clock.now();
    for (const connection of server.open) connection.smtp?.checkTime(now);
    timer = clock.after(WATCH_INTERVAL, look);
  };
  let timer = clock.after(WATCH_INTERVAL, look);
  return () => timer.cancel();
}

async function close(server: RelayServer, clock: Clock, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.server.close(() => resolve());
  });
  server.dropPending();
  for (const connection of server.open) connection.smtp?.leave();
  const timer = clock.after(deadlineMs, () => {
    for (const connection of server.open) connection.smtp?.cutOff();
  });
  await closed;
  timer.cancel();
}
