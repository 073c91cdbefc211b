// Ends a Redis that a daemon left behind when it was killed, before a new one takes its folder.
// Called by embedded.ts at the start, under the data folder's lock: whoever is found here has no daemon.
// Never ends a Redis that works in another folder.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Observer } from '../observe/events.ts';
import { PID_FILE, RedisStartError } from './server.ts';

/** It is idle, so it answers at once; syncing its AOF on a slow disk may take some seconds. */
const DEADLINE = 10_000;

/** What ioredis says when a command has no answer in time; the connection is up then. */
const TIMED_OUT = 'Command timed out';

/** Resolves when nobody listens on the socket any more. Throws RedisStartError when that cannot be reached. */
export async function endStaleServer(socket: string, folder: string, observer: Observer): Promise<void> {
  const client = new Redis({
    path: socket,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    // It may still be loading, and takes CONFIG and SHUTDOWN then too.
    enableReadyCheck: false,
    connectTimeout: DEADLINE,
    commandTimeout: DEADLINE,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch {
    return; // No socket, or nobody behind it.
  }
  try {
    await shutDown(client, folder);
    observer.info('ended a Redis that an earlier daemon had left behind', { folder });
  } catch (error) {
    const remedy = `end process ${pidOf(folder)} by hand`;
    throw new RedisStartError(`another Redis holds ${folder}, ${remedy}: ${(error as Error).message}`);
  } finally {
    client.disconnect();
  }
}

/** The connection closes when the process exits, so its end is the server's end. */
async function shutDown(client: Redis, folder: string): Promise<void> {
  const gone = new Promise<void>((resolve) => client.once('end', resolve));
  try {
    const [, dir] = (await client.call('CONFIG', 'GET', 'dir')) as string[];
    if (dir !== folder) throw new Error(`it works in ${dir}`);
    await client.call('SHUTDOWN', 'NOSAVE');
  } catch (error) {
    // SHUTDOWN has no other answer than the end of the connection; it may also be ending already.
    if (client.status === 'ready' || (error as Error).message === TIMED_OUT) throw error;
  }
  await gone;
}

function pidOf(folder: string): string {
  try {
    return readFileSync(join(folder, PID_FILE), 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
