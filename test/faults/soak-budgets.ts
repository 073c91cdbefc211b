// Whether a budget was kept, as the peers saw it while the daemon's clock jumped.
// policy-soak.test.ts asks for each quota, warm-up and window of the soak.
// Never takes the daemon's word for it.
import type { Sighting } from './soak-moods.ts';

/** Longer than the way from a budget to MAIL on a busy machine: a jump on it leaves two windows to choose from. */
const ON_THE_WAY_MS = 1_500;

export interface Times {
  readonly jumps: readonly { readonly at: number }[];
  /** The daemon's time at a moment of the test. */
  timeAt(moment: number): number;
}

/**
 * Windows in which more recipients were reached than `max`; a window `NaN` takes none. Mail that was under way
 * while the clock jumped counts in whichever window on its way has room.
 */
export function overspent(
  sightings: readonly Sighting[],
  times: Times,
  max: number,
  windowOf: (time: number) => number,
): string[] {
  const used = new Map<number, number>();
  const over: string[] = [];
  const hasRoom = (window: number, count: number): boolean =>
    !Number.isNaN(window) && (used.get(window) ?? 0) + count <= max;
  const spend = (windows: readonly number[], count: number): void => {
    const window = windows.find((one) => hasRoom(one, count));
    if (window !== undefined) used.set(window, (used.get(window) ?? 0) + count);
    else over.push(`${count} more in ${windows.join(' or ')} than ${max}`);
  };
  const placed = sightings.map(({ mailAt, to }) => ({
    windows: windowsOf(mailAt, times, windowOf),
    count: to.length,
  }));
  for (const { windows, count } of placed) if (windows.length === 1) spend(windows, count);
  for (const { windows, count } of placed) if (windows.length > 1) spend(windows, count);
  return over;
}

function windowsOf(
  mailAt: number,
  { jumps, timeAt }: Times,
  windowOf: (time: number) => number,
): readonly number[] {
  const begun = mailAt - ON_THE_WAY_MS;
  const crossed = jumps.filter(({ at }) => at > begun && at <= mailAt).flatMap(({ at }) => [at - 1, at]);
  return [...new Set([begun, ...crossed, mailAt].map((moment) => windowOf(timeAt(moment))))];
}
