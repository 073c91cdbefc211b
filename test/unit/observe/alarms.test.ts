// Alarms: said once, again after an hour, and over when they are over.
// Runs createAlarms on a moved clock with an observer that keeps what it is told.
// Never waits.
import { expect, test } from 'vitest';
import { type Alarms, createAlarms } from '../../../src/observe/alarms.ts';
import type { MailEvent, Observer } from '../../../src/observe/events.ts';
import { MovableClock } from '../../harness/clock.ts';

interface Heard {
  readonly alarms: Alarms;
  readonly clock: MovableClock;
  readonly events: MailEvent[];
  readonly infos: string[];
}

function listen(): Heard {
  const clock = new MovableClock();
  const events: MailEvent[] = [];
  const infos: string[] = [];
  const observer: Observer = {
    event: (event) => void events.push(event),
    info: (text) => void infos.push(text),
    warn: () => {},
    debug: () => {},
  };
  return { alarms: createAlarms(observer, clock), clock, events, infos };
}

const HOUR = 3_600_000;

test('an alarm that is raised again and again is one line an hour', () => {
  const { alarms, clock, events } = listen();
  for (let i = 0; i < 100; i++) alarms.raise('redis-down', 'Redis is away', { host: 'h' });
  expect(events).toEqual([{ event: 'alarm', alarm: 'redis-down', text: 'Redis is away', host: 'h' }]);
  clock.advance(HOUR - 1_000);
  alarms.raise('redis-down', 'Redis is away');
  expect(events).toHaveLength(1);
  clock.advance(1_000);
  alarms.raise('redis-down', 'Redis is still away');
  alarms.raise('redis-down', 'Redis is still away');
  expect(events).toHaveLength(2);
  expect(events[1]).toMatchObject({ text: 'Redis is still away', repeated: 101 });
});

test('when it is over, one line says so, and the next time it is new', () => {
  const { alarms, events, infos } = listen();
  alarms.clear('disk-full');
  expect(infos).toEqual([]);
  alarms.raise('disk-full', 'disk is full');
  expect([...alarms.active()]).toEqual(['disk-full']);
  alarms.clear('disk-full');
  alarms.clear('disk-full');
  expect(infos).toEqual(['alarm is over: disk-full']);
  expect([...alarms.active()]).toEqual([]);
  alarms.raise('disk-full', 'disk is full again');
  expect(events).toHaveLength(2);
  expect(events[1]).not.toHaveProperty('repeated');
});

test('alarms of one name about different things are told apart', () => {
  const { alarms, events, infos } = listen();
  alarms.raise('auth-failed', 'login refused', {}, 'provider');
  alarms.raise('auth-failed', 'login refused', {}, 'backup');
  expect(events).toMatchObject([{ about: 'provider' }, { about: 'backup' }]);
  alarms.clear('auth-failed', 'provider');
  expect(infos).toHaveLength(1);
  expect([...alarms.active()]).toEqual(['auth-failed']);
});

test('fields cannot pose as the alarm itself', () => {
  const { alarms, events } = listen();
  alarms.raise('doubt', 'third time', { event: 'delivered', alarm: 'x', text: 'y' });
  expect(events).toEqual([{ event: 'alarm', alarm: 'doubt', text: 'third time' }]);
});

test('a clock that was set back does not silence an alarm', () => {
  const { alarms, clock, events } = listen();
  clock.advance(100 * HOUR);
  alarms.raise('dns-down', 'no resolver answers');
  clock.advance(-50 * HOUR);
  alarms.raise('dns-down', 'no resolver answers');
  expect(events).toHaveLength(2);
});

test('alarms that nobody clears are forgotten after an hour', () => {
  const { alarms, clock } = listen();
  for (let i = 0; i < 1_000; i++) alarms.raise('doubt', 'third time', {}, `message ${i}`);
  clock.advance(HOUR);
  alarms.raise('crash-loop', 'held');
  expect([...alarms.active()]).toEqual(['crash-loop']);
});
