// The log: one JSON object a line, or readable text on a terminal, over pino.
// Every part tells the Observer what happens; events are counted in the metrics on their way.
// Never stops the daemon: a log that nobody reads loses lines, mail goes on.
import { type DestinationStream, type Logger, pino } from 'pino';
import type { Clock } from '../clock/clock.ts';
import type { MailEvent, Observer } from './events.ts';
import { openLogDestination } from './log-destination.ts';
import type { Metrics } from './metrics.ts';
import { withoutSecrets, withoutUrlPassword } from './secrets.ts';

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Default: standard output, buffered. */
  readonly destination?: 'stdout' | DestinationStream;
  /** Readable text instead of JSON. Default: when standard output is a terminal. */
  readonly pretty?: boolean;
}

export interface Log extends Observer {
  /** Writes what is buffered, before it returns. */
  flush(): void;
}

export function createObserver(options: LogOptions): Log {
  const { clock, metrics } = options;
  const destination = openLogDestination(options);
  const logger: Logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );

  const alarm = (event: Extract<MailEvent, { event: 'alarm' }>): void => {
    logger.error(withoutSecrets(event));
    // Whoever is called by the alarm looks now, and the process may be about to end.
    destination.start();
  };
  return {
    event(event) {
      metrics.count(event);
      if (event.event === 'alarm') alarm(event);
      else logger.info(event);
    },
    info: (text, fields) => logger.info(withoutSecrets(fields ?? {}), withoutUrlPassword(text)),
    warn: (text, fields) => logger.warn(withoutSecrets(fields ?? {}), withoutUrlPassword(text)),
    debug(text, fields) {
      if (!logger.isLevelEnabled('debug')) return;
      logger.debug(withoutSecrets(fields ?? {}), withoutUrlPassword(text));
    },
    flush: () => destination.flush(),
  };
}
