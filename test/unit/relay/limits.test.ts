import { describe, expect, it } from 'vitest';
import type { LimitSettings } from '../../../src/config/settings.ts';
import { SharedClientLimits } from '../../../src/relay/limits.ts';
import { MovableClock } from '../../harness/clock.ts';

const settings: LimitSettings = {
  messageSize: 1000,
  recipients: 10,
  connections: 3,
  connectionsPerClient: 2,
  messagesPerConnection: 10,
  rate: { count: 5, per: 60_000 },
  trusted: false,
};

describe('connections', () => {
  it('are counted for each client and in all, until they are released', () => {
    const limits = new SharedClientLimits(settings, new MovableClock());
    const first = limits.admit('192.0.2.1', false);
    expect(first.admitted && limits.admit('192.0.2.1', false).admitted).toBe(true);
    expect(limits.admit('192.0.2.1', false)).toMatchObject({ reply: { code: 421, enhanced: '4.7.0' } });
    expect(limits.admit('192.0.2.2', false).admitted).toBe(true);
    expect(limits.admit('192.0.2.3', false)).toMatchObject({ reply: { code: 421, enhanced: '4.3.2' } });
    if (first.admitted) {
      first.release();
      first.release();
    }
    expect(limits.admit('192.0.2.3', false).admitted).toBe(true);
    expect(limits.admit('192.0.2.1', false).admitted).toBe(false);
  });

  it('of trusted clients are limited in all only', () => {
    const limits = new SharedClientLimits(settings, new MovableClock());
    const admitted = [1, 2, 3, 4].map(() => limits.admit('127.0.0.1', true).admitted);
    expect(admitted).toEqual([true, true, true, false]);
  });

  it('of trusted clients are limited too when the settings say so', () => {
    const limits = new SharedClientLimits({ ...settings, trusted: true }, new MovableClock());
    const admitted = [1, 2, 3].map(() => limits.admit('127.0.0.1', true).admitted);
    expect(admitted).toEqual([true, true, false]);
  });
});

describe('the rate of messages', () => {
  it('allows a burst, then paces, for each client', () => {
    const clock = new MovableClock();
    const limits = new SharedClientLimits(settings, clock);
    const take = (client = '192.0.2.1'): boolean => limits.takeMessage(client, false) === null;
    expect([1, 2, 3, 4, 5].map(() => take())).toEqual([true, true, true, true, true]);
    expect(limits.takeMessage('192.0.2.1', false)).toMatchObject({ code: 450, enhanced: '4.7.1' });
    expect(take('192.0.2.2')).toBe(true);
    clock.advance(12_000);
    expect([take(), take()]).toEqual([true, false]);
    clock.advance(600_000);
    expect([1, 2, 3, 4, 5, 6].map(() => take())).toEqual([true, true, true, true, true, false]);
  });

  it('forgets clients that rested', () => {
    const clock = new MovableClock();
    const limits = new SharedClientLimits(settings, clock);
    for (let i = 0; i < 20_000; i++) limits.takeMessage(`client ${i}`, false);
    expect(limits.clientsOnRecord).toBe(20_000);
    clock.advance(60_000);
    for (let i = 0; i < 10_001; i++) limits.takeMessage(`other ${i}`, false);
    expect(limits.clientsOnRecord).toBeLessThan(20_000);
  });

  it('does not hold for trusted clients', () => {
    const limits = new SharedClientLimits(settings, new MovableClock());
    expect([1, 2, 3, 4, 5, 6].every(() => limits.takeMessage('127.0.0.1', true) === null)).toBe(true);
  });
});
