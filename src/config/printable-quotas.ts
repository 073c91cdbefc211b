// Quotas as `check --print` shows them: in the long form, so that nothing is left to guess.
// printable.ts puts them into routes and into the policy.
// Never shows more than the file says.
import type { Quota, SenderQuota } from '../policy/quota.ts';
import type { Warmup } from '../policy/warmup.ts';
import { formatDuration } from './quantities.ts';

export function printableQuota({ max, window, count }: Quota): Readonly<Record<string, unknown>> {
  if (window.kind === 'rolling')
    return { max, per: formatDuration(window.length), window: window.kind, count };
  return { max, per: window.unit, window: window.kind, count, zone: window.zone };
}

export function printableSenderQuota(quota: SenderQuota): Readonly<Record<string, unknown>> {
  const { of, over, for: senders } = quota;
  return { of, ...printableQuota(quota), over, ...(senders && { for: senders.patterns }) };
}

export function printableWarmup({ start, days }: Warmup): Readonly<Record<string, unknown>> {
  return { start, perDay: days.map(({ quota }) => quota.max) };
}
