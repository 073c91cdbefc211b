// A connection that only asks Redis whether it is there, and how it is set up.
// daemon.ts checks a new Redis through it, the health watch asks it every few seconds.
// Never queues a question: a Redis that is away is an answer.
import { Redis } from 'ioredis';
import { checkRedis, type RedisCheck } from './check.ts';
import { type RedisAddress, redisOptions } from './connection.ts';

export interface RedisPulse {
  /** Null when it answers, else what is wrong. Never rejects. */
  ask(): Promise<string | null>;
  /** Rejects while Redis cannot be reached. */
  check(): Promise<RedisCheck>;
  close(): void;
}

export function openPulse(address: RedisAddress): RedisPulse {
  const client = new Redis({ ...redisOptions(address, 'asking'), lazyConnect: true });
  let lastError = 'not connected';
  client.on('error', (error: Error) => {
    lastError = error.message;
  });
  const connected = client.connect().catch(() => undefined);
  return {
    async ask() {
      await connected;
      try {
        await client.ping();
        return null;
      } catch (error) {
        return client.status === 'ready' ? (error as Error).message : lastError;
      }
    },
    async check() {
      await connected;
      return checkRedis(client);
    },
    close: () => client.disconnect(),
  };
}
