// Where log lines go: buffered to standard output, or as readable text to a terminal.
// log.ts writes lines into it; the system's log, a file or a person reads them.
// Never waits for the reader while mail flows.
import { BufferedOutput } from './buffered-output.ts';
import type { LogOptions } from './log.ts';
import { prettyLine } from './pretty.ts';

const STDOUT = 1;

/** Takes whole lines, each with its line end. A Writable is one. */
export interface LineWriter {
  write(line: string): unknown;
}

export interface LogOutput extends LineWriter {
  /** Begins to write what is buffered. */
  start(): void;
  /** Writes what is buffered, before it returns. */
  flush(): void;
}

export function openLogOutput(options: LogOptions): LogOutput {
  const { destination = 'stdout', clock, metrics } = options;
  const toTerminal = destination === 'stdout' && process.stdout.isTTY === true;
  if (options.pretty ?? toTerminal) {
    const screen = destination === 'stdout' ? standardOutput(() => metrics.lineDropped()) : destination;
    return unbuffered({ write: (line) => screen.write(prettyLine(line, toTerminal)) });
  }
  if (destination !== 'stdout') return unbuffered(destination);
  const output = new BufferedOutput(STDOUT, clock, () => metrics.lineDropped());
  process.on('exit', () => output.flush());
  return output;
}

/** Node writes to terminals and pipes at once. Without the listener, a closed one would end the daemon. */
function standardOutput(onError: () => void): LineWriter {
  return process.stdout.on('error', onError);
}

function unbuffered(writer: LineWriter): LogOutput {
  return { write: (line) => writer.write(line), start: () => {}, flush: () => {} };
}
