// The door to BullMQ: asks for runs and hands them to the worker.
// The dispatcher asks, run.ts does the work; what a run is for, this file does not know.
// Never holds mail: losing everything in Redis loses nothing but time.
import { type ConnectionOptions, Queue, Worker } from 'bullmq';
import type { RedisOptions } from 'ioredis';
import type { DestinationKey } from './entry.ts';

/** Runs for destinations that answer go first (BullMQ: a lower number runs earlier, 0 is "none"). */
const PRIORITY = { live: 1, slow: 10 } as const;
export type RunPriority = keyof typeof PRIORITY;

/**
 * A job that lost its lock this often would be put aside for good; the spool decides what is
 * given up, never the queue, so the number only has to be out of reach.
 */
const NEVER_FAIL_STALLED = 1_000_000;

/** Nobody reads the events stream; BullMQ's own default keeps 400 KB of it. */
const EVENTS_KEPT = 10;

/** Long enough for a busy event loop, short enough that a dead daemon's runs come back soon. */
const LOCK_MS = 60_000;

export interface RunRequest {
  readonly destination: DestinationKey;
  /** Milliseconds from now; 0 is at once. */
  readonly delay: number;
  readonly priority: RunPriority;
}

export interface RunQueueOptions {
  /** The spool's id: daemons share runs only when they share the spool. */
  readonly spoolId: string;
  /** What asks must not wait for Redis, what works waits as long as it takes. */
  readonly connection: { readonly asking: RedisOptions; readonly working: RedisOptions };
  /** Runs at a time. */
  readonly concurrency: number;
  /** Does one run, which was asked for with a delay or without; must not reject. */
  readonly run: (destination: DestinationKey, delayed: boolean) => Promise<void>;
  readonly onTrouble: (error: Error) => void;
}

export interface RunQueue {
  /** Resolves false when Redis did not take it: the sweep asks again. Never rejects. */
  ask(request: RunRequest): Promise<boolean>;
  /** Forgets all runs of an earlier process and begins to work, once Redis answers or `signal` aborts. */
  start(signal: AbortSignal): Promise<void>;
  /** Takes no further run and resolves when those under way have ended. */
  close(): Promise<void>;
}

interface RunData {
  readonly destination: DestinationKey;
}

export function openRunQueue(options: RunQueueOptions): RunQueue {
  const name = `runs-${options.spoolId}`;
  // One hash tag, so that a Redis Cluster keeps all keys of the queue in one slot.
  const prefix = '{sendoff}';
  const queue = new Queue<RunData, void, string>(name, {
    connection: options.connection.asking as ConnectionOptions,
    prefix,
    skipWaitingForReady: true,
    streams: { events: { maxLen: EVENTS_KEPT } },
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  });
  queue.on('error', options.onTrouble);
  const worker = new Worker<RunData, void, string>(
    name,
    (job) => options.run(job.data.destination, (job.opts.delay ?? 0) > 0),
    {
      connection: options.connection.working as ConnectionOptions,
      prefix,
      autorun: false,
      concurrency: options.concurrency,
      lockDuration: LOCK_MS,
      maxStalledCount: NEVER_FAIL_STALLED,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    },
  );
  worker.on('error', options.onTrouble);
  const ids = runIds();

  return {
    async ask({ destination, delay, priority }) {
      try {
        // An id of its own makes the add idempotent: ioredis may send it twice after a reconnect.
        await queue.add('run', { destination }, { jobId: ids(), delay, priority: PRIORITY[priority] });
        return true;
      } catch (error) {
        options.onTrouble(error as Error);
        return false;
      }
    },
    async start(signal) {
      await worker.waitUntilReady().catch(options.onTrouble);
      // The data folder is locked, so every run in the queue was asked for by a process that is gone.
      await queue.obliterate({ force: true }).catch(options.onTrouble);
      if (!signal.aborted) worker.run().catch(options.onTrouble);
    },
    async close() {
      await worker.close().catch(options.onTrouble);
      await queue.close().catch(options.onTrouble);
    },
  };
}

function runIds(): () => string {
  const process = crypto.randomUUID();
  let count = 0;
  return () => `${process}-${++count}`;
}
