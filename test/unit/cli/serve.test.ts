import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import type { Configuration } from '../../../src/cli/configuration.ts';
import { CommandError } from '../../../src/cli/exit.ts';
import { serve } from '../../../src/cli/serve.ts';
import type { Daemon } from '../../../src/daemon.ts';
import { testTerminal } from '../../harness/terminal.ts';
import { until } from '../../harness/until.ts';

/** The daemon is started with the configuration as it is: none of it matters here. */
const configuration = {} as Configuration;

class RecordedDaemon implements Daemon {
  readonly listeners = [];
  readonly admin = { address: '127.0.0.1', port: 0 };
  readonly calls: string[] = [];
  readonly failure = Promise.withResolvers<Error>();
  readonly failed = this.failure.promise;
  reloadError: Error | null = null;

  async stop(): Promise<void> {
    this.calls.push('stop');
  }

  async reload(): Promise<void> {
    this.calls.push('reload');
    if (this.reloadError !== null) throw this.reloadError;
  }
}

function underTest() {
  const daemon = new RecordedDaemon();
  const signals = new EventEmitter();
  const terminal = testTerminal();
  const exits: number[] = [];
  const started = Promise.withResolvers<Daemon>();
  const seams = { start: () => started.promise, signals, exit: (code: number) => void exits.push(code) };
  const served = serve(configuration, terminal, seams);
  return { daemon, signals, terminal, exits, served, started };
}

test.each(['SIGTERM', 'SIGINT'])(
  '%s stops in order and exits 0; a second one changes nothing',
  async (signal) => {
    const { daemon, signals, served, started } = underTest();
    started.resolve(daemon);
    signals.emit(signal);
    signals.emit(signal);
    expect(await served).toBe(0);
    expect(daemon.calls).toEqual(['stop']);
    expect(signals.eventNames()).toEqual([]);
  },
);

test('a signal during the start stops the daemon once it stands', async () => {
  const { daemon, signals, served, started } = underTest();
  signals.emit('SIGTERM');
  started.resolve(daemon);
  expect(await served).toBe(0);
  expect(daemon.calls).toEqual(['stop']);
});

test('SIGHUP reloads, and a reload that fails does not end the daemon', async () => {
  const { daemon, signals, terminal, served, started } = underTest();
  started.resolve(daemon);
  daemon.reloadError = new Error('policy.yaml is gone');
  await until('the reload', () => signals.emit('SIGHUP') && daemon.calls.includes('reload'));
  await until('the complaint', () => terminal.printed.err.includes('policy.yaml is gone'));
  signals.emit('SIGTERM');
  expect(await served).toBe(0);
  expect(daemon.calls.at(-1)).toBe('stop');
});

test('a failure of the daemon stops it and exits 75', async () => {
  const { daemon, terminal, served, started } = underTest();
  started.resolve(daemon);
  daemon.failure.resolve(new Error('fsync failed'));
  expect(await served).toBe(75);
  expect(daemon.calls).toEqual(['stop']);
  expect(terminal.printed.err).toBe('sendoff: stopping: fsync failed\n');
});

test('a daemon that cannot start exits 75 with its reason', async () => {
  const { signals, served, started } = underTest();
  started.reject(new Error('data is locked by process 5'));
  const error = await served.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CommandError);
  expect(error).toMatchObject({ exitCode: 75, message: 'cannot start: data is locked by process 5' });
  expect(signals.eventNames()).toEqual([]);
});

test('an unexpected error ends the process at once', async () => {
  const { daemon, signals, terminal, exits, served, started } = underTest();
  started.resolve(daemon);
  signals.emit('uncaughtException', new Error('a defect'));
  expect(exits).toEqual([75]);
  expect(terminal.printed.err).toContain('a defect');
  signals.emit('SIGTERM');
  await served;
});
