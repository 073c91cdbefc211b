// A listener on a free port, with an intake that records; closed when the test is over.
// Used by the tests of relay/.
// Never shared between tests.
import { onTestFinished } from 'vitest';
import type { Clock } from '../../src/clock/clock.ts';
import { systemClock } from '../../src/clock/clock.ts';
import type { Milestone } from '../../src/clock/milestones.ts';
import type { LimitSettings, ListenerSettings } from '../../src/config/settings.ts';
import type { MailEvent, Observer } from '../../src/observe/events.ts';
import { SharedClientLimits } from '../../src/relay/limits.ts';
import { type Listener, type ListenerOptions, startListener } from '../../src/relay/listener.ts';
import { RecordingIntake } from './intake.ts';

export interface ListenerUnderTest {
  readonly listener: Listener;
  readonly port: number;
  readonly intake: RecordingIntake;
  readonly rejected: Extract<MailEvent, { event: 'rejected' }>[];
  readonly milestones: Milestone[];
}

export const roomyLimits: LimitSettings = {
  messageSize: 100_000,
  recipients: 1000,
  connections: 2000,
  connectionsPerClient: 50,
  messagesPerConnection: 10_000,
  rate: { count: 1000, per: 60_000 },
  trusted: false,
};

type Choices = Partial<Omit<ListenerOptions, 'listener' | 'limits' | 'shared' | 'intake'>> & {
  readonly listener?: Partial<ListenerSettings>;
  readonly limits?: Partial<LimitSettings>;
  readonly clock?: Clock;
};

export async function listenerUnderTest(choices: Choices = {}): Promise<ListenerUnderTest> {
  const limits = { ...roomyLimits, ...choices.limits };
  const clock = choices.clock ?? systemClock;
  const intake = new RecordingIntake();
  const rejected: ListenerUnderTest['rejected'] = [];
  const milestones: Milestone[] = [];
  const ignore = (): void => {};
  const observer: Observer = {
    event: (event) => void (event.event === 'rejected' && rejected.push(event)),
    info: ignore,
    warn: ignore,
    debug: ignore,
  };
  const listener = await startListener({
    hostname: 'relay.example',
    qualify: null,
    postmaster: null,
    trusted: ['127.0.0.0/8', '::1'],
    tls: null,
    observer,
    reached: (milestone) => milestones.push(milestone),
    ...choices,
    listener: { address: '127.0.0.1', port: 0, content: 'repair', tls: 'none', ...choices.listener },
    limits,
    clock,
    intake,
    shared: new SharedClientLimits(limits, clock),
  });
  onTestFinished(() => listener.close(0));
  return { listener, port: listener.port, intake, rejected, milestones };
}
