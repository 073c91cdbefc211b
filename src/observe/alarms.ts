// Alarms: what an operator must see, said once when it begins and once an hour while it lasts.
// Whoever notices trouble raises one here; it becomes an `alarm` event for the log and the metrics.
// Never floods: a failure that comes back a thousand times a second is one line.
import type { Clock } from '../clock/clock.ts';
import type { Observer } from './events.ts';

/** Every alarm there is, so that monitoring can list them. */
export const alarmNames = [
  'auth-failed', // a smarthost refuses our login
  'crash-loop', // a message was under way when the daemon died, three times: it is held
  'disk-full', // less than spool.minFree: new mail gets 452
  'dns-down', // no resolver answers
  'doubt', // three deliveries in a row lost their answer after the final dot
  'hostname', // our name has no dot, and mail goes straight to MX hosts
  'policy-reload', // a changed policy is broken: the old one is in force
  'redis-config', // Redis may lose what it holds, or evict it
  'redis-died', // the embedded Redis ended by itself and is started again
  'redis-down',
  'redis-emptied', // the embedded Redis did not take its AOF and began anew
  'route-left', // message after message failed there: its mail takes the next route
  'soft-bounce', // refused for good, and kept because its route says softBounce
  'source-missing', // the machine has not an address that a route leaves from
  'spool-failed', // a write or an fsync failed: the process ends
] as const;
export type AlarmName = (typeof alarmNames)[number];

/** Between two lines of one alarm that lasts. */
export const REPEAT_MS = 3_600_000;

/** One-off alarms are never cleared: beyond this many, those that came more than an hour ago are forgotten. */
const REMEMBERED = 1_000;

type Fields = Readonly<Record<string, unknown>>;

export interface Alarms {
  /** `about` tells apart alarms of one name: a route, a queue id. */
  raise(alarm: AlarmName, text: string, fields?: Fields, about?: string): void;
  /** Says that it is over, if it was raised. Cheap to call when it was not. */
  clear(alarm: AlarmName, about?: string): void;
  /** Names of those that last. */
  active(): ReadonlySet<AlarmName>;
}

interface Raised {
  readonly alarm: AlarmName;
  readonly since: number;
  readonly said: number;
  /** Times raised since it was last said. */
  readonly unsaid: number;
}

/** `told` hears of each alarm when it is said, and of each repetition. */
export function createAlarms(
  observer: Observer,
  clock: Clock,
  told: (alarm: AlarmName, text: string) => void = () => undefined,
): Alarms {
  const raised = new Map<string, Raised>();

  const forgetOld = (now: number): void => {
    if (raised.size < REMEMBERED) return;
    for (const [key, alarm] of raised) if (now - alarm.said >= REPEAT_MS) raised.delete(key);
  };

  return {
    raise(alarm, text, fields = {}, about = '') {
      const now = clock.now();
      const key = keyOf(alarm, about);
      const known = raised.get(key);
      if (known !== undefined && now - known.said < REPEAT_MS && now >= known.said) {
        raised.set(key, { ...known, unsaid: known.unsaid + 1 });
        return;
      }
      forgetOld(now);
      raised.set(key, { alarm, since: known?.since ?? now, said: now, unsaid: 0 });
      const more = known === undefined ? {} : { since: iso(known.since), repeated: known.unsaid + 1 };
      observer.event({ ...fields, ...(about === '' ? {} : { about }), ...more, event: 'alarm', alarm, text });
      told(alarm, text);
    },

    clear(alarm, about = '') {
      const known = raised.get(keyOf(alarm, about));
      if (known === undefined) return;
      raised.delete(keyOf(alarm, about));
      const over = { alarm, ...(about === '' ? {} : { about }), since: iso(known.since) };
      observer.info(`alarm is over: ${alarm}`, over);
    },

    active: () => new Set([...raised.values()].map(({ alarm }) => alarm)),
  };
}

function keyOf(alarm: AlarmName, about: string): string {
  return `${alarm} ${about}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
