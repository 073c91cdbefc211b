// The composition root: makes every part, ties them together, starts and stops them in order.
// cli/serve.ts calls it with checked settings and policy; tests call it with seams of their own.
// Never does the work of a part: when something here needs an `if` about mail, it belongs elsewhere.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startAdmin } from './admin/server.ts';
import { type Clock, systemClock } from './clock/clock.ts';
import type { ReachMilestone } from './clock/milestones.ts';
import type { Random } from './clock/random.ts';
import type { Environment } from './config/environment.ts';
import { type PolicyInForce, putInForce } from './config/policy-in-force.ts';
import type { Settings } from './config/settings.ts';
import { createDelivery } from './delivery/delivery.ts';
import type { Resolver } from './dns/resolver.ts';
import { createResolver } from './dns/stub.ts';
import { systemServers } from './dns/system.ts';
import { type Alarms, createAlarms } from './observe/alarms.ts';
import { type Health, watchHealth } from './observe/health.ts';
import { createObserver, type Log } from './observe/log.ts';
import { createMetrics, type Metrics } from './observe/metrics.ts';
import type { Policy } from './policy/policy.ts';
import { QueueControl } from './queue/control.ts';
import { placementContext } from './queue/house.ts';
import { type IntakeOptions, QueueIntake } from './queue/intake.ts';
import { createQueue, type MailQueue } from './queue/queue.ts';
import { redisOptions } from './redis/connection.ts';
import { type DaemonRedis, openRedis } from './redis/open.ts';
import { SharedClientLimits } from './relay/limits.ts';
import { type Listener, startListener } from './relay/listener.ts';
import { openDiskSpool } from './spool/disk.ts';
import type { FileDoor } from './spool/files.ts';
import { lockFolder } from './spool/lock.ts';
import type { Spool } from './spool/spool.ts';

/** What a test replaces. */
export interface Seams {
  readonly clock: Clock;
  readonly random: Random;
  readonly reached: ReachMilestone;
  /** The disk, as far as bodies go. */
  readonly files?: FileDoor;
  /** Octets of a spool segment. */
  readonly segmentSize?: number;
}

const production: Seams = { clock: systemClock, random: Math.random, reached: () => undefined };

export interface DaemonOptions {
  readonly settings: Settings;
  readonly policy: Policy;
  readonly environment: Environment;
  readonly seams?: Seams;
}

export interface Daemon {
  readonly listeners: readonly { readonly address: string; readonly port: number }[];
  readonly admin: { readonly address: string; readonly port: number };
  /** SIGTERM: no new mail, what is before its final dot ends at once. Resolves when all is closed. */
  stop(): Promise<void>;
  /** SIGHUP: reads the policy again. Problems are in the log, the old policy stays in force. */
  reload(): Promise<void>;
  /** Resolves with the reason when the daemon cannot go on and must be stopped. */
  readonly failed: Promise<Error>;
}

/** Another daemon has the data folder: exit 75. */
export class DataFolderLocked extends Error {
  override readonly name = 'DataFolderLocked';
}

/** What was started, ended in the opposite order. */
class Started {
  readonly #ends: (() => void | Promise<void>)[] = [];

  add(end: () => void | Promise<void>): void {
    this.#ends.push(end);
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}

/** Rejects, with everything closed again, when a part cannot be started. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const started = new Started();
  try {
    return await new Root(options, started).start();
  } catch (error) {
    await started.end();
    throw error;
  }
}

class Root {
  readonly #settings: Settings;
  readonly #options: DaemonOptions;
  readonly #seams: Seams;
  readonly #started: Started;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #alarms: Alarms;
  readonly #failed = Promise.withResolvers<Error>();

  constructor(options: DaemonOptions, started: Started) {
    this.#options = options;
    this.#settings = options.settings;
    this.#seams = options.seams ?? production;
    this.#started = started;
    this.#metrics = createMetrics();
    const { clock } = this.#seams;
    this.#log = createObserver({ level: this.#settings.log.level, clock, metrics: this.#metrics });
    this.#alarms = createAlarms(this.#log, clock);
    started.add(() => this.#log.flush());
  }

  async start(): Promise<Daemon> {
    await this.#lock();
    const spool = await this.#openSpool();
    const redis = await this.#openRedis();
    const resolver = this.#openResolver();
    const policy = this.#putPolicyInForce();
    const queue = this.#createQueue(spool, resolver, policy, redis);
    const intake = this.#intake(spool, queue);
    const listeners = await this.#listen(intake);
    queue.start();
    policy.watch(() => queue.policyChanged());
    const health = this.#watchHealth(spool, redis, resolver);
    const admin = await this.#startAdmin(queue, intake, policy, health);
    this.#bindMetrics(spool, queue, listeners);
    this.#sayReady(listeners, admin);
    return {
      listeners,
      admin,
      stop: () => this.#started.end(),
      reload: async () => void (await policy.reload()),
      failed: this.#failed.promise,
    };
  }

  async #lock(): Promise<void> {
    const { data } = this.#settings;
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const lock = await lockFolder(data);
    if ('heldBy' in lock)
      throw new DataFolderLocked(`${data} is in use by the daemon with pid ${lock.heldBy}`);
    this.#started.add(() => lock.release());
  }

  async #openSpool(): Promise<Spool> {
    const spool = await openDiskSpool({
      folder: join(this.#settings.data, 'spool'),
      minFree: this.#settings.spool.minFree,
      ...this.#seams,
      onFatal: (error) => {
        this.#alarms.raise('spool-failed', `the spool cannot be written: ${error.message}`);
        this.#failed.resolve(error);
      },
    });
    this.#started.add(() => spool.close());
    for (const entry of spool.recovery.underWay) {
      if (entry.hold)
        this.#alarms.raise('crash-loop', `${entry.id}: ${entry.hold.reason}`, { id: entry.id }, entry.id);
    }
    return spool;
  }

  async #openRedis(): Promise<DaemonRedis> {
    const redis = await openRedis({
      url: this.#settings.redisUrl,
      folder: join(this.#settings.data, 'redis'),
      clock: this.#seams.clock,
      observer: this.#log,
      alarms: this.#alarms,
    });
    this.#started.add(() => redis.close());
    return redis;
  }

  #openResolver(): Resolver {
    const servers = this.#settings.dns.servers ?? systemServers();
    const resolver = createResolver({ servers, ...this.#seams, log: this.#log });
    this.#started.add(() => resolver.close());
    return resolver;
  }

  #putPolicyInForce(): PolicyInForce {
    const { policy, environment } = this.#options;
    const { clock } = this.#seams;
    const path = this.#settings.policy;
    const inForce = putInForce({
      policy,
      path,
      environment,
      clock,
      observer: this.#log,
      alarms: this.#alarms,
    });
    this.#started.add(() => inForce.close());
    return inForce;
  }

  #createQueue(spool: Spool, resolver: Resolver, policy: PolicyInForce, redis: DaemonRedis): MailQueue {
    const { hostname, delivery, listeners, postmaster, shutdownTimeout } = this.#settings;
    const queue = createQueue({
      ...this.#seams,
      spool,
      observer: this.#log,
      alarms: this.#alarms,
      delivery: createDelivery({
        ...this.#seams,
        resolver,
        observer: this.#log,
        settings: { ...delivery, hostname, ownAddresses: () => listeners },
      }),
      policy: () => policy.current(),
      hostname,
      postmaster,
      shutdownTimeout,
      redis: {
        asking: redisOptions(redis.address, 'asking'),
        working: redisOptions(redis.address, 'working'),
      },
      connections: delivery.connections,
    });
    this.#started.add(() => queue.stop());
    return queue;
  }

  #intake(spool: Spool, queue: MailQueue): IntakeOptions {
    return {
      spool,
      clock: this.#seams.clock,
      observer: this.#log,
      hostname: this.#settings.hostname,
      context: () => placementContext(queue.house),
      arrived: (destinations) => queue.house.dispatcher.arrived(destinations),
    };
  }

  async #listen(intake: IntakeOptions): Promise<Listener[]> {
    const { limits, tls, shutdownTimeout } = this.#settings;
    const shared = new SharedClientLimits(limits, this.#seams.clock);
    const opened: Listener[] = [];
    for (const listener of this.#settings.listeners) {
      const one = await startListener({
        ...this.#settings,
        ...this.#seams,
        listener,
        tls: tls && {
          cert: readFileSync(tls.cert, 'utf8'),
          key: readFileSync(tls.key, 'utf8'),
          minVersion: tls.minVersion,
        },
        intake: new QueueIntake(intake),
        observer: this.#log,
        shared,
      });
      opened.push(one);
    }
    this.#started.add(async () => {
      await Promise.all(opened.map((one) => one.close(shutdownTimeout)));
    });
    return opened;
  }

  #watchHealth(spool: Spool, redis: DaemonRedis, resolver: Resolver): Health {
    const parts = [
      { name: 'redis', alarm: 'redis-down', ask: () => redis.pulse.ask() },
      { name: 'disk', alarm: 'disk-full', ask: async () => spool.trouble() },
      {
        name: 'dns',
        alarm: 'dns-down',
        ask: async (signal: AbortSignal) => ((await resolver.healthy(signal)) ? null : 'no resolver answers'),
      },
    ] as const;
    const health = watchHealth(parts, this.#seams.clock, this.#alarms);
    this.#started.add(() => health.stop());
    return health;
  }

  async #startAdmin(queue: MailQueue, intake: IntakeOptions, policy: PolicyInForce, health: Health) {
    const operations = new QueueControl({
      house: queue.house,
      intake,
      reload: () => policy.reload(),
      readiness: async () => {
        const trouble = health.trouble();
        return { ready: Object.keys(trouble).length === 0, trouble };
      },
    });
    const { admin, limits } = this.#settings;
    const metrics = this.#metrics;
    const { messageSize } = limits;
    const server = await startAdmin({ ...admin, operations, metrics, observer: this.#log, messageSize });
    this.#started.add(() => server.close());
    return server;
  }

  #bindMetrics(spool: Spool, queue: MailQueue, listeners: readonly Listener[]): void {
    const { dispatcher } = queue.house;
    this.#metrics.bind({
      totals: () => spool.totals(),
      spoolBytes: () => spool.diskUsed(),
      connectionsIncoming: () => listeners.reduce((sum, one) => sum + one.connections(), 0),
      runsActive: () => dispatcher.running,
      destinations: () => queue.states(),
      activeAlarms: () => this.#alarms.active(),
    });
  }

  #sayReady(listeners: readonly Listener[], admin: { address: string; port: number }): void {
    this.#log.info('Sendoff is ready', {
      hostname: this.#settings.hostname,
      listeners: listeners.map(({ address, port }) => `${address}:${port}`),
      admin: `${admin.address}:${admin.port}`,
    });
  }
}
