// The Redis of this daemon: its own, or the one whose URL is configured, checked and ready to be asked.
// daemon.ts opens it first and closes it last.
// Never makes the start wait for a Redis elsewhere that is away: mail is taken all the same.
import type { Clock } from '../clock/clock.ts';
import { UnfitConfiguration } from '../config/problem.ts';
import type { Alarms } from '../observe/alarms.ts';
import type { Observer } from '../observe/events.ts';
import type { RedisCheck } from './check.ts';
import { describeRedis, parseRedisUrl, type RedisAddress } from './connection.ts';
import { startEmbeddedRedis } from './embedded.ts';
import { openPulse, type RedisPulse } from './pulse.ts';
import { openScripts, type Scripts } from './scripts.ts';

export interface DaemonRedis {
  readonly address: RedisAddress;
  readonly pulse: RedisPulse;
  /** For what all daemons on this Redis share. */
  readonly scripts: Scripts;
  /** Ends the private server, when it is one. */
  close(): Promise<void>;
}

export interface OpenRedisOptions {
  /** Null: a private server. */
  readonly url: string | null;
  /** Of the private server. */
  readonly folder: string;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly alarms: Alarms;
}

/** Rejects when the private server cannot be started, or (UnfitConfiguration) when the Redis found must not be used. */
export async function openRedis(options: OpenRedisOptions): Promise<DaemonRedis> {
  const { url } = options;
  const embedded = url === null ? await startEmbeddedRedis(options) : null;
  const address = embedded?.address ?? parseRedisUrl(url ?? '');
  const pulse = openPulse(address);
  const scripts = openScripts(address, (error) => options.observer.debug('redis', { error: error.message }));
  const close = async (): Promise<void> => {
    pulse.close();
    scripts.close();
    await embedded?.stop();
  };
  try {
    await checkNow(pulse, address, options);
  } catch (error) {
    await close();
    throw error;
  }
  return { address, pulse, scripts, close };
}

async function checkNow(pulse: RedisPulse, address: RedisAddress, options: OpenRedisOptions): Promise<void> {
  const where = describeRedis(address);
  let check: RedisCheck;
  try {
    check = await pulse.check();
  } catch (error) {
    const text = `Redis at ${where} cannot be reached; mail is taken and waits: ${(error as Error).message}`;
    options.alarms.raise('redis-down', text);
    return;
  }
  const { problems, facts } = check;
  const errors = problems.filter(({ severity }) => severity === 'error').map(({ text }) => text);
  // A Redis that would lose runs at any time is no ground to stand on.
  if (errors.length > 0) throw new UnfitConfiguration(`Redis at ${where}: ${errors.join('; ')}`);
  for (const { text } of problems)
    options.alarms.raise('redis-config', `Redis at ${where}: ${text}`, {}, text);
  const { server, aof, appendfsync, lossAtDeath } = facts;
  options.observer.info(`Redis is ${server} at ${where}; if it dies, this is lost: ${lossAtDeath}`, {
    aof,
    appendfsync,
  });
}
