// Whether the daemon can do its work: Redis, disk and DNS, asked often enough that trouble shows in seconds.
// daemon.ts gives it one question for each part; /readyz reads the answers, alarms say when they change.
// Never waits for a part that does not answer: silence is trouble.
import { type Clock, pause } from '../clock/clock.ts';
import type { AlarmName, Alarms } from './alarms.ts';

/** How often each part is asked; /readyz is right within this plus PATIENCE_MS. */
const ASK_MS = 3_000;

/** A part that does not answer in this time is in trouble. */
const PATIENCE_MS = 3_000;

export interface Part {
  /** `redis`, `disk`, `dns`: the key in /readyz. */
  readonly name: string;
  readonly alarm: AlarmName;
  /** What is wrong, in one line, or null. May reject, may hang. */
  ask(signal: AbortSignal): Promise<string | null>;
}

export interface Health {
  /** One line for each part in trouble, as of the last answers. */
  trouble(): Readonly<Record<string, string>>;
  stop(): void;
}

/** `recovered` is told of each part that is well again. */
export function watchHealth(
  parts: readonly Part[],
  clock: Clock,
  alarms: Alarms,
  recovered: (part: string) => void = () => undefined,
): Health {
  const stopping = new AbortController();
  const trouble = new Map<string, string>();
  for (const part of parts) void watch(part);

  async function watch(part: Part): Promise<void> {
    do {
      const answer = await patiently(part, clock, stopping.signal);
      if (stopping.signal.aborted) return;
      if (answer === null) {
        const wasIll = trouble.delete(part.name);
        alarms.clear(part.alarm);
        if (wasIll) recovered(part.name);
      } else {
        trouble.set(part.name, answer);
        alarms.raise(part.alarm, `${part.name}: ${answer}`);
      }
    } while (await pause(clock, ASK_MS, stopping.signal));
  }

  return { trouble: () => Object.fromEntries(trouble), stop: () => stopping.abort() };
}

async function patiently(part: Part, clock: Clock, stopping: AbortSignal): Promise<string | null> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, stopping]);
  const answer = part.ask(signal).catch((error: Error) => error.message);
  const silence = pause(clock, PATIENCE_MS, signal).then(() => `no answer in ${PATIENCE_MS / 1000} s`);
  try {
    return await Promise.race([answer, silence]);
  } finally {
    over.abort();
  }
}
