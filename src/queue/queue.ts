// The queue as a whole: destinations, dispatcher, runs, timers and operations over one spool.
// daemon.ts starts it when the spool is open and stops it before the spool closes.
// Never accepts mail itself: intake.ts does, and tells it what arrived.

import { Adaptive } from '../limits/adaptive.ts';
import { Budgets } from '../limits/budgets.ts';
import { Rates } from '../limits/rates.ts';
import { Slots } from '../limits/slots.ts';
import { Slowdowns } from '../limits/slowdowns.ts';
import type { RedisClientOptions } from '../redis/connection.ts';
import type { Scripts } from '../redis/scripts.ts';
import { mayProbe } from './backoff.ts';
import { openRunQueue, type RunQueue } from './bull.ts';
import { type Destination, Destinations, standing, suspensionOf } from './destinations.ts';
import { policyForgets } from './detour-moves.ts';
import { Detours } from './detours.ts';
import { Dispatcher, type Room } from './dispatcher.ts';
import type { DestinationKey } from './entry.ts';
import type { House } from './house.ts';
import { policyMends } from './our-trouble.ts';
import { PolicyClock } from './policy-clock.ts';
import { budgetOpened, followQuotas, openBudgets, quotaUsedUp } from './quota-watch.ts';
import { recall } from './recall.ts';
import { review } from './review.ts';
import { run } from './run.ts';
import { SiteBook } from './site-book.ts';
import { MailTimers } from './timers.ts';

export interface QueueOptions
  extends Omit<
    House,
    | 'destinations'
    | 'dispatcher'
    | 'slots'
    | 'adaptive'
    | 'slowdowns'
    | 'rates'
    | 'sites'
    | 'looking'
    | 'budgets'
    | 'detours'
    | 'stopping'
  > {
  readonly redis: { readonly asking: RedisClientOptions; readonly working: RedisClientOptions };
  /** What all daemons on this Redis share. */
  readonly scripts: Scripts;
  /** Whether other daemons may be on this Redis. */
  readonly sharesRedis: boolean;
  /** Connections in all. */
  readonly connections: number;
}

export interface MailQueue {
  readonly house: House;
  /** Begins to work as soon as Redis answers. */
  start(): void;
  /** Trouble of our own is over: what it kept waiting is tried at once. */
  recovered(): void;
  /** Another policy is in force: goes over the mail that is queued. Resolves with the number moved. */
  policyChanged(): Promise<number>;
  /** Runs that have a connection, or are about to. */
  connections(): number;
  /** Destinations by state, for the metrics. */
  states(): Readonly<Record<string, number>>;
  /** Ends what is under way as the House's shutdownTimeout says. Twice is fine. */
  stop(): Promise<void>;
}

type Run = (key: DestinationKey, delayed: boolean) => Promise<void>;

export function createQueue(options: QueueOptions): MailQueue {
  const stopping = new AbortController();
  const destinations = new Destinations();
  // Two parts that need each other: the dispatcher asks BullMQ for runs, which come back to `house`.
  const work: Run = (key, delayed) => run(key, delayed, house);
  const runs = openRuns(options, work);
  const limits = sharedLimits(options, () => house);
  const dispatcher = new Dispatcher({
    ...options,
    destinations,
    ask: (request) => runs.ask(request),
    room: (destination) => room(destination, limits.slots, options.connections),
  });
  const { redis: _, scripts: __, connections: ___, sharesRedis: ____, ...parts } = options;
  const house: House = {
    ...parts,
    destinations,
    dispatcher,
    ...limits,
    sites: new SiteBook(options.clock),
    looking: new Set(),
    detours: new Detours(),
    stopping: stopping.signal,
  };
  const timers = new MailTimers(house);
  const policyClock = new PolicyClock(house);
  let stopped: Promise<void> | null = null;
  return {
    house,
    start() {
      recall(house);
      startLimits(house);
      timers.start();
      policyClock.start();
      // What the dispatcher asked for before would be forgotten with the runs of an earlier process.
      void runs.start(stopping.signal).then(() => dispatcher.start());
    },
    recovered: () => probeAgain(house),
    policyChanged: () => followPolicy(house),
    connections: () => countConnections(destinations),
    states: () => countStates(destinations, options.clock.now()),
    stop() {
      stopped ??= stop(stopping, dispatcher, [timers, policyClock], runs).finally(() => stopLimits(limits));
      return stopped;
    },
  };
}

/** What daemons on one Redis share, and what this one found out about it. */
function sharedLimits(
  { scripts, clock, spool, sharesRedis }: QueueOptions,
  house: () => House,
): Pick<House, 'slots' | 'adaptive' | 'slowdowns' | 'rates' | 'budgets'> {
  const adaptive = new Adaptive();
  const slowdowns = new Slowdowns();
  const slots = new Slots({
    scripts,
    clock,
    allowed: (limit, elsewhere) => {
      const now = clock.now();
      return slowdowns.connections(limit, adaptive.allowedBeside(limit, elsewhere, now), now);
    },
    waiting: () => house().dispatcher.waitingLimits(),
    freed: (key) => house().dispatcher.freed(key),
    wanted: (key) => house().dispatcher.idlers.dismissOne(key),
  });
  const budgets = new Budgets({
    scripts,
    spool,
    clock,
    isShared: sharesRedis,
    opened: (key) => budgetOpened(house(), key),
    usedUp: (full, isNews) => quotaUsedUp(house(), full, isNews),
  });
  return { slots, adaptive, slowdowns, rates: new Rates(scripts, clock), budgets };
}

function startLimits(house: House): void {
  house.slots.start();
  house.budgets.start();
  openBudgets(house);
}

async function stopLimits({ slots, budgets }: Pick<House, 'slots' | 'budgets'>): Promise<void> {
  slots.stop();
  await budgets.stop();
}

function openRuns({ spool, redis, connections, observer }: QueueOptions, work: Run): RunQueue {
  return openRunQueue({
    spoolId: spool.id,
    connection: redis,
    concurrency: connections,
    run: work,
    onTrouble: (error) => observer.debug('redis', { error: error.message }),
  });
}

/** Resolves with the number of entries that another policy moved. */
function followPolicy(house: House): Promise<number> {
  followQuotas(house);
  policyMends(house);
  probeAgain(house);
  policyForgets(house);
  house.dispatcher.limitsChanged();
  return review(house, null);
}

/** Doors that our own trouble closed may be knocked on at once. */
function probeAgain({ destinations, dispatcher, clock }: House): void {
  for (const destination of destinations.all()) {
    mayProbe(destination, clock.now());
    dispatcher.look(destination);
  }
}

async function stop(
  stopping: AbortController,
  dispatcher: Dispatcher,
  timers: readonly { stop(): Promise<void> }[],
  runs: RunQueue,
): Promise<void> {
  stopping.abort();
  dispatcher.stop();
  await Promise.all([...timers.map((one) => one.stop()), runs.close()]);
}

/** What the limits last seen for this destination still allow. */
function room(destination: Destination, slots: Slots, connections: number): Room {
  // Runs that look for their hosts will want a place in a moment.
  const coming = destination.running - destination.connected;
  let tightest: Room = { places: connections, limit: null };
  for (const limit of destination.limits) {
    const free = slots.free(limit) - coming;
    if (free < tightest.places) tightest = { places: free, limit: limit.key };
  }
  return tightest;
}

function countStates(destinations: Destinations, now: number): Record<string, number> {
  const states: Record<string, number> = { new: 0, live: 0, 'backing-off': 0, suspended: 0 };
  for (const destination of destinations.all()) {
    const state = suspensionOf(destination, now) ? 'suspended' : standing(destination, now);
    states[state] = (states[state] ?? 0) + 1;
  }
  return states;
}

function countConnections(destinations: Destinations): number {
  let count = 0;
  for (const { connected } of destinations.all()) count += connected;
  return count;
}
