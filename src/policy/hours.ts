// Hours and days in a time zone: whether a moment lies in them, and when they begin or end next.
// Conditions by `time` and windows of rules ask; the queue asks when mail may go and when to look again.
// Never reads a clock: the moment is handed in.
import type { Hours } from './policy.ts';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

/** As the policy file writes it: `07:00-20:00 mon,tue Europe/Madrid`. */
export function hoursText({ hours, days, zone }: Hours): string {
  const parts = [
    hours === null ? null : `${clockText(hours.from)}-${clockText(hours.to)}`,
    days === null ? null : [...days].map((day) => DAYS[day]).join(','),
    zone,
  ];
  return parts.filter((part) => part !== null).join(' ');
}

function clockText(minutes: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
