// The daemon's own Redis: started with it, started again when it dies, ended last.
// daemon.ts starts it where no redis.url is set; queue/ reaches it through the socket in `address`.
// Never stands between accepted mail and its 250: what it loses is time.
import { existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, pause } from '../clock/clock.ts';
import type { Alarms } from '../observe/alarms.ts';
import type { Observer } from '../observe/events.ts';
import type { RedisAddress } from './connection.ts';
import { findServer, RedisStartError, type ServerProcess, SOCKET, startServer } from './server.ts';
import { endStaleServer } from './stale.ts';

export interface EmbeddedRedis {
  readonly address: RedisAddress;
  /** Whether its process runs and has answered. False from the moment of its death to its next start. */
  alive(): boolean;
  /** Ends it and waits until it is gone. Call it when nothing uses Redis any more; twice is fine. */
  stop(): Promise<void>;
}

export interface EmbeddedRedisOptions {
  /** Made when missing. Everything that Redis keeps is here; the data folder's lock guards it. */
  readonly folder: string;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly alarms: Alarms;
  /** Gives up a start that is under way; after the start, `stop` is what ends it. */
  readonly signal?: AbortSignal;
}

/** Longest path of a unix socket that every system takes (Linux 107 octets, macOS 103). */
const LONGEST_SOCKET_PATH = 103;

/** The first restart is as good as immediate, a Redis that dies at once is started every five seconds. */
const FIRST_RESTART_DELAY = 100;
const LONGEST_RESTART_DELAY = 5_000;

/** A Redis that lived this long begins again with the first delay. */
const STEADY_AFTER = 60_000;

/** What Redis 7 and Redis 6 call their AOF. */
const AOF_NAMES = ['appendonlydir', 'appendonly.aof'];

/** Where an AOF that Redis did not take is kept, until the next one takes its place. */
const REFUSED = 'refused';

/**
 * Starts a private Redis and keeps it running until `stop`.
 * Throws RedisStartError: no program, an old one that does not end, or its last words.
 */
export async function startEmbeddedRedis(options: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  const { clock, observer, alarms } = options;
  const program = await findServer();
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const folder = realpathSync(options.folder);
  const door = openDoor(folder);
  const stopping = new AbortController();
  const start = (signal: AbortSignal): Promise<ServerProcess> =>
    startOrSetAside(folder, alarms, () => startServer(program, folder, door.socket, clock, signal));

  let server: ServerProcess | null;
  try {
    await endStaleServer(door.socket, folder, observer);
    server = await start(options.signal ?? stopping.signal);
  } catch (error) {
    door.close();
    throw error;
  }

  const supervise = async (): Promise<void> => {
    for (let deaths = 0; server !== null; ) {
      const startedAt = clock.now();
      const how = await server.ended;
      server = null;
      if (stopping.signal.aborted) return;
      alarms.raise('redis-died', `Redis died and is started again; delivery waits, mail is safe: ${how}`);
      if (clock.now() - startedAt > STEADY_AFTER) deaths = 0;
      while (server === null && (await pause(clock, restartDelay(deaths++), stopping.signal))) {
        server = await start(stopping.signal).catch((error: Error) => {
          if (!stopping.signal.aborted) alarms.raise('redis-down', error.message);
          return null;
        });
      }
      alarms.clear('redis-died');
      // It came up in the very moment of the stop.
      if (stopping.signal.aborted) await server?.end();
    }
  };
  const supervision = supervise();

  return {
    address: { kind: 'socket', path: door.socket },
    alive: () => server !== null,
    async stop() {
      stopping.abort();
      await server?.end();
      await supervision;
      door.close();
    },
  };
}

function restartDelay(deaths: number): number {
  return Math.min(FIRST_RESTART_DELAY * 2 ** deaths, LONGEST_RESTART_DELAY);
}

/**
 * A Redis that ends at its start may have choked on its AOF (cut short by a full disk or a power cut):
 * the AOF is set aside and an empty Redis takes its place, which the sweep fills within seconds.
 */
async function startOrSetAside(
  folder: string,
  alarms: Alarms,
  start: () => Promise<ServerProcess>,
): Promise<ServerProcess> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof RedisStartError && error.refused && setAside(folder))) throw error;
    const server = await start();
    const kept = join(folder, REFUSED);
    alarms.raise('redis-emptied', `Redis did not take its AOF, now in ${kept}: ${error.message}`);
    return server;
  }
}

/** False when there is no AOF. */
function setAside(folder: string): boolean {
  const names = AOF_NAMES.filter((name) => existsSync(join(folder, name)));
  if (names.length === 0) return false;
  rmSync(join(folder, REFUSED), { recursive: true, force: true });
  mkdirSync(join(folder, REFUSED), { mode: 0o700 });
  for (const name of names) renameSync(join(folder, name), join(folder, REFUSED, name));
  return true;
}

/**
 * A way to the socket in `folder` that is short enough for connect(2). The server needs none: it binds
 * a relative path. Symlinks on the way do not count, so a long folder is reached through one.
 */
function openDoor(folder: string): { readonly socket: string; close(): void } {
  const socket = join(folder, SOCKET);
  if (Buffer.byteLength(socket) <= LONGEST_SOCKET_PATH) return { socket, close: () => undefined };
  const door = mkdtempSync(join(tmpdir(), 'sendoff-'));
  symlinkSync(folder, join(door, 'redis'));
  return {
    socket: join(door, 'redis', SOCKET),
    close: () => rmSync(door, { recursive: true, force: true }),
  };
}
