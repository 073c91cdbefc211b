// The log: one JSON object a line, in the words of the events, without secrets.
// Runs createObserver into an array of lines.
// Never parses leniently: every line must be whole JSON.
import { expect, test } from 'vitest';
import type { AttemptEvent } from '../../../src/observe/events.ts';
import { createObserver, type Log, type LogLevel } from '../../../src/observe/log.ts';
import { createMetrics, type Metrics } from '../../../src/observe/metrics.ts';
import { MovableClock } from '../../harness/clock.ts';

interface Written {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: MovableClock;
  text(): string;
  lines(): Record<string, unknown>[];
}

function open(level: LogLevel = 'info', pretty = false): Written {
  const written: string[] = [];
  const clock = new MovableClock();
  const metrics = createMetrics();
  const destination = { write: (line: string) => written.push(line) };
  const text = (): string => written.join('');
  return {
    log: createObserver({ level, clock, metrics, destination, pretty }),
    metrics,
    clock,
    text,
    lines: () =>
      text()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
  };
}

const attempt: AttemptEvent = {
  event: 'attempt',
  id: '1aqs0d3g80a1',
  from: 'ann@example.net',
  to: 'bob@example.org',
  result: 'bounced',
  route: 'direct',
  site: 'default',
  host: 'mx.example.org',
  ip: '192.0.2.25',
  source: null,
  tls: null,
  reply: '550-5.1.1 no\n550 5.1.1 really\r\n{"event":"delivered"}\u2028',
  status: '5.1.1',
  class: 'unknown-user',
  attempt: 3,
  delays: { queued: 100, connect: 20, transfer: 30 },
};

test('an event is one line with level, time and its own fields, and is counted', async () => {
  const { log, text, lines, metrics, clock } = open();
  clock.advance(86_400_000);
  const before = clock.now();
  log.event(attempt);
  expect(text().match(/\n/g)).toHaveLength(1);
  const [{ level, time, ...fields }] = lines() as [Record<string, unknown>];
  expect(fields).toEqual(attempt);
  expect(level).toBe('info');
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(Date.parse(String(time)) - before).toBeLessThan(60_000);
  expect(Date.parse(String(time))).toBeGreaterThanOrEqual(before);
  expect(await metrics.render()).toContain('sendoff_events_total{event="attempt"} 1');
});

test('an alarm is an error, plain lines have their level and text in msg', () => {
  const { log, lines } = open('debug');
  log.event({ event: 'alarm', alarm: 'redis-down', text: 'Redis is away', since: 'noon' });
  log.info('listening', { port: 2525 });
  log.warn('odd');
  log.debug('detail', { msg: 'm', level: 'l', time: 't', event: 'delivered' });
  expect(lines().map(({ time: _, ...line }) => line)).toEqual([
    { level: 'error', event: 'alarm', alarm: 'redis-down', text: 'Redis is away', since: 'noon' },
    { level: 'info', msg: 'listening', port: 2525 },
    { level: 'warn', msg: 'odd' },
    {
      level: 'debug',
      msg: 'detail',
      field_msg: 'm',
      field_level: 'l',
      field_time: 't',
      field_event: 'delivered',
    },
  ]);
});

test.each([
  ['debug', ['debug', 'info', 'info', 'warn', 'error']],
  ['info', ['info', 'info', 'warn', 'error']],
  ['warn', ['warn', 'error']],
  ['error', ['error']],
] as const)('level %s lets %j through; events are counted all the same', async (level, expected) => {
  const { log, lines, metrics } = open(level);
  log.debug('a');
  log.info('b');
  log.event(attempt);
  log.warn('c');
  log.event({ event: 'alarm', alarm: 'doubt', text: 'd' });
  expect(lines().map((line) => line.level)).toEqual(expected);
  expect(await metrics.render()).toContain('sendoff_events_total{event="attempt"} 1');
});

test('secrets stay out, however deep and in whatever form', () => {
  const { log, text } = open('debug');
  log.info('redis at redis://user:hunter2@redis.example:6379/0', {
    password: 'hunter2',
    auth: { user: 'u', pass: 'hunter2', nested: { accessToken: 'hunter2' } },
    headers: [{ Authorization: 'Basic hunter2' }],
    url: 'rediss://:hunter2@redis.example',
    error: new Error('cannot reach redis://:hunter2@h', { cause: new Error('smtps://u:hunter2@h') }),
  });
  log.warn('w', { client_secret: 'hunter2' });
  log.debug('d', { apiToken: 'hunter2' });
  log.event({
    event: 'alarm',
    alarm: 'auth-failed',
    text: 'login to smtp://u:hunter2@h',
    password: 'hunter2',
  });
  expect(text()).not.toContain('hunter2');
  expect(text()).toContain('redis://…@redis.example:6379/0');
});

test('an Error in the fields keeps its message, code and cause; a circle does not break the line', () => {
  const { log, lines } = open();
  const circle: Record<string, unknown> = { size: 10n };
  circle.self = circle;
  log.info('x', { error: Object.assign(new Error('no', { cause: 'why' }), { code: 'ENOSPC' }), circle });
  expect(lines()[0]).toMatchObject({
    error: { name: 'Error', message: 'no', code: 'ENOSPC', cause: 'why' },
    circle: { size: '10' },
  });
});

test('on a terminal: one readable line, and no control characters of a peer', () => {
  const { log, text } = open('info', true);
  log.event({ ...attempt, reply: '550 \x1b[31mred\x07\nnext' });
  log.event({ event: 'alarm', alarm: 'disk-full', text: 'bell \x07 and \x1b[2J clear' });
  log.info('listening', { address: '127.0.0.1', port: 2525 });
  const [first, second, third, ...rest] = text().split('\n');
  expect(first).toMatch(
    /^\d\d:\d\d:\d\d attempt 1aqs0d3g80a1 <ann@example\.net> → <bob@example\.org> result=bounced /,
  );
  expect(second).toMatch(/^\d\d:\d\d:\d\d ALARM disk-full: bell/);
  expect(third).toMatch(/^\d\d:\d\d:\d\d listening address=127\.0\.0\.1 port=2525$/);
  expect(rest).toEqual(['']);
  expect(text().replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
});
