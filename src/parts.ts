// The daemon's parts, made from its settings and tied to each other.
// daemon.ts calls them in the order of the line from client to peer; what is started is noted for the end.
// Never does the work of a part: when something here needs an `if` about mail, it belongs elsewhere.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startAdmin } from './admin/server.ts';
import type { Seams } from './clock/seams.ts';
import type { Environment } from './config/environment.ts';
import { type PolicyInForce, putInForce } from './config/policy-in-force.ts';
import type { Settings } from './config/settings.ts';
import { version } from './config/version.ts';
import { createDelivery } from './delivery/delivery.ts';
import type { Resolver } from './dns/resolver.ts';
import { createResolver } from './dns/stub.ts';
import { systemServers } from './dns/system.ts';
import { openGrantFile } from './grant-file.ts';
import { hostnameTrouble } from './hostname.ts';
import { type Alarms, createAlarms } from './observe/alarms.ts';
import { type Health, watchHealth } from './observe/health.ts';
import { createObserver, type Log } from './observe/log.ts';
import { createMetrics, type Metrics } from './observe/metrics.ts';
import { QueueControl } from './operations/control.ts';
import { routeQuotaLevels } from './operations/quota-views.ts';
import type { Policy } from './policy/policy.ts';
import type { QueueEntry } from './queue/entry.ts';
import { placementContext } from './queue/house.ts';
import { type IntakeOptions, QueueIntake } from './queue/intake.ts';
import { mailNotice } from './queue/notice.ts';
import { createQueue, type MailQueue } from './queue/queue.ts';
import { meteredIntake } from './queue/quota-intake.ts';
import { redisOptions } from './redis/connection.ts';
import { type DaemonRedis, openRedis } from './redis/open.ts';
import { type Listeners, startListeners } from './relay/listeners.ts';
import { openDiskSpool } from './spool/disk.ts';
import { lockFolder } from './spool/lock.ts';
import type { Spool } from './spool/spool.ts';
import { Started } from './started.ts';

/** Another daemon has the data folder: exit 75. */
export class DataFolderLocked extends Error {
  override readonly name = 'DataFolderLocked';
}

export interface PartsOptions {
  readonly settings: Settings;
  readonly policy: Policy;
  readonly environment: Environment;
  readonly seams: Seams;
}

export class Parts {
  readonly #settings: Settings;
  readonly #options: PartsOptions;
  readonly #seams: Seams;
  readonly #started = new Started();
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #alarms: Alarms;
  #intake: IntakeOptions | null = null;
  readonly #earlyAlarms: [alarm: string, text: string][] = [];
  readonly #broken = Promise.withResolvers<Error>();
  /** Resolves with the reason when a part cannot go on. */
  readonly failed = this.#broken.promise;

  constructor(options: PartsOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#seams = options.seams;
    this.#metrics = createMetrics(version());
    const { clock } = this.#seams;
    this.#log = createObserver({ level: this.#settings.log.level, clock, metrics: this.#metrics });
    this.#alarms = createAlarms(this.#log, clock, (alarm, text) => this.#mailAlarm(alarm, text));
  }

  /** Ends what was started. */
  async end(): Promise<void> {
    this.#log.info('Sendoff is stopping');
    await this.#started.end((error) =>
      this.#log.warn('a part did not end in order', { error: String(error) }),
    );
    this.#log.info('Sendoff has stopped');
    this.#log.flush();
  }

  async lock(): Promise<void> {
    const { data } = this.#settings;
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const lock = await lockFolder(data);
    if ('heldBy' in lock)
      throw new DataFolderLocked(`${data} is in use by the daemon with pid ${lock.heldBy}`);
    this.#started.add(() => lock.release());
  }

  async openSpool(): Promise<Spool> {
    const spool = await openDiskSpool({
      folder: join(this.#settings.data, 'spool'),
      minFree: this.#settings.spool.minFree,
      ...this.#seams,
      onCommit: (ms, works) => this.#metrics.commit(ms, works),
      onFatal: (error) => {
        this.#alarms.raise('spool-failed', `the spool cannot be written: ${error.message}`);
        this.#broken.resolve(error);
      },
    });
    this.#started.add(() => spool.close());
    for (const entry of spool.recovery.underWay) this.#sayUnderWay(entry);
    return spool;
  }

  #sayUnderWay({ id, destination, crashes, doubt, hold }: QueueEntry): void {
    const cause = doubt?.cause ?? null;
    const fields = { id, destination, crashes, inDoubt: cause === 'crash', cause };
    this.#log.warn('a delivery was under way when the last daemon died', fields);
    if (hold) this.#alarms.raise('crash-loop', `${id}: ${hold.reason}`, { id }, id);
  }

  async openRedis(): Promise<DaemonRedis> {
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

  openResolver(): Resolver {
    const servers = this.#settings.dns.servers ?? systemServers();
    const resolver = createResolver({ servers, ...this.#seams, log: this.#log });
    this.#started.add(() => resolver.close());
    return resolver;
  }

  putPolicyInForce(): PolicyInForce {
    const { policy, environment } = this.#options;
    const { clock } = this.#seams;
    const { policy: path, delivery } = this.#settings;
    const inForce = putInForce({
      policy,
      path,
      environment,
      softBounce: delivery.softBounce,
      clock,
      observer: this.#log,
      alarms: this.#alarms,
    });
    this.#started.add(() => inForce.close());
    return inForce;
  }

  createQueue(spool: Spool, resolver: Resolver, policy: PolicyInForce, redis: DaemonRedis): MailQueue {
    const { data, hostname, delivery, listeners, postmaster, shutdownTimeout } = this.#settings;
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
        grants: openGrantFile(join(data, 'oauth-tokens.json'), this.#seams.clock, this.#log),
      }),
      policy: () => policy.current(),
      hostname,
      postmaster,
      shutdownTimeout,
      redis: {
        asking: redisOptions(redis.address, 'asking'),
        working: redisOptions(redis.address, 'working'),
      },
      scripts: redis.scripts,
      sharesRedis: this.#settings.redisUrl !== null,
      connections: delivery.connections,
    });
    this.#started.add(() => queue.stop());
    return queue;
  }

  intake(spool: Spool, queue: MailQueue): IntakeOptions {
    this.#intake = {
      spool,
      clock: this.#seams.clock,
      observer: this.#log,
      hostname: this.#settings.hostname,
      context: () => placementContext(queue.house),
      arrived: (destinations) => queue.house.dispatcher.arrived(destinations),
    };
    for (const [alarm, text] of this.#earlyAlarms.splice(0)) this.#mailAlarm(alarm, text);
    return this.#intake;
  }

  /** Alarms of the start wait until mail can be written. */
  #mailAlarm(alarm: string, text: string): void {
    const { postmaster } = this.#settings;
    if (postmaster === null) return;
    if (this.#intake) void mailNotice(this.#intake, postmaster, alarm, text);
    else this.#earlyAlarms.push([alarm, text]);
  }

  async listen(intake: IntakeOptions, queue: MailQueue): Promise<Listeners> {
    const listeners = await startListeners({
      ...this.#settings,
      ...this.#seams,
      intake: meteredIntake(new QueueIntake(intake), queue.house.budgets, queue.house.policy),
      observer: this.#log,
    });
    // Side by side: clients and peers share one shutdown timeout.
    this.#started.add(async () => {
      await Promise.all([listeners.close(this.#settings.shutdownTimeout), queue.stop()]);
    });
    return listeners;
  }

  watchHealth(spool: Spool, redis: DaemonRedis, resolver: Resolver, queue: MailQueue): Health {
    const parts = [
      { name: 'redis', alarm: 'redis-down', ask: () => redis.pulse.ask() },
      { name: 'disk', alarm: 'disk-full', ask: async () => spool.trouble() },
      {
        name: 'dns',
        alarm: 'dns-down',
        ask: async (signal: AbortSignal) => ((await resolver.healthy(signal)) ? null : 'no resolver answers'),
      },
    ] as const;
    const health = watchHealth(parts, this.#seams.clock, this.#alarms, () => queue.recovered());
    this.#started.add(() => health.stop());
    return health;
  }

  async startAdmin(queue: MailQueue, intake: IntakeOptions, policy: PolicyInForce, health: Health) {
    const operations = new QueueControl({
      house: queue.house,
      intake,
      files: policy,
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

  bindMetrics(spool: Spool, queue: MailQueue, listeners: Listeners): void {
    this.#metrics.bind({
      totals: () => spool.totals(),
      spoolBytes: () => spool.diskUsed(),
      freeBytes: () => spool.diskFree(),
      connectionsIncoming: () => listeners.connections(),
      connectionsOutgoing: () => queue.connections(),
      runsActive: () => queue.house.dispatcher.running,
      destinations: () => queue.states(),
      activeAlarms: () => this.#alarms.active(),
      quotas: () => routeQuotaLevels(queue.house),
    });
  }

  checkHostname(policy: Policy): void {
    const trouble = hostnameTrouble(this.#settings.hostname, policy);
    if (trouble !== null) this.#alarms.raise('hostname', trouble);
  }

  sayReady({ open }: Listeners, admin: { address: string; port: number }): void {
    this.#log.info(`Sendoff ${version()} is ready`, {
      hostname: this.#settings.hostname,
      listeners: open.map(({ address, port }) => `${address}:${port}`),
      admin: `${admin.address}:${admin.port}`,
    });
  }
}
