// The parts of the queue around a spool of the test's own, without Redis and without a network.
// Used by tests of what the queue does to entries; runs are asked for and never begin.
// Never delivers: an attempt in it is a mistake of the test.
import { onTestFinished } from 'vitest';
import { Adaptive } from '../../src/limits/adaptive.ts';
import { Budgets } from '../../src/limits/budgets.ts';
import { Rates } from '../../src/limits/rates.ts';
import { Slots } from '../../src/limits/slots.ts';
import { Slowdowns } from '../../src/limits/slowdowns.ts';
import { createAlarms } from '../../src/observe/alarms.ts';
import type { MailEvent, Observer } from '../../src/observe/events.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { Destinations } from '../../src/queue/destinations.ts';
import { Detours } from '../../src/queue/detours.ts';
import { Dispatcher } from '../../src/queue/dispatcher.ts';
import type { House } from '../../src/queue/house.ts';
import { SiteBook } from '../../src/queue/site-book.ts';
import type { Scripts } from '../../src/redis/scripts.ts';
import type { Spool } from '../../src/spool/spool.ts';
import { MovableClock } from './clock.ts';
import { policyFrom } from './policy.ts';

export interface TestHouse extends House {
  readonly clock: MovableClock;
  readonly events: MailEvent[];
}

const DIRECT = 'routes: { direct: { via: mx } }\nrules: [{ name: all, route: direct }]\n';

/** Redis is away, unless a test brings its own. */
const NO_REDIS: Scripts = { run: () => Promise.reject(new Error('there is no Redis here')) };

export function openHouse(
  spool: Spool,
  policy: Policy = policyFrom(DIRECT),
  scripts: Scripts = NO_REDIS,
): TestHouse {
  const clock = new MovableClock();
  const events: MailEvent[] = [];
  const quiet = (): void => undefined;
  const observer: Observer = {
    event: (event) => void events.push(event),
    debug: quiet,
    info: quiet,
    warn: quiet,
  };
  const destinations = new Destinations();
  const room = () => ({ places: 10, limit: null });
  const ask = async () => true;
  const dispatcher = new Dispatcher({
    spool,
    destinations,
    clock,
    ask,
    connections: 10,
    room,
    reached: quiet,
  });
  const adaptive = new Adaptive();
  const slowdowns = new Slowdowns();
  const slots = new Slots({
    scripts,
    clock,
    allowed: (limit, elsewhere) => {
      const now = clock.now();
      return slowdowns.connections(limit, adaptive.allowedBeside(limit, elsewhere, now), now);
    },
    waiting: () => [],
    freed: (key) => dispatcher.freed(key),
    wanted: quiet,
  });
  const stopping = new AbortController();
  onTestFinished(() => {
    stopping.abort();
    dispatcher.stop();
  });
  return {
    spool,
    clock,
    random: () => 0.5,
    observer,
    alarms: createAlarms(observer, clock),
    delivery: {
      plan: () => Promise.reject(new Error('nothing is delivered here')),
      bestMx: () => Promise.reject(new Error('nothing is delivered here')),
      approach: () => {
        throw new Error('nothing is delivered here');
      },
    },
    destinations,
    dispatcher,
    slots,
    adaptive,
    slowdowns,
    rates: new Rates(scripts, clock),
    sites: new SiteBook(clock),
    looking: new Set(),
    budgets: new Budgets({ scripts, spool, clock, isShared: false, opened: quiet, usedUp: quiet }),
    detours: new Detours(),
    policy: () => policy,
    hostname: 'relay.example.net',
    postmaster: null,
    shutdownTimeout: 30_000,
    stopping: stopping.signal,
    reached: quiet,
    events,
  };
}
