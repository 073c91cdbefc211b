// Lays retry schedules over the one that they inherit from.
// compile.ts calls it for `retry` and for the schedules that rules write themselves.
// Never decides when to try: schedule.ts does.
import type { FailureClass } from '../delivery/failure.ts';
import type { RetryClass, RetrySchedule } from './policy.ts';
import type { ScheduleData } from './retry-schema.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * Quick at first (most trouble is over in minutes), then rare. RFC 5321 §4.5.4.1 gives up after four to five
 * days; a sender learns after four hours, while the mail may still be worth a phone call, and after a day.
 */
const builtIn = {
  after: [1 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, 1 * HOUR, 2 * HOUR, 4 * HOUR],
  expire: 5 * DAY,
  warn: [4 * HOUR, 1 * DAY],
} satisfies ScheduleData;

type Classes = NonNullable<ScheduleData['classes']>;

/** The schedules of a policy. */
export class Schedules {
  readonly default: RetrySchedule;
  readonly #base: ScheduleData;
  readonly #named = new Map<string, RetrySchedule>();

  constructor(data: Readonly<Record<string, ScheduleData>>) {
    this.#base = layOver(builtIn, data.default ?? {});
    this.default = finish('default', this.#base);
    for (const [name, schedule] of Object.entries(data)) this.#named.set(name, this.inherit(name, schedule));
    this.#named.set('default', this.default);
  }

  /** A schedule with that name; the schema refuses names that there are not. */
  named(name: string): RetrySchedule {
    return this.#named.get(name) ?? this.default;
  }

  /** The default schedule with the keys of `data` in the place of its own. */
  inherit(name: string, data: ScheduleData): RetrySchedule {
    return finish(name, layOver(this.#base, data));
  }
}

/** Key by key, classes one by one. An inherited class does not outlive an `expire` that `own` states. */
function layOver(base: ScheduleData, own: ScheduleData): ScheduleData {
  const classes: Classes = { ...base.classes };
  for (const [name, inherited] of entriesOf(classes)) {
    if (own.expire === undefined || inherited.expire === undefined) continue;
    classes[name] = { ...inherited, expire: Math.min(inherited.expire, own.expire) };
  }
  for (const [name, stated] of entriesOf(own.classes ?? {})) classes[name] = { ...classes[name], ...stated };
  return { ...base, ...own, classes };
}

function finish(name: string, data: ScheduleData): RetrySchedule {
  const { after = builtIn.after, expire = builtIn.expire, warn = builtIn.warn } = data;
  const classes = new Map<FailureClass, RetryClass>();
  for (const [failure, stated] of entriesOf(data.classes ?? {})) {
    classes.set(failure, { after: stated.after ?? after, expire: stated.expire ?? expire });
  }
  const inOrder = [...warn].sort((a, b) => a - b);
  return { name, after, expire, warn: inOrder, attempts: data.attempts ?? null, classes };
}

function entriesOf(classes: Classes) {
  return Object.entries(classes) as [FailureClass, NonNullable<Classes[FailureClass]>][];
}
