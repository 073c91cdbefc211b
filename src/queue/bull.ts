// The door to BullMQ: asks for runs and hands them to the worker.
// The dispatcher asks, run.ts does the work; what a run is for, this file does not know.
// Never holds mail: losing everything in Redis loses nothing but time.
import { type ConnectionOptions, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { RedisClientOptions } from '../redis/connection.ts';
import type { DestinationKey } from './entry.ts';

/**
 * Runs for destinations that answer go first, and before their like those for urgent mail (BullMQ: a lower
 * number runs earlier, 0 is "none").
 */
const PRIORITY = { 'live-urgent': 1, live: 2, 'slow-urgent': 9, slow: 10 } as const;
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
  readonly connection: { readonly asking: RedisClientOptions; readonly working: RedisClientOptions };
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

/** One hash tag, so that a Redis Cluster keeps all keys of the queue in one slot. */
const PREFIX = '{sendoff}';

type Runs = Queue<RunData, void, string>;

export function openRunQueue(options: RunQueueOptions): RunQueue {
  const name = `runs-${options.spoolId}`;
  const asking = openAsking(name, options);
  const underWay = new Set<Promise<void>>();
  const worker = new Worker<RunData, void, string>(
    name,
    (job) => {
      const run = options.run(job.data.destination, (job.opts.delay ?? 0) > 0);
      underWay.add(run);
      return run.finally(() => underWay.delete(run));
    },
    {
      connection: options.connection.working as ConnectionOptions,
      prefix: PREFIX,
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
    ask: ({ destination, delay, priority }) =>
      asking.try(async (queue) => {
        // An id of its own makes the add idempotent: ioredis may send it twice after a reconnect.
        await queue.add('run', { destination }, { jobId: ids(), delay, priority: PRIORITY[priority] });
      }),
    async start(signal) {
      await worker.waitUntilReady().catch(options.onTrouble);
      // The data folder is locked, so every run in the queue was asked for by a process that is gone. Not
      // obliterate: it pauses the queue first, and a Redis that dies a moment later may wake up with that.
      await asking.try((queue) => queue.drain(true));
      if (!signal.aborted) worker.run().catch(options.onTrouble);
    },
    async close() {
      // BullMQ would wait for its jobs without end while Redis is away; we wait for our runs. What Redis
      // still calls active then is forgotten by the next start, like all runs of this process.
      await worker.pause(true).catch(options.onTrouble);
      await Promise.all(underWay);
      await worker.close(true).catch(options.onTrouble);
      await asking.close();
    },
  };
}

interface Asking {
  /** Does it with the queue, or tells by `false` that Redis is not there for it now. */
  try(act: (queue: Runs) => Promise<void>): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * A client that fails at once while Redis is away. BullMQ never recovers from a first contact that
 * failed, so its queue is made when Redis answers, and made anew when it does not work then.
 */
function openAsking(name: string, { connection, onTrouble }: RunQueueOptions): Asking {
  const client = new Redis(connection.asking);
  client.on('error', onTrouble);
  let queue: Runs | null = null;
  const open = (): Runs => {
    const opened: Runs = new Queue(name, {
      connection: client as ConnectionOptions,
      prefix: PREFIX,
      streams: { events: { maxLen: EVENTS_KEPT } },
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    });
    opened.on('error', onTrouble);
    return opened;
  };
  return {
    async try(act) {
      if (client.status !== 'ready') return false;
      queue ??= open();
      const asked = queue;
      try {
        await act(asked);
        return true;
      } catch (error) {
        onTrouble(error as Error);
        // Its listeners on the client go with it; the client stays.
        if (queue === asked) queue = null;
        void asked.close().catch(onTrouble);
        return false;
      }
    },
    async close() {
      await queue?.close().catch(onTrouble);
      client.disconnect();
    },
  };
}

function runIds(): () => string {
  const process = crypto.randomUUID();
  let count = 0;
  return () => `${process}-${++count}`;
}
