// Runs that found nothing due and keep their connection for some seconds.
// run.ts waits here; dispatcher.ts wakes it for new mail, or sends it home when places are needed.
// Never keeps a run longer than it asked for.
import type { Clock } from '../clock/clock.ts';
import type { LimitKey } from '../limits/limits.ts';
import type { Destination } from './destinations.ts';

interface Idler {
  readonly destination: Destination;
  readonly limits: readonly LimitKey[];
  end(woken: boolean): void;
}

export class Idlers {
  readonly #idlers = new Set<Idler>();
  #dismissing = false;

  /** True as soon as there may be mail for the destination, false when the wait is over. */
  wait(
    destination: Destination,
    limits: readonly LimitKey[],
    clock: Clock,
    ms: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (this.#dismissing || signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (woken: boolean): void => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
        this.#idlers.delete(idler);
        destination.idle.delete(wake);
        resolve(woken);
      };
      const wake = (): void => end(true);
      const onAbort = (): void => end(false);
      const idler: Idler = { destination, limits, end };
      const timer = clock.after(ms, onAbort);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#idlers.add(idler);
      destination.idle.add(wake);
    });
  }

  /** Wakes at most `count` of the destination's idle runs. */
  wake(destination: Destination, count: number): void {
    for (const wake of [...destination.idle].slice(0, count)) wake();
  }

  /** Ends the wait of the run that idles longest, under this limit or (null) under any. */
  dismissOne(limit: LimitKey | null): void {
    for (const idler of this.#idlers) {
      if (limit !== null && !idler.limits.includes(limit)) continue;
      idler.end(false);
      return;
    }
  }

  dismissAll(): void {
    this.#dismissing = true;
    for (const idler of this.#idlers) idler.end(false);
  }
}
