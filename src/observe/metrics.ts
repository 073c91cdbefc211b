// Metrics in Prometheus' text format: the books of the spool, attempts, delays, and the process.
// log.ts counts events in them, parts bind what they know; admin/ serves render() at /metrics.
// Never labels by domain, address or host: the number of series stays bounded.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { createEventMetrics } from './event-metrics.ts';
import type { MailEvent } from './events.ts';
import { createSourceMetrics, type MetricSources } from './source-metrics.ts';

export interface Metrics {
  /** Adds sources; a later one replaces an earlier one. */
  bind(sources: Partial<MetricSources>): void;
  count(event: MailEvent): void;
  /** One group commit of the spool: its duration and how many messages and settlements it carried. */
  commit(ms: number, changes: number): void;
  /** A log line was lost because nobody read the log. */
  lineDropped(): void;
  render(): Promise<string>;
  /** Of what render() gives. */
  readonly contentType: string;
}

/** Seconds. From the fsync of a fast disk to a stalled one. */
const COMMIT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
const COMMIT_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500];

/** The event loop's delay is sampled at this many ms: prom-client's 10 wake an idle daemon for nothing. */
const LOOP_SAMPLING = 50;

/** `version` of Sendoff stands in sendoff_build_info. */
export function createMetrics(version = 'unknown'): Metrics {
  const registry = new Registry();
  processMetrics(registry, version);
  const readSources = createSourceMetrics(registry);
  const linesDropped = new Counter({
    name: 'sendoff_log_lines_dropped_total',
    help: 'Log lines lost because nobody read the log.',
    registers: [registry],
  });
  let sources: Partial<MetricSources> = {};

  return {
    bind(more) {
      sources = { ...sources, ...more };
    },
    count: createEventMetrics(registry),
    commit: commitMetrics(registry),
    lineDropped: () => linesDropped.inc(),
    render() {
      // One turn of the loop reads all sources and copies all values: a scrape is one moment.
      readSources(sources);
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}

function processMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({
    register: registry,
    prefix: 'sendoff_',
    eventLoopMonitoringPrecision: LOOP_SAMPLING,
  });
  const build = new Gauge({
    name: 'sendoff_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'node'],
    registers: [registry],
  });
  build.set({ version, node: process.version }, 1);
}

function commitMetrics(registry: Registry): Metrics['commit'] {
  const registers = [registry];
  const duration = new Histogram({
    name: 'sendoff_commit_seconds',
    help: 'Group commits of the spool, fsync included.',
    buckets: COMMIT_BUCKETS,
    registers,
  });
  const size = new Histogram({
    name: 'sendoff_commit_changes',
    help: 'Messages and settlements that one group commit carried.',
    buckets: COMMIT_SIZES,
    registers,
  });
  return (ms, changes) => {
    duration.observe(ms / 1000);
    size.observe(changes);
  };
}
