// Where log lines go: buffered to standard output, or as readable text to a terminal.
// log.ts writes lines into it; the system's log, a file or a person reads them.
// Never waits for the reader while mail flows.
import type { DestinationStream } from 'pino';
import { build as pretty } from 'pino-pretty';
import { BufferedOutput } from './buffered-output.ts';
import type { LogOptions } from './log.ts';
import { prettyLine } from './pretty.ts';

const STDOUT = 1;

export interface LogDestination extends DestinationStream {
  /** Begins to write what is buffered. */
  start(): void;
  /** Writes what is buffered, before it returns. */
  flush(): void;
}

export function openLogDestination(options: LogOptions): LogDestination {
  const { destination = 'stdout', clock, metrics } = options;
  const toTerminal = destination === 'stdout' && process.stdout.isTTY === true;
  if (options.pretty ?? toTerminal) {
    return unbuffered(readable(destination === 'stdout' ? STDOUT : destination, toTerminal));
  }
  if (destination !== 'stdout') return unbuffered(destination);
  const output = new BufferedOutput(STDOUT, clock, () => metrics.lineDropped());
  process.on('exit', () => output.flush());
  return output;
}

function unbuffered(stream: DestinationStream): LogDestination {
  return { write: (line) => stream.write(line), start: () => {}, flush: () => {} };
}

/** In this process, not in a worker: the last line before an end is on the screen. */
function readable(destination: number | DestinationStream, colorize: boolean): DestinationStream {
  const stream = pretty({
    sync: true,
    destination,
    colorize,
    translateTime: 'SYS:HH:MM:ss.l',
    hideObject: true,
    messageFormat: prettyLine,
  });
  return { write: (line) => void stream.write(line) };
}
