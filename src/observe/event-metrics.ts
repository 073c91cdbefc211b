// Metrics counted from the mail's events: how many of each, attempts by route and class, delays.
// log.ts hands every event to it through metrics.ts, on the hot path.
// Never labels by anything that mail brings along: routes and classes are few, domains are not.
import { Counter, Histogram, type Registry } from 'prom-client';
import type { AttemptEvent, MailEvent } from './events.ts';

/** Seconds. From a local network to the timeouts of RFC 5321 §4.5.3.2. */
const NETWORK_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600];

/** Seconds. From "at once" over the retry schedule to expiry. */
const QUEUE_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 900, 3600, 14_400, 86_400, 432_000];

export function createEventMetrics(registry: Registry): (event: MailEvent) => void {
  const registers = [registry];
  const events = new Counter({
    name: 'sendoff_events_total',
    help: 'Events since the start, as they stand in the log.',
    labelNames: ['event'],
    registers,
  });
  const rejected = new Counter({
    name: 'sendoff_rejected_total',
    help: 'Commands and messages of clients that were refused, by step and kind of reply (4 or 5).',
    labelNames: ['phase', 'kind'],
    registers,
  });
  const alarms = new Counter({
    name: 'sendoff_alarms_total',
    help: 'Alarms said.',
    labelNames: ['alarm'],
    registers,
  });
  const countAttempt = attemptMetrics(registry);

  return (event) => {
    events.inc({ event: event.event });
    if (event.event === 'attempt') countAttempt(event);
    else if (event.event === 'rejected') rejected.inc({ phase: event.phase, kind: event.reply.charAt(0) });
    else if (event.event === 'alarm') alarms.inc({ alarm: event.alarm });
  };
}

function attemptMetrics(registry: Registry): (attempt: AttemptEvent) => void {
  const registers = [registry];
  const attempts = new Counter({
    name: 'sendoff_attempts_total',
    help: 'Recipients in attempts, by route, result and class of failure (none: delivered).',
    labelNames: ['route', 'result', 'class'],
    registers,
  });
  const queued = new Histogram({
    name: 'sendoff_attempt_queued_seconds',
    help: 'In the queue before the attempt.',
    buckets: QUEUE_BUCKETS,
    registers,
  });
  const connect = new Histogram({
    name: 'sendoff_attempt_connect_seconds',
    help: 'For the connection of an attempt: 0 where one was open.',
    buckets: NETWORK_BUCKETS,
    registers,
  });
  const transfer = new Histogram({
    name: 'sendoff_attempt_transfer_seconds',
    help: 'For the transaction, MAIL to the last reply.',
    buckets: NETWORK_BUCKETS,
    registers,
  });

  return ({ route, result, class: failureClass, delays }) => {
    attempts.inc({ route, result, class: failureClass ?? 'none' });
    queued.observe(delays.queued / 1000);
    connect.observe(delays.connect / 1000);
    transfer.observe(delays.transfer / 1000);
  };
}
