// Where Redis is, and how a client is to behave towards it: option sets for ioredis and BullMQ.
// daemon.ts takes the address from the settings or the embedded server; queue/bull.ts gets the options.
// Never opens a connection.

export type RedisAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly username?: string;
      readonly password?: string;
      readonly db: number;
      readonly tls: boolean;
    };

/**
 * `asking`: for what must not wait. A command fails at once while Redis is away and after
 * COMMAND_TIMEOUT when it is silent; the sweep makes good what failed.
 * `working`: for workers, whose blocking commands wait as long as it takes.
 */
export type RedisUse = 'asking' | 'working';

/** The options that we set; a subset that both ioredis and BullMQ take. */
export interface RedisClientOptions {
  path?: string;
  host?: string;
  port?: number;
  username?: string;
  password?: string;
  db?: number;
  tls?: object;
  enableOfflineQueue: boolean;
  autoResendUnfulfilledCommands: boolean;
  maxRetriesPerRequest: number | null;
  commandTimeout?: number;
  connectTimeout: number;
  keepAlive: number;
  maxLoadingRetryTime: number;
  retryStrategy: (attempt: number) => number;
}

/** A healthy Redis answers in milliseconds; a forked rewrite of its AOF may stall it for some hundreds. */
const COMMAND_TIMEOUT = 2_000;

/** Redis is on this machine or in this data centre. */
const CONNECT_TIMEOUT = 5_000;

/** Dead TCP peers are found after half a minute and the kernel's probes. */
const KEEP_ALIVE = 30_000;

/** A Redis that comes back is noticed within this time, and one that is away is not flooded. */
const LONGEST_RECONNECT_DELAY = 1_000;

const DEFAULT_PORT = 6379;

/**
 * Reads `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, or `/path/to/socket`
 * (also as `unix:///path`). Throws an Error whose message says what is wrong, without the password.
 */
export function parseRedisUrl(url: string): RedisAddress {
  if (url.startsWith('/')) return { kind: 'socket', path: url };
  const parsed = URL.parse(url);
  if (parsed?.protocol === 'unix:' && parsed.host === '' && parsed.pathname.length > 1) {
    return { kind: 'socket', path: decodeURIComponent(parsed.pathname) };
  }
  const tls = parsed?.protocol === 'rediss:';
  if (!parsed?.hostname || !(tls || parsed.protocol === 'redis:')) {
    throw new Error('a Redis URL is redis://host:port, rediss://host:port or the path of a socket');
  }
  const { username, password } = parsed;
  return {
    kind: 'tcp',
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? DEFAULT_PORT : Number(parsed.port),
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    db: databaseNumber(parsed.pathname),
    tls,
  };
}

function databaseNumber(pathname: string): number {
  if (pathname === '' || pathname === '/') return 0;
  if (!/^\/\d+$/.test(pathname)) throw new Error('a Redis URL ends in the number of a database, as in /0');
  return Number(pathname.slice(1));
}

/** For people and logs: no password. */
export function describeRedis(address: RedisAddress): string {
  if (address.kind === 'socket') return address.path;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${address.tls ? 'rediss' : 'redis'}://${host}:${address.port}/${address.db}`;
}

export function redisOptions(address: RedisAddress, use: RedisUse): RedisClientOptions {
  return { ...reach(address), ...manners(use) };
}

function reach(address: RedisAddress): Partial<RedisClientOptions> {
  if (address.kind === 'socket') return { path: address.path };
  const { host, port, username, password, db, tls } = address;
  return {
    host,
    port,
    db,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    // The name in the certificate is the host's; Node checks it and the chain.
    ...(tls && { tls: {} }),
  };
}

function manners(use: RedisUse) {
  const patience = {
    asking: {
      enableOfflineQueue: false,
      // A command that was under way when the connection broke fails; nobody waits for the next one.
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 1,
      commandTimeout: COMMAND_TIMEOUT,
    },
    working: {
      enableOfflineQueue: true,
      autoResendUnfulfilledCommands: true,
      maxRetriesPerRequest: null,
    },
  };
  return {
    ...patience[use],
    connectTimeout: CONNECT_TIMEOUT,
    keepAlive: KEEP_ALIVE,
    maxLoadingRetryTime: LONGEST_RECONNECT_DELAY,
    retryStrategy: (attempt: number) => Math.min(attempt * 50, LONGEST_RECONNECT_DELAY),
  };
}
