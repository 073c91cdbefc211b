// What a rule does, as `check --print` shows it: in the keys of the policy file.
// printable.ts puts it beside the rule's conditions, its schedule and its fallback.
// Never leaves one out: a setting that is in force is shown.
import { hoursText } from '../policy/hours.ts';
import type { Bounces, Rule, RuleEnding } from '../policy/policy.ts';
import { formatDuration } from './quantities.ts';

type Printable = Readonly<Record<string, unknown>>;

export function printableEnding(ending: RuleEnding): Printable {
  switch (ending.kind) {
    case 'route':
      return { route: ending.routes };
    case 'reject':
      return { reject: ending.reply };
    case 'hold':
      return { hold: ending.reason };
    case 'discard':
      return { discard: true };
    case 'redirect':
      return { redirect: ending.to };
  }
}

export function printableActions(rule: Rule): Printable {
  const { priority, window, bounces, warn, tags, header, copy } = rule;
  return {
    ...(copy !== undefined && { copy }),
    ...(header !== undefined && { header }),
    ...(tags !== undefined && { tag: tags }),
    ...(priority !== undefined && { priority }),
    ...(window !== undefined && { window: hoursText(window) }),
    ...(bounces !== undefined && { bounces: printableBounces(bounces) }),
    ...(warn !== undefined && { warn: warn.map(formatDuration) }),
  };
}

function printableBounces(bounces: Bounces): string {
  if (bounces.to === 'address') return bounces.address;
  return bounces.to === 'nobody' ? 'none' : bounces.to;
}
