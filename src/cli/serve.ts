// `sendoff serve`: the daemon, from its start to its exit code.
// program.ts calls it; daemon.ts is started, told to reload and told to stop.
// Never ends the daemon at once while it can end in order.

import { UnfitConfiguration } from '../config/problem.ts';
import type { Daemon } from '../daemon.ts';
import type { Configuration } from './configuration.ts';
import { CommandError, type ExitCode, exitCodes } from './exit.ts';
import type { Terminal } from './terminal.ts';

/** What a test replaces: the daemon, the process's signals and its end. */
export interface ServeSeams {
  readonly start: (configuration: Configuration) => Promise<Daemon>;
  readonly signals: Pick<NodeJS.EventEmitter, 'on' | 'off'>;
  readonly exit: (code: ExitCode) => void;
}

const production: ServeSeams = {
  start: async (configuration) => {
    const { startDaemon } = await import('../daemon.ts');
    return startDaemon(configuration);
  },
  signals: process,
  exit: (code) => process.exit(code),
};

/** Resolves with 0 after a signal, with 75 after a failure of the daemon; rejects when it cannot start. */
export async function serve(
  configuration: Configuration,
  terminal: Terminal,
  seams: ServeSeams = production,
): Promise<ExitCode> {
  const signals = listen(seams, terminal);
  try {
    const daemon = await start(configuration, seams);
    signals.onReload(() => daemon.reload());
    // A signal that came during the start is kept: the daemon stops as soon as it can.
    const failure = await Promise.race([signals.stop.then(() => null), daemon.failed]);
    if (failure !== null) terminal.err(`sendoff: stopping: ${failure.message}\n`);
    await daemon.stop();
    return failure === null ? exitCodes.ok : exitCodes.temporary;
  } finally {
    signals.off();
  }
}

async function start(configuration: Configuration, { start }: ServeSeams): Promise<Daemon> {
  try {
    return await start(configuration);
  } catch (error) {
    const exitCode = error instanceof UnfitConfiguration ? exitCodes.configuration : exitCodes.temporary;
    throw new CommandError(exitCode, `cannot start: ${(error as Error).message}`);
  }
}

interface Signals {
  /** Resolves at the first SIGTERM or SIGINT; further ones change nothing. */
  readonly stop: Promise<void>;
  onReload(reload: () => Promise<void>): void;
  off(): void;
}

function listen({ signals, exit }: ServeSeams, terminal: Terminal): Signals {
  const stop = Promise.withResolvers<void>();
  let reload = async (): Promise<void> => {};
  const complain = (error: Error): void => terminal.err(`sendoff: reload: ${error.message}\n`);
  const handlers: readonly (readonly [string, (reason: unknown) => void])[] = [
    ['SIGTERM', () => stop.resolve()],
    ['SIGINT', () => stop.resolve()],
    ['SIGHUP', () => void reload().catch(complain)],
    // Nothing is known of the process's state any more; what is on disk is whole at any moment.
    ...(['uncaughtException', 'unhandledRejection'] as const).map(
      (name) => [name, (reason: unknown) => crash(reason, terminal, exit)] as const,
    ),
  ];
  for (const [name, handler] of handlers) signals.on(name, handler);
  return {
    stop: stop.promise,
    onReload: (call) => {
      reload = call;
    },
    off: () => {
      for (const [name, handler] of handlers) signals.off(name, handler);
    },
  };
}

function crash(reason: unknown, terminal: Terminal, exit: ServeSeams['exit']): void {
  const trace = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
  terminal.err(`sendoff: unexpected error, ending at once: ${trace}\n`);
  exit(exitCodes.temporary);
}
