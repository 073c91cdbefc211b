// A Redis of the test's own: a real server on a free loopback port and a unix socket in a temporary folder.
// Used by every test that needs one; it is stopped, and its folder gone, when the test or the file is over.
// Never touches a Redis that something else started.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { until } from './until.ts';

export interface TestRedis {
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  /** Path of the unix socket. */
  readonly socket: string;
  readonly folder: string;
  /** How an ioredis client reaches it. */
  readonly options: RedisOptions;
  /** Process id; after `restart` another one. */
  readonly pid: number;
  /** SIGKILL; resolves when the process is gone. What `everysec` had not yet synced is lost, as in life. */
  kill9(): Promise<void>;
  /** SIGSTOP and SIGCONT: connected, but silent. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on the same port and folder; stops it first where it runs. */
  restart(): Promise<void>;
  /** FLUSHALL. */
  flush(): Promise<void>;
  /** Runs one command on a connection of its own. */
  call(command: string, ...args: string[]): Promise<unknown>;
  /** Ends it and removes its folder; may be called twice. */
  stop(): Promise<void>;
}

export interface TestRedisOptions {
  /** Server options, `['--appendonly', 'no']`; later ones win. Default: AOF on, noeviction. */
  readonly args?: readonly string[];
}

/** For one test (or beforeEach): ends with it. */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const redis = new Server(options.args ?? []);
  onTestFinished(() => redis.stop());
  await redis.restart();
  return redis;
}

/** For all tests of a file or `describe`: call it there, and call what it returns inside the tests. */
export function redisForFile(options: TestRedisOptions = {}): () => TestRedis {
  const redis = new Server(options.args ?? []);
  beforeAll(() => redis.restart());
  afterAll(() => redis.stop());
  return () => redis;
}

class Server implements TestRedis {
  readonly folder = mkdtempSync(join(tmpdir(), 'sendoff-redis-'));
  readonly socket = join(this.folder, 'redis.sock');
  readonly #args: readonly string[];
  #port = 0;
  #child: ChildProcess | null = null;
  /** A test process that dies early takes its Redis along. */
  readonly #onExit = (): void => {
    this.#child?.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  };

  constructor(args: readonly string[]) {
    this.#args = args;
    process.on('exit', this.#onExit);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get port(): number {
    if (this.#port === 0) throw new Error('this Redis was never started');
    return this.#port;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('this Redis does not run');
    return this.#child.pid;
  }

  get options(): RedisOptions {
    return { host: '127.0.0.1', port: this.port };
  }

  async restart(): Promise<void> {
    await this.#end('SIGTERM');
    if (this.#port !== 0) return this.#start();
    // Another process may have it: try a few.
    for (let attempt = 1; ; attempt++) {
      this.#port = likelyFreePort();
      try {
        return await this.#start();
      } catch (error) {
        if (attempt === 5) throw error;
      }
    }
  }

  kill9(): Promise<void> {
    return this.#end('SIGKILL');
  }

  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async flush(): Promise<void> {
    await this.call('FLUSHALL');
  }

  async call(command: string, ...args: string[]): Promise<unknown> {
    const client = new Redis({ path: this.socket, lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await client.call(command, ...args);
    } finally {
      client.disconnect();
    }
  }

  async stop(): Promise<void> {
    await this.#end('SIGKILL');
    process.off('exit', this.#onExit);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const child = spawn(await serverProgram(), [...this.#standardArgs(), ...this.#args], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    await until('redis to accept connections', () => {
      if (child.exitCode !== null) throw new Error(`redis ended at start:\n${output}`);
      return output.includes('Ready to accept connections');
    });
  }

  #standardArgs(): string[] {
    const network = ['--bind', '127.0.0.1', '--port', `${this.#port}`, '--unixsocket', 'redis.sock'];
    return [...network, '--save', '', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    // A frozen process takes no other signal than SIGKILL.
    if (signal === 'SIGTERM') child.kill('SIGCONT');
    await gone;
  }
}

let program: Promise<string> | undefined;

/** `redis-server`, or `valkey-server` where that is the one that is installed. */
export function serverProgram(): Promise<string> {
  program ??= (async () => {
    for (const candidate of ['redis-server', 'valkey-server']) {
      const child = spawn(candidate, ['--version'], { stdio: 'ignore' });
      if (
        await once(child, 'exit').then(
          () => true,
          () => false,
        )
      )
        return candidate;
    }
    throw new Error('redis-server and valkey-server are both missing: npm run ensure-redis');
  })();
  return program;
}

/**
 * Below the ports that the system gives away by itself: while this Redis is down, nobody else's listener
 * or connection may take its place.
 */
function likelyFreePort(): number {
  return 20_000 + Math.floor(Math.random() * 12_000);
}
