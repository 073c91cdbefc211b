// Metrics: the books balance in every scrape, and no domain becomes a label.
// Runs createMetrics and reads the text that Prometheus would.
// Never looks into the library's registry.
import { expect, test } from 'vitest';
import type { AttemptEvent, MailEvent } from '../../../src/observe/events.ts';
import { createMetrics, type Metrics } from '../../../src/observe/metrics.ts';
import type { Totals } from '../../../src/spool/spool.ts';

/** Value of each series: `name{label="value"}` → number. */
async function scrape(metrics: Metrics): Promise<Map<string, number>> {
  const lines = (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

const attempt: AttemptEvent = {
  event: 'attempt',
  id: '1aqs0d3g80a1',
  from: 'ann@example.net',
  to: 'bob@secret-domain.example',
  result: 'deferred',
  route: 'direct',
  site: 'secret-domain.example',
  host: 'mx.secret-domain.example',
  ip: '192.0.2.25',
  source: '192.0.2.1',
  tls: 'TLSv1.3',
  reply: '451 4.7.1 later',
  status: '4.7.1',
  class: 'greylisted',
  attempt: 1,
  delays: { queued: 1_500, connect: 20, transfer: 40 },
};

function totals(delivered: number): Totals {
  const ended = { delivered, bounced: 2, expired: 1, discarded: 0, removed: 3 };
  return { accepted: { client: delivered + 10, dsn: 2, notice: 0 }, ended, queued: 6, held: 4 };
}

test('the books come from the spool at each scrape', async () => {
  const metrics = createMetrics('1.2.3');
  let delivered = 5;
  metrics.bind({ totals: () => totals(delivered) });
  for (delivered of [5, 100, 100]) {
    const series = await scrape(metrics);
    expect(series.get('sendoff_recipients_total{outcome="delivered"}')).toBe(delivered);
    expect(series.get('sendoff_recipients_accepted_total{origin="client"}')).toBe(delivered + 10);
    expect(series.get('sendoff_recipients_queued')).toBe(6);
    expect(series.get('sendoff_recipients_held')).toBe(4);
  }
});

test('scrapes at the same time and mail in between do not tear the books apart', async () => {
  const metrics = createMetrics();
  let delivered = 0;
  metrics.bind({ totals: () => totals(delivered++) });
  const scrapes = await Promise.all(Array.from({ length: 20 }, () => scrape(metrics)));
  for (const [i, series] of scrapes.entries()) {
    const sum = (name: string): number =>
      [...series]
        .filter(([key]) => key.startsWith(`${name}{`))
        .reduce((total, [, value]) => total + value, 0);
    expect(series.get('sendoff_recipients_total{outcome="delivered"}')).toBe(i);
    expect(sum('sendoff_recipients_accepted_total')).toBe(
      sum('sendoff_recipients_total') + (series.get('sendoff_recipients_queued') ?? Number.NaN),
    );
  }
});

test('attempts are counted by route, result and class, their delays in seconds', async () => {
  const metrics = createMetrics();
  metrics.count(attempt);
  metrics.count(attempt);
  metrics.count({ ...attempt, result: 'delivered', class: null });
  const series = await scrape(metrics);
  expect(series.get('sendoff_attempts_total{route="direct",result="deferred",class="greylisted"}')).toBe(2);
  expect(series.get('sendoff_attempts_total{route="direct",result="delivered",class="none"}')).toBe(1);
  expect(series.get('sendoff_attempt_queued_seconds_sum')).toBeCloseTo(4.5);
  expect(series.get('sendoff_attempt_queued_seconds_bucket{le="1"}')).toBe(0);
  expect(series.get('sendoff_attempt_queued_seconds_bucket{le="5"}')).toBe(3);
  expect(series.get('sendoff_attempt_connect_seconds_count')).toBe(3);
  expect(series.get('sendoff_attempt_transfer_seconds_sum')).toBeCloseTo(0.12);
  expect(series.get('sendoff_events_total{event="attempt"}')).toBe(3);
});

test('what mail brings along never becomes a label', async () => {
  const metrics = createMetrics();
  const before = (await scrape(metrics)).size;
  for (let i = 0; i < 500; i++) {
    metrics.count({
      ...attempt,
      to: `x@d${i}.example`,
      host: `mx.d${i}.example`,
      site: `d${i}.example`,
      reply: `451 ${i}`,
    });
    const rejected: MailEvent = {
      event: 'rejected',
      client: `192.0.2.${i}`,
      from: `${i}@x`,
      to: null,
      phase: 'rcpt',
      reply: `${550 + (i % 5)} ${i}`,
      rule: null,
    };
    metrics.count(rejected);
  }
  const series = await scrape(metrics);
  expect(series.size - before).toBeLessThan(10);
  expect([...series.keys()].join('\n')).not.toContain('example');
  expect(series.get('sendoff_rejected_total{phase="rcpt",kind="5"}')).toBe(500);
});

test('sources are read at each scrape, a state that is gone leaves', async () => {
  const metrics = createMetrics();
  let destinations: Record<string, number> = { live: 2, 'backing-off': 1 };
  metrics.bind({ destinations: () => destinations, runsActive: () => 7 });
  metrics.bind({
    connectionsIncoming: () => 3,
    connectionsOutgoing: () => 4,
    spoolBytes: () => 5,
    freeBytes: () => 6,
  });
  metrics.bind({ activeAlarms: () => ['redis-down'] });
  const first = await scrape(metrics);
  expect(first.get('sendoff_destinations{state="backing-off"}')).toBe(1);
  expect(first.get('sendoff_runs_active')).toBe(7);
  expect(first.get('sendoff_connections{direction="incoming"}')).toBe(3);
  expect(first.get('sendoff_connections{direction="outgoing"}')).toBe(4);
  expect(first.get('sendoff_spool_bytes')).toBe(5);
  expect(first.get('sendoff_spool_free_bytes')).toBe(6);
  expect(first.get('sendoff_alarm_active{alarm="redis-down"}')).toBe(1);
  destinations = { live: 3 };
  expect([...(await scrape(metrics)).keys()].filter((key) => key.startsWith('sendoff_destinations'))).toEqual(
    ['sendoff_destinations{state="live"}'],
  );
});

test('every name starts with sendoff_, and the build and the process are there', async () => {
  const metrics = createMetrics('1.2.3');
  metrics.commit(12, 40);
  metrics.lineDropped();
  metrics.count({ event: 'alarm', alarm: 'doubt', text: 'third time' });
  const series = await scrape(metrics);
  expect([...series.keys()].filter((key) => !key.startsWith('sendoff_'))).toEqual([]);
  expect(series.get(`sendoff_build_info{version="1.2.3",node="${process.version}"}`)).toBe(1);
  expect(series.get('sendoff_commit_seconds_bucket{le="0.025"}')).toBe(1);
  expect(series.get('sendoff_commit_changes_sum')).toBe(40);
  expect(series.get('sendoff_log_lines_dropped_total')).toBe(1);
  expect(series.get('sendoff_alarms_total{alarm="doubt"}')).toBe(1);
  expect(series.get('sendoff_process_resident_memory_bytes')).toBeGreaterThan(0);
  expect(metrics.contentType).toContain('text/plain');
});
