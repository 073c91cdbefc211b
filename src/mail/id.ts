// Queue ids: when a message came, and a count, in 12 characters that sort as time does.
// The spool asks for one at each message; it stands in the 250, in Received and in every event.
// Never gives the same id twice in one process, nor a smaller one than before.
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import type { QueueId } from './envelope.ts';

/** Crockford's base32 in lower case: no i, l, o, u, so an id read aloud or retyped stays the same. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

/** 9 digits of 5 bits: milliseconds since the epoch up to the year 3084. */
const TIME_DIGITS = 9;

/** 3 digits of 5 bits. */
const COUNTS = 2 ** 15;

/**
 * A millisecond starts at a random count in the lower half: what another process gave out in the same
 * millisecond is hardly met, and 16,384 ids still fit.
 */
const STARTS = COUNTS / 2;

/** 9 characters of time in ms, 3 of the count. */
const ID = /^[0-9a-hjkmnp-tv-z]{12}$/;

/** True for what a source could have given. */
export function isQueueId(text: string): text is QueueId {
  return ID.test(text);
}

/**
 * A source of ids, strictly increasing. A clock that stands or goes back is overruled: the ids go on from
 * the last one, and borrow the next millisecond when one is used up.
 * `last` is the greatest id known from earlier (of the spool): the source starts above it, so that a clock
 * set back between two starts makes no id twice.
 */
export function createIdSource(clock: Clock, random: Random, last?: QueueId): () => QueueId {
  let time = last === undefined ? -1 : decode(last.slice(0, TIME_DIGITS));
  let count = last === undefined ? 0 : decode(last.slice(TIME_DIGITS));
  let prefix = '';

  const enter = (millisecond: number, start: number): void => {
    time = millisecond;
    count = start;
    prefix = encode(time, TIME_DIGITS);
  };
  if (time >= 0) enter(time, count);

  return () => {
    const now = Math.floor(clock.now());
    if (now > time) enter(now, Math.floor(random() * STARTS));
    else if (++count === COUNTS) enter(time + 1, Math.floor(random() * STARTS));
    return prefix + encode(count, 3);
  };
}

function encode(value: number, digits: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < digits; i++) {
    text = DIGITS.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function decode(text: string): number {
  let value = 0;
  for (const digit of text) value = value * 32 + DIGITS.indexOf(digit);
  return value;
}
