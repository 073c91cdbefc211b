// One process of a private redis-server or valkey-server: its program, its options, its start and its end.
// embedded.ts keeps one of these alive; nothing else starts a process.
// Never opens a TCP port, and never takes a Redis that belongs to somebody else.
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import type { Clock } from '../clock/clock.ts';

/** Why the embedded Redis does not run, in words that tell the operator what to do. */
export class RedisStartError extends Error {
  override readonly name = 'RedisStartError';
  /** It ended by itself before it accepted a connection. */
  readonly refused: boolean;

  constructor(message: string, refused = false) {
    super(message);
    this.refused = refused;
  }
}

/** A command and the arguments that go before Redis's own. */
export interface ServerProgram {
  readonly command: string;
  readonly prefix: readonly string[];
}

export interface ServerProcess {
  /** Resolves when the process is gone, however it went: `signal SIGKILL` or `exit code 1`, and its last words. */
  readonly ended: Promise<string>;
  /** Tells it to end, waits, and kills it when it does not. */
  end(): Promise<void>;
}

/** Name of the unix socket in the server's folder. */
export const SOCKET = 'redis.sock';

/** Name of the file that holds the server's process id. */
export const PID_FILE = 'redis.pid';

/** The AOF is rewritten when it doubles, so a load takes a second or two; slow disks get ten times that. */
const START_DEADLINE = 30_000;

/** SIGTERM syncs the AOF and ends; a disk that does not answer must not hold up our own end for longer. */
const END_DEADLINE = 5_000;

/** Lines of the server's output that are kept for the message about its death. */
const LAST_WORDS = 5;

/**
 * 20,000 destinations with a run each take some 20 MB. With noeviction a full Redis refuses further
 * runs, which the sweep asks for again, so a bound costs time at worst.
 */
const MAX_MEMORY = '256mb';

const OPTIONS: Readonly<Record<string, string>> = {
  port: '0',
  unixsocket: SOCKET,
  unixsocketperm: '700',
  pidfile: PID_FILE,
  daemonize: 'no',
  loglevel: 'warning',
  databases: '1',
  // We open some ten connections; the default of 10,000 costs memory for each.
  maxclients: '128',
  maxmemory: MAX_MEMORY,
  'maxmemory-policy': 'noeviction',
  save: '',
  appendonly: 'yes',
  // The spool is the truth and the sweep heals what Redis forgot: a second lost costs nothing. With
  // `always` Redis would end itself on a full disk; with `everysec` it answers with errors until there is room.
  appendfsync: 'everysec',
  'no-appendfsync-on-rewrite': 'yes',
  // A rewrite forks; below this size it is not worth it.
  'auto-aof-rewrite-min-size': '16mb',
};

/**
 * Finds a server on PATH. Where util-linux's setpriv is there too, the kernel ends the server with the
 * daemon, even after kill -9; elsewhere the next start does. Throws RedisStartError when none is installed.
 */
export async function findServer(): Promise<ServerProgram> {
  const tied = ['setpriv', '--pdeathsig', 'TERM'];
  for (const wrapper of [tied, []]) {
    for (const server of ['redis-server', 'valkey-server']) {
      const [command = server, ...prefix] = [...wrapper, server];
      if (await runs(command, [...prefix, '--version'])) return { command, prefix };
    }
  }
  throw new RedisStartError(
    'redis-server and valkey-server are both missing. Type: sudo apt-get install redis-server ' +
      '(or the same with dnf, apk or brew), or set redis.url to a Redis of yours',
  );
}

function runs(command: string, args: readonly string[]): Promise<boolean> {
  return promisify(execFile)(command, args).then(
    () => true,
    () => false,
  );
}

/**
 * Starts a server in `folder` and resolves when it accepts commands on its socket, which clients reach
 * as `socket`. Throws RedisStartError; nothing runs then.
 */
export async function startServer(
  program: ServerProgram,
  folder: string,
  socket: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<ServerProcess> {
  const server = spawnServer(program, folder, clock);
  const failure = await firstAnswer(server, socket, clock, signal);
  if (failure === null) return server;
  await server.end();
  throw failure;
}

function spawnServer(program: ServerProgram, folder: string, clock: Clock): ServerProcess {
  const options = Object.entries(OPTIONS).flatMap(([key, value]) => [`--${key}`, value]);
  const child = spawn(program.command, [...program.prefix, ...options], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own: Ctrl-C on the terminal ends the daemon, and the daemon ends Redis last.
    detached: true,
  });
  const words: string[] = [];
  const listen = (chunk: Buffer): void => {
    words.push(...chunk.toString().split('\n').filter(Boolean));
    words.splice(0, words.length - LAST_WORDS);
  };
  child.stdout.on('data', listen);
  child.stderr.on('data', listen);

  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    // `close`, not `exit`: the last words are read by then.
    child.once('close', (code, killer) => {
      resolve([killer ? `signal ${killer}` : `exit code ${code}`, ...words].join('\n'));
    });
  });
  const end = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = clock.after(END_DEADLINE, () => child.kill('SIGKILL'));
    await ended;
    timer.cancel();
  };
  return { ended, end };
}

/** Null when the server is ready for commands, else why it is not. */
async function firstAnswer(
  server: ServerProcess,
  socket: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<RedisStartError | null> {
  const client = new Redis({
    path: socket,
    retryStrategy: () => 20,
    // While it loads its AOF it says so; ask again soon.
    maxLoadingRetryTime: 100,
  });
  // Until the socket is there each attempt fails, and the next one follows.
  client.on('error', () => undefined);
  const { promise, resolve } = Promise.withResolvers<RedisStartError | null>();
  const onAbort = (): void => resolve(new RedisStartError('stopped while Redis was starting'));
  const timer = clock.after(START_DEADLINE, () => {
    resolve(new RedisStartError(`Redis did not answer on ${socket} for ${START_DEADLINE / 1000} s`));
  });
  client.once('ready', () => resolve(null));
  void server.ended.then((how) => resolve(new RedisStartError(`Redis did not start: ${how}`, true)));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await promise;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
    client.disconnect();
  }
}
