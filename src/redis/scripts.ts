// What is shared by all daemons on one Redis: Lua scripts that read and change it in one step.
// open.ts makes one, parts.ts hands it to the queue: slots, rates and whatever else is counted use it.
// Never waits for a Redis that is away, and never knows what a script is for.
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { type RedisAddress, redisOptions } from './connection.ts';

/** One hash tag, so that a Redis Cluster keeps all keys in one slot and a script may touch any of them. */
const PREFIX = '{sendoff}:';

export interface Scripts {
  /**
   * Runs a script with these keys (without the prefix that all keys of Sendoff have) and arguments, and resolves
   * with what it returns: integers, strings, null, or arrays of them (Lua's numbers lose their fraction).
   * Rejects at once while Redis is away, and when it says nothing for 2 seconds; then the script may have run.
   */
  run(lua: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
}

export interface OpenScripts extends Scripts {
  close(): void;
}

/** Connects by itself, and again whenever Redis comes back. */
export function openScripts(address: RedisAddress, onTrouble: (error: Error) => void): OpenScripts {
  const client = new Redis(redisOptions(address, 'asking'));
  client.on('error', onTrouble);
  // Told to the Redis that is connected now; a restart forgets them. What it may not know is sent in full, so that
  // scripts run in the order in which they were asked for.
  const told = new Map<string, string>();
  client.on('close', () => told.clear());
  return {
    async run(lua, keys, args) {
      const rest = [keys.length, ...keys.map((key) => PREFIX + key), ...args] as const;
      const digest = told.get(lua);
      try {
        if (digest !== undefined) return await client.evalsha(digest, ...rest);
      } catch (error) {
        // Somebody made it forget.
        if (!isUnknownScript(error)) throw error;
      }
      const answer = client.eval(lua, ...rest);
      told.set(lua, createHash('sha1').update(lua).digest('hex'));
      return answer;
    },
    close: () => client.disconnect(),
  };
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
