// Closed doors: what closes and opens them, how long they stay closed.
import { describe, expect, test } from 'vitest';
import type { Failure } from '../../../src/delivery/failure.ts';
import {
  answered,
  closed,
  type Finding,
  findingOf,
  forgotten,
  mayProbe,
  opened,
} from '../../../src/queue/backoff.ts';
import { closedDoor, Destinations, standing } from '../../../src/queue/destinations.ts';
import { policyFrom } from '../../harness/policy.ts';
import { ARRIVED, failure, HOUR, MINUTE, middle } from './setting.ts';

const schedule = policyFrom(
  'retry: { default: { after: [1m, 10m, 1h], classes: { dns: { after: [5m] } } } }',
).defaultRetry;
const refused = failure({ scope: 'destination', class: 'unreachable' });

describe('what an attempt finds', () => {
  const failedWith = (changes: Partial<Failure>) => ({ kind: 'failed', failure: failure(changes) }) as const;
  const kindOf = (finding: Finding): string => (typeof finding === 'string' ? finding : finding.class);

  test.each([
    {
      what: 'a delivery among refusals',
      outcomes: [failedWith({ scope: 'host' }), { kind: 'delivered', reply: '250' } as const],
      found: 'open',
    },
    { what: 'a word about a recipient', outcomes: [failedWith({ scope: 'recipient' })], found: 'open' },
    {
      what: 'no host that answers',
      outcomes: [failedWith({ scope: 'destination', class: 'unreachable' })],
      found: 'unreachable',
    },
    {
      what: 'a login that is refused',
      outcomes: [failedWith({ scope: 'host', class: 'auth', ours: true })],
      found: 'auth',
    },
    {
      what: 'a stop',
      outcomes: [failedWith({ scope: 'message', ours: true, aborted: true })],
      found: 'unknown',
    },
    {
      what: 'content that cannot be read',
      outcomes: [failedWith({ scope: 'message', ours: true })],
      found: 'unknown',
    },
    { what: 'nothing', outcomes: [], found: 'unknown' },
  ])('$what: $found', ({ outcomes, found }) => {
    expect(kindOf(findingOf(outcomes))).toBe(found);
  });
});

describe('a door', () => {
  const destination = () => new Destinations().of('direct example.org');

  test('is closed longer with each failure in a row, to the end of the schedule', () => {
    const one = destination();
    let now = ARRIVED;
    const pauses = [1, 2, 3, 4].map((failures) => {
      const notes = closed(one, refused, schedule, now, middle);
      expect(notes).toMatchObject({ 'backoff direct example.org': { failures } });
      const pause = (one.backOff?.until ?? 0) - now;
      now += pause;
      return pause;
    });
    expect(pauses).toEqual([MINUTE, 10 * MINUTE, HOUR, HOUR]);
    expect(one.backOff).toMatchObject({ since: ARRIVED, failures: 4 });
  });

  test('is spread by a tenth, and follows the schedule of its class', () => {
    const until = (random: number, changes: Partial<Failure> = {}): number => {
      const one = destination();
      closed(one, { ...refused, ...changes }, schedule, ARRIVED, () => random);
      return (one.backOff?.until ?? 0) - ARRIVED;
    };
    expect([until(0), until(1)].map(Math.round)).toEqual([0.9 * MINUTE, 1.1 * MINUTE]);
    expect(until(0.5, { class: 'dns' })).toBe(5 * MINUTE);
  });

  test('stays closed as long as the reply asks, also where the trouble is ours', () => {
    for (const changes of [{}, { ours: true }]) {
      const one = destination();
      closed(one, { ...refused, ...changes, retryAfter: 15 * MINUTE }, schedule, ARRIVED, () => 0);
      expect(one.backOff?.until).toBe(ARRIVED + 15 * MINUTE);
    }
  });

  test('stays closed 5 minutes at most where the trouble is ours', () => {
    const one = destination();
    for (const now of [ARRIVED, ARRIVED + HOUR, ARRIVED + 3 * HOUR])
      closed(one, { ...refused, ours: true }, schedule, now, middle);
    expect((one.backOff?.until ?? 0) - ARRIVED - 3 * HOUR).toBe(5 * MINUTE);
  });

  test('that is closed already is not closed further by those who came at the same time', () => {
    const one = destination();
    closed(one, refused, schedule, ARRIVED, middle);
    const before = one.backOff;
    expect(closed(one, refused, schedule, ARRIVED + 10, middle)).toBeNull();
    expect(one.backOff).toBe(before);
  });

  test('that opens makes its destination a living one and takes the note away, once', () => {
    const one = destination();
    closed(one, refused, schedule, ARRIVED, middle);
    expect(standing(one, ARRIVED)).toBe('backing-off');
    expect(opened(one, ARRIVED + 1)).toMatchObject({ 'backoff direct example.org': null });
    expect(opened(one, ARRIVED + 2)).toBeNull();
    expect(standing(one, ARRIVED + 2)).toBe('live');
    expect(standing(one, ARRIVED + HOUR)).toBe('new');
  });

  test('that is walled up is forgotten without a success', () => {
    const one = destination();
    closed(one, refused, schedule, ARRIVED, middle);
    expect(forgotten(one)).toEqual({ 'backoff direct example.org': null });
    expect(standing(one, ARRIVED)).toBe('new');
  });

  test('lets a probe through early only where our side was mended', () => {
    const [theirs, ours] = [destination(), destination()];
    closed(theirs, refused, schedule, ARRIVED, middle);
    closed(ours, { ...refused, ours: true }, schedule, ARRIVED, middle);
    for (const one of [theirs, ours]) mayProbe(one, ARRIVED + 1);
    expect(closedDoor(theirs, ARRIVED + 1)).not.toBeNull();
    expect(closedDoor(ours, ARRIVED + 1)).toBeNull();
    expect(ours.backOff?.failures).toBe(1);
  });

  test('is not waited at after a refusal for good, unless that is not the end of the mail', () => {
    const final = failure({ scope: 'destination', class: 'dns', permanent: true, status: '5.1.2' });
    const one = destination();
    closed(one, refused, schedule, ARRIVED, middle);
    const now = ARRIVED + HOUR;
    expect(answered(one, final, schedule, now, middle)).toEqual({ 'backoff direct example.org': null });
    expect(answered(one, final, schedule, now, middle, false)).toMatchObject({
      'backoff direct example.org': { failures: 1, until: now + 5 * MINUTE, last: { permanent: true } },
    });
  });
});
