// Entry: the command line in, an exit code out.
// bin/sendoff.js starts it; cli/program.ts does the rest.
// Never does anything itself.
import { run } from './cli/program.ts';
import { processTerminal } from './cli/terminal.ts';
import { systemClock } from './clock/clock.ts';

/** A handle that something forgot to close keeps a finished process no longer than this. */
const LINGER_MS = 1000;

process.exitCode = await run(process.argv.slice(2), processTerminal(systemClock));
systemClock.after(LINGER_MS, () => process.exit());
