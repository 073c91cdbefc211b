// Equal questions at one time are one question: the first asks, the others wait for its answer.
// stub.ts comes here with what its cache does not know; lookup.ts does the asking.
// Never lets one asker who leaves spoil it for the others.

interface Flight<T> {
  readonly landed: Promise<T>;
  readonly ending: AbortController;
  askers: number;
}

export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>();
  #closed = false;

  /**
   * The outcome of `start`, which one asker of each key runs and which must not reject. An asker whose
   * signal aborts gets `left` at once; when all have left, the signal that `start` was given aborts.
   */
  join(
    key: string,
    signal: AbortSignal | undefined,
    left: T,
    start: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (signal?.aborted || this.#closed) return Promise.resolve(left);
    const flight = this.#flights.get(key) ?? this.#launch(key, start);
    flight.askers++;
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        flight.askers--;
        if (flight.askers === 0) this.#end(key, flight);
        resolve(left);
      };
      signal?.addEventListener('abort', leave, { once: true });
      flight.landed.finally(() => signal?.removeEventListener('abort', leave)).then(resolve, reject);
    });
  }

  /** Aborts all that is under way; who joins later gets `left`. */
  close(): void {
    this.#closed = true;
    for (const [key, flight] of this.#flights) this.#end(key, flight);
  }

  #launch(key: string, start: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const ending = new AbortController();
    const landed = start(ending.signal).finally(() => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    const flight: Flight<T> = { landed, ending, askers: 0 };
    this.#flights.set(key, flight);
    return flight;
  }

  #end(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
    flight.ending.abort();
  }
}
