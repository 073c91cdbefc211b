// Looks at a Redis before mail depends on it: version, role, AOF, eviction.
// daemon.ts asks at start, `sendoff check` and `doctor` too; each prints what is found.
// Never changes a setting of a Redis, its own included.

/** The part of an ioredis client that is needed here. */
export interface RedisCaller {
  call(command: string, ...args: string[]): Promise<unknown>;
}

export interface RedisProblem {
  /** `error`: do not start with it. `warning`: say it and go on. */
  readonly severity: 'error' | 'warning';
  readonly text: string;
}

export interface RedisFacts {
  /** `redis 7.0.15`, `valkey 8.1.1`. */
  readonly server: string;
  readonly aof: boolean;
  /** Null when the provider does not let us see it. */
  readonly appendfsync: string | null;
  readonly evictionPolicy: string;
  /** What a sudden death of this Redis costs, in one line. */
  readonly lossAtDeath: string;
}

export interface RedisCheck {
  readonly problems: readonly RedisProblem[];
  readonly facts: RedisFacts;
}

type Info = ReadonlyMap<string, string>;

/** BullMQ's scripts need 6.2; 7 brought the AOF in several files, which never rewrites in place. */
const LEAST_VERSION: Version = [6, 2];
const GOOD_VERSION: Version = [7, 0];
type Version = readonly [major: number, minor: number];

/** Asks the server. Rejects as the client does when the server cannot be asked at all. */
export async function checkRedis(client: RedisCaller): Promise<RedisCheck> {
  const info = parseInfo(String(await client.call('INFO')));
  return judge(info, await appendfsyncOf(client));
}

/** INFO's `key:value` lines; section titles and blank lines are left out. */
export function parseInfo(text: string): Info {
  const lines = text.split(/\r?\n/).filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** Managed Redis often refuses CONFIG (or has it renamed away): not a fault, but not knowable then. */
async function appendfsyncOf(client: RedisCaller): Promise<string | null> {
  try {
    const answer = await client.call('CONFIG', 'GET', 'appendfsync');
    return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : null;
  } catch (error) {
    if ((error as Error).name === 'ReplyError') return null;
    throw error;
  }
}

/** What the answers mean. `appendfsync` is null when it was refused. */
export function judge(info: Info, appendfsync: string | null): RedisCheck {
  const aof = info.get('aof_enabled') === '1';
  const evictionPolicy = info.get('maxmemory_policy') ?? 'unknown';
  const facts = {
    server: serverOf(info),
    aof,
    appendfsync,
    evictionPolicy,
    lossAtDeath: lossAtDeath(aof, appendfsync),
  };
  const problems = [
    ...versionProblems(info),
    ...roleProblems(info),
    ...evictionProblems(evictionPolicy),
    ...persistenceProblems(aof, appendfsync),
  ];
  return { problems, facts };
}

function serverOf(info: Info): string {
  const valkey = info.get('valkey_version');
  return valkey ? `valkey ${valkey}` : `redis ${info.get('redis_version') ?? 'of unknown version'}`;
}

/** Valkey and the like report here the version of Redis that they are compatible with. */
function versionProblems(info: Info): RedisProblem[] {
  const [major = 0, minor = 0] = (info.get('redis_version') ?? '').split('.').map(Number);
  const below = ([m, n]: Version): boolean => major < m || (major === m && minor < n);
  if (below(LEAST_VERSION)) return [error(`${serverOf(info)} is too old, 6.2 is needed and 7 recommended`)];
  if (below(GOOD_VERSION)) return [warning(`${serverOf(info)} works, 7 or newer is recommended`)];
  return [];
}

function roleProblems(info: Info): RedisProblem[] {
  if (info.get('redis_mode') === 'cluster') return [error('a Redis Cluster cannot be used yet')];
  if (info.get('role') === 'slave') return [error('this Redis is a replica: give the URL of its primary')];
  return [];
}

function evictionProblems(policy: string): RedisProblem[] {
  if (policy === 'noeviction') return [];
  if (policy === 'unknown') return [warning('maxmemory-policy cannot be seen; it must be noeviction')];
  return [error(`maxmemory-policy is ${policy}: when memory is short it throws runs away; set noeviction`)];
}

function persistenceProblems(aof: boolean, appendfsync: string | null): RedisProblem[] {
  if (!aof) return [warning('the AOF is off: set appendonly yes')];
  if (appendfsync === null) return [warning('CONFIG is refused, so appendfsync cannot be seen')];
  if (appendfsync === 'no') return [warning('appendfsync is no: set everysec')];
  return [];
}

/** The spool holds the mail, its retries and its outcomes; Redis holds what is to be done next. */
function lossAtDeath(aof: boolean, appendfsync: string | null): string {
  const sweep = 'no mail and no retry time; the sweep asks again for each run that is lost';
  if (!aof) return `all runs that are waiting, but ${sweep}`;
  if (appendfsync === 'always') return 'nothing';
  if (appendfsync === 'everysec') return `the last second of runs, but ${sweep}`;
  return `the latest runs, but ${sweep}`;
}

function error(text: string): RedisProblem {
  return { severity: 'error', text };
}

function warning(text: string): RedisProblem {
  return { severity: 'warning', text };
}
