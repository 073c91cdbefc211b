// All listening ports of the daemon, with the certificate that they share.
// daemon.ts opens them once the house behind them can take mail, and closes them first.
// Never leaves a port open when another one cannot be opened.
import { readFileSync } from 'node:fs';
import type { Clock } from '../clock/clock.ts';
import type { ListenerSettings, TlsSettings } from '../config/settings.ts';
import { watchFiles } from '../config/watch.ts';
import type { Observer } from '../observe/events.ts';
import type { TlsMaterial } from './connection.ts';
import { SharedClientLimits } from './limits.ts';
import { type Listener, type ListenerOptions, startListener } from './listener.ts';

export interface ListenersOptions extends Omit<ListenerOptions, 'listener' | 'tls' | 'shared'> {
  readonly listeners: readonly ListenerSettings[];
  readonly tls: TlsSettings | null;
}

export interface Listeners {
  readonly open: readonly Listener[];
  /** Clients connected now. */
  connections(): number;
  /** As Listener.close. */
  close(deadlineMs: number): Promise<void>;
}

/** Rejects, with all ports closed again, when one cannot be listened on or the certificate is bad. */
export async function startListeners(options: ListenersOptions): Promise<Listeners> {
  const shared = new SharedClientLimits(options.limits, options.clock);
  const tls = options.tls && readTls(options.tls);
  const open: Listener[] = [];
  try {
    for (const listener of options.listeners) {
      open.push(await startListener({ ...options, listener, tls, shared }));
    }
  } catch (error) {
    await Promise.all(open.map((listener) => listener.close(0)));
    throw error;
  }
  const stopWatching = followTls(options.tls, open, options.clock, options.observer);
  return {
    open,
    connections: () => open.reduce((sum, listener) => sum + listener.connections(), 0),
    async close(deadlineMs) {
      stopWatching();
      await Promise.all(open.map((listener) => listener.close(deadlineMs)));
    },
  };
}

function readTls({ cert, key, minVersion }: TlsSettings): TlsMaterial {
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8'), minVersion };
}

/** A renewed certificate is taken without a restart; a broken one leaves the old one in use. */
function followTls(
  settings: TlsSettings | null,
  open: readonly Listener[],
  clock: Clock,
  observer: Observer,
): () => void {
  if (!settings) return () => undefined;
  const reload = (): void => {
    try {
      const tls = readTls(settings);
      for (const listener of open) listener.updateTls(tls);
      observer.info('the certificate was reloaded', { cert: settings.cert });
    } catch (error) {
      observer.warn('the new certificate cannot be used, the old one stays', { error: String(error) });
    }
  };
  return watchFiles([settings.cert, settings.key], reload, clock, (text) => observer.warn(text));
}
