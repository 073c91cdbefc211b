// The log: one JSON object a line, or readable text on a terminal, made by pino.
// Every part tells the Observer what happens; events are counted in the metrics on their way.
// Never stops the daemon: a log that nobody reads loses lines, mail goes on.
import { pino } from 'pino';
import type { Clock } from '../clock/clock.ts';
import type { Observer } from './events.ts';
import { type LineWriter, openLogOutput } from './log-output.ts';
import type { Metrics } from './metrics.ts';
import { withoutSecrets, withoutUrlPassword } from './secrets.ts';

/** From the most talkative on. Mail's events are `info`, alarms are `error`. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  readonly level: LogLevel;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Default: standard output, buffered. */
  readonly destination?: 'stdout' | LineWriter;
  /** Readable text instead of JSON. Default: when standard output is a terminal. */
  readonly pretty?: boolean;
}

export interface Log extends Observer {
  /** Writes what is buffered, before it returns. */
  flush(): void;
}

type Fields = Readonly<Record<string, unknown>>;

/** What a line says of itself: a field of that name would say it twice. */
const LINE_KEYS: readonly string[] = ['level', 'time', 'msg'];
/** A plain line must not look like an event either. */
const PLAIN_KEYS: readonly string[] = [...LINE_KEYS, 'event'];

/** Lines are `{"level":…,"time":…,…}`. */
export function createObserver(options: LogOptions): Log {
  const { metrics, level } = options;
  const output = openLogOutput(options);
  const time = isoTime(options.clock);
  const logger = pino(
    {
      level,
      base: null,
      // What is logged is data of our own, without cycles.
      safe: false,
      timestamp: () => `,"time":"${time()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    output,
  );
  const say = (at: LogLevel, text: string, fields: Fields = {}): void => {
    if (!logger.isLevelEnabled(at)) return;
    logger[at](aside(withoutSecrets(fields), PLAIN_KEYS), withoutUrlPassword(text));
  };

  return {
    event(event) {
      metrics.count(event);
      if (event.event !== 'alarm') return logger.info(event);
      logger.error(aside(withoutSecrets(event), LINE_KEYS));
      // Whoever is called by the alarm looks now.
      output.start();
    },
    info: (text, fields) => say('info', text, fields),
    warn: (text, fields) => say('warn', text, fields),
    debug: (text, fields) => say('debug', text, fields),
    flush: () => output.flush(),
  };
}

/** The fields, those with a reserved name under `field_` and that name. */
function aside(fields: Fields, reserved: readonly string[]): Fields {
  if (!reserved.some((key) => key in fields)) return fields;
  const renamed = Object.entries(fields).map(([key, value]) => [
    reserved.includes(key) ? `field_${key}` : key,
    value,
  ]);
  return Object.fromEntries(renamed);
}

/** ISO 8601 in UTC, made once a millisecond: it costs as much as a third of a line. */
function isoTime(clock: Clock): () => string {
  let made = Number.NaN;
  let text = '';
  return () => {
    const now = clock.now();
    if (now !== made) {
      made = now;
      text = new Date(now).toISOString();
    }
    return text;
  };
}
