// A terminal in memory: what a command prints is kept, what is piped in is given.
// Used by the tests of cli/.
// Never touches the test's own streams.
import type { Terminal } from '../../src/cli/terminal.ts';

export interface TestTerminal extends Terminal {
  /** All that was printed so far. */
  readonly printed: { out: string; err: string };
}

export interface TerminalOptions {
  readonly columns?: number;
  readonly piped?: Buffer;
  /** What o'clock it is, ISO 8601. */
  readonly now?: string;
}

export function testTerminal({ columns, piped, now }: TerminalOptions = {}): TestTerminal {
  const printed = { out: '', err: '' };
  return {
    printed,
    out: (text) => {
      printed.out += text;
    },
    err: (text) => {
      printed.err += text;
    },
    columns: columns ?? null,
    clock: {
      now: () => Date.parse(now ?? '2026-11-22T12:00:00Z'),
      after: () => {
        throw new Error('a command does not wait');
      },
    },
    readPiped: async () => piped ?? null,
  };
}
