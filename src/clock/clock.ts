// Time as the daemon knows it: what hour it is, and waits that can be ended early.
// Everything that waits or dates takes a Clock; only the composition root makes one.
// Never read Date.now() or call setTimeout elsewhere in src (protocol timers included).

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch, UTC. May jump when the system's clock is set. */
  now(): number;
  /** Calls `fire` once, `ms` from now (at least 0). Does not keep the process alive by itself. */
  after(ms: number, fire: () => void): Timer;
}

/** Largest delay that setTimeout takes; longer waits are made of several. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fire) {
    let handle: NodeJS.Timeout;
    const arm = (left: number): void => {
      const step = Math.min(Math.max(left, 0), LONGEST_TIMEOUT);
      handle = setTimeout(() => (left > step ? arm(left - step) : fire()), step);
      handle.unref();
    };
    arm(ms);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves `true` after `ms`, or `false` as soon as the signal aborts. Never rejects. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<boolean> {
  if (signal?.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const onAbort = (): void => {
      timer.cancel();
      resolve(false);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve(true);
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
