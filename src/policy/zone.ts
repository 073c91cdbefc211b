// Time zones: which names are some, and how far their clocks are from UTC at a moment.
// hours.ts asks for each decision that looks at the time, quota.ts for its windows.
// Never reads a clock: the moment is handed in.

/** No zone has changed its clocks between quarters of an hour since 1972: one answer holds for each. */
const QUARTER = 15 * 60_000;

/** Quarters that are remembered of one zone: those around the marks of some weeks. Then it begins anew. */
const MOST = 4096;

interface Known {
  readonly format: Intl.DateTimeFormat;
  /** Offsets by the number of the quarter: the system takes microseconds to say one. */
  readonly offsets: Map<number, number>;
}

const zones = new Map<string, Known>();

/** Whether this is a name of the IANA time zone database. */
export function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** The zone that the machine's clock shows. */
export function hostZone(): string {
  return new Intl.DateTimeFormat('en').resolvedOptions().timeZone;
}

/** Ms to add to a moment (ms since the epoch) for what the clocks in `zone` show. */
export function offsetAt(zone: string, at: number): number {
  const quarter = Math.floor(at / QUARTER);
  const { format, offsets } = zones.get(zone) ?? firstLook(zone);
  const known = offsets.get(quarter);
  if (known !== undefined) return known;
  if (offsets.size >= MOST) offsets.clear();
  const offset = offsetOf(format, quarter * QUARTER);
  offsets.set(quarter, offset);
  return offset;
}

function firstLook(zone: string): Known {
  const format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
  const known = { format, offsets: new Map<number, number>() };
  zones.set(zone, known);
  return known;
}

function offsetOf(format: Intl.DateTimeFormat, at: number): number {
  const name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  // `GMT`, `GMT+02:00`.
  const [, sign, hours = 0, minutes = 0] = /([+-])(\d\d):(\d\d)/.exec(name) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}
