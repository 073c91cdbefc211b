// Metrics that are not counted here but asked for at each scrape: the books, the spool, what is open.
// metrics.ts calls the function with what the daemon's parts have bound.
// Never keeps a figure of its own: after a restart the books go on where the spool has them.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Totals } from '../spool/spool.ts';

/** What parts of the daemon tell. All are read in one turn of the loop, so that they fit together. */
export interface MetricSources {
  totals(): Totals;
  /** Octets of the spool on disk. */
  spoolBytes(): number;
  /** Octets free where the spool is. */
  freeBytes(): number;
  connectionsIncoming(): number;
  connectionsOutgoing(): number;
  runsActive(): number;
  /** Number of destinations in each state: `new`, `live`, `backing-off`, `suspended`. */
  destinations(): Readonly<Record<string, number>>;
  activeAlarms(): Iterable<string>;
  /** Of routes, as far as this daemon knows; `quota` as the policy writes it. */
  quotas(): Iterable<{
    readonly route: string;
    readonly quota: string;
    readonly used: number;
    readonly max: number;
  }>;
}

type Read = (sources: Partial<MetricSources>) => void;

/** A source that is not bound leaves its metrics empty or at 0. */
export function createSourceMetrics(registry: Registry): Read {
  const readers = [
    booksReader(registry),
    numberReader(registry, 'sendoff_spool_bytes', 'Octets of the spool on disk.', 'spoolBytes'),
    numberReader(registry, 'sendoff_spool_free_bytes', 'Octets free where the spool is.', 'freeBytes'),
    numberReader(registry, 'sendoff_runs_active', 'Runs at work.', 'runsActive'),
    connectionsReader(registry),
    destinationsReader(registry),
    alarmsReader(registry),
    quotasReader(registry),
  ];
  return (sources) => {
    for (const read of readers) read(sources);
  };
}

/** accepted = the sum of the outcomes + queued, in every scrape. */
function booksReader(registry: Registry): Read {
  const registers = [registry];
  const ended = new Counter({
    name: 'sendoff_recipients_total',
    help: 'Recipients whose story ended, by how.',
    labelNames: ['outcome'],
    registers,
  });
  const accepted = new Counter({
    name: 'sendoff_recipients_accepted_total',
    help: 'Recipients taken into the spool, by who made the message.',
    labelNames: ['origin'],
    registers,
  });
  const queued = gauge(registry, 'sendoff_recipients_queued', 'Recipients in the queue, held ones included.');
  const held = gauge(registry, 'sendoff_recipients_held', 'Recipients in the queue that are held.');
  return ({ totals }) => {
    if (totals === undefined) return;
    const books = totals();
    ended.reset();
    for (const [outcome, count] of Object.entries(books.ended)) ended.inc({ outcome }, count);
    accepted.reset();
    for (const [origin, count] of Object.entries(books.accepted)) accepted.inc({ origin }, count);
    queued.set(books.queued);
    held.set(books.held);
  };
}

function numberReader(
  registry: Registry,
  name: string,
  help: string,
  source: 'spoolBytes' | 'freeBytes' | 'runsActive',
): Read {
  const metric = gauge(registry, name, help);
  return (sources) => metric.set(sources[source]?.() ?? 0);
}

function connectionsReader(registry: Registry): Read {
  const connections = new Gauge({
    name: 'sendoff_connections',
    help: 'Open SMTP connections.',
    labelNames: ['direction'],
    registers: [registry],
  });
  return ({ connectionsIncoming, connectionsOutgoing }) => {
    connections.set({ direction: 'incoming' }, connectionsIncoming?.() ?? 0);
    connections.set({ direction: 'outgoing' }, connectionsOutgoing?.() ?? 0);
  };
}

function destinationsReader(registry: Registry): Read {
  const metric = new Gauge({
    name: 'sendoff_destinations',
    help: 'Destinations with mail, by state.',
    labelNames: ['state'],
    registers: [registry],
  });
  return ({ destinations }) => {
    metric.reset();
    for (const [state, count] of Object.entries(destinations?.() ?? {})) metric.set({ state }, count);
  };
}

function alarmsReader(registry: Registry): Read {
  const metric = new Gauge({
    name: 'sendoff_alarm_active',
    help: '1 for each alarm that lasts.',
    labelNames: ['alarm'],
    registers: [registry],
  });
  return ({ activeAlarms }) => {
    metric.reset();
    for (const alarm of activeAlarms?.() ?? []) metric.set({ alarm }, 1);
  };
}

function quotasReader(registry: Registry): Read {
  const labelNames = ['route', 'quota'];
  const registers = [registry];
  const used = new Gauge({
    name: 'sendoff_quota_used',
    help: "Used in the present window of a route's quota, by all daemons.",
    labelNames,
    registers,
  });
  const max = new Gauge({
    name: 'sendoff_quota_max',
    help: "The most of a route's quota in a window.",
    labelNames,
    registers,
  });
  return ({ quotas }) => {
    used.reset();
    max.reset();
    for (const { route, quota, ...level } of quotas?.() ?? []) {
      used.set({ route, quota }, level.used);
      max.set({ route, quota }, level.max);
    }
  };
}

function gauge(registry: Registry, name: string, help: string): Gauge {
  return new Gauge({ name, help, registers: [registry] });
}
