// A bound in time for work that takes a signal.
// stub.ts bounds each lookup with it, health.ts its question to all servers.
// Never leaves what it bounds under way: the signal is aborted when the work is over, too.
import type { Clock } from '../clock/clock.ts';

const OVER = 'the work is over';

/** The outcome of the work, whose signal aborts with `ending`, after `ms`, and when it is done. */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  ending: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  // A reason of our own: the default is an exception with its stack, made anew for every lookup.
  const end = (): void => over.abort(OVER);
  if (ending.aborted) end();
  ending.addEventListener('abort', end, { once: true });
  const timer = clock.after(ms, end);
  try {
    return await work(over.signal);
  } finally {
    timer.cancel();
    ending.removeEventListener('abort', end);
    end();
  }
}
