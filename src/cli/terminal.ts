// Where a command reads and writes: the process's own streams, or a test's.
// main.ts makes it, every command gets it.
// Never formats: what to say is the command's.
import { fstatSync } from 'node:fs';
import type { Clock } from '../clock/clock.ts';
import { exitCodes } from './exit.ts';

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Width of a terminal; null where the output goes to a file or a program: nothing is cut then. */
  readonly columns: number | null;
  readonly clock: Clock;
  /** All of the standard input when it is a pipe or a file, else null. */
  readPiped(): Promise<Buffer | null>;
}

/** A pipe that stays silent this long may be one that somebody forgot: say what is waited for. */
const SILENT_PIPE_MS = 2000;

export function processTerminal(clock: Clock): Terminal {
  const { stdout, stderr } = process;
  // `sendoff queue list | head` closes our output early: that is no error.
  stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.temporary),
  );
  const err = (text: string): void => void stderr.write(text);
  return {
    out: (text) => void stdout.write(text),
    err,
    columns: stdout.isTTY ? stdout.columns : null,
    clock,
    readPiped: () => readPiped(clock, err),
  };
}

async function readPiped(clock: Clock, err: (text: string) => void): Promise<Buffer | null> {
  if (!isPiped()) return null;
  const silence = clock.after(SILENT_PIPE_MS, () =>
    err('sendoff: waiting for a message on the standard input (</dev/null sends a test message)\n'),
  );
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) {
    silence.cancel();
    chunks.push(chunk as Buffer);
  }
  silence.cancel();
  return Buffer.concat(chunks);
}

/** A pipe, a socket or a file; not a terminal, /dev/null or a closed descriptor. */
function isPiped(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isSocket() || stat.isFile();
  } catch {
    return false;
  }
}
