// What a rule gives, in the words of the policy file.
// evaluate.ts puts it into traces; explanations, listings and diffs of policies show it.
// Never says what a rule is for: its conditions have their own words.
import { formatDuration, formatShare } from '../config/quantities.ts';
import { hoursText } from './hours.ts';
import type { Bounces, Fallback, Rule, RuleEnding } from './policy.ts';

/** Each setting of the language has its line here, or in `fixedOf`. */
export function settingsOf(rule: Rule): string[] {
  const { ending, retry, fallback, priority, window, bounces, warn } = rule;
  const gave: (string | null)[] = [
    ending === undefined ? null : endingText(ending),
    retry === undefined ? null : `retry ${retry.name}`,
    fallback === undefined ? null : fallbackText(fallback),
    priority === undefined ? null : `priority ${priority}`,
    window === undefined ? null : `window ${hoursText(window)}`,
    bounces === undefined ? null : `bounces to ${bouncesText(bounces)}`,
    warn === undefined ? null : `warn ${warn.map(formatDuration).join(', ') || 'never'}`,
  ];
  return gave.filter((one) => one !== null);
}

/** What a rule gives once, when the mail is accepted. */
export function fixedOf({ tags, header, copy }: Rule): string[] {
  const gave: (string | null)[] = [
    tags === undefined ? null : `tag ${tags.join(', ')}`,
    header === undefined ? null : `header ${headerText(header)}`,
    copy === undefined ? null : `copy to ${copy.to}, once a ${copy.per}`,
  ];
  return gave.filter((one) => one !== null);
}

function headerText({ add, remove }: NonNullable<Rule['header']>): string {
  return [...add.map(({ name }) => `+${name}`), ...remove.map((name) => `-${name}`)].join(', ');
}

function fallbackText({ on, after, memory }: Fallback): string {
  const text = `fallback on ${[...on].join(', ')} after ${after}`;
  if (memory === undefined) return text;
  const { siteAfter, remember, canary } = memory;
  const share = canary === 0 ? '' : `, canary ${formatShare(canary)}`;
  return `${text}, site after ${siteAfter} for ${formatDuration(remember)}${share}`;
}

/** How a rule ends: `route direct, provider`, `reject 550 5.1.2`, `hold: too big`. */
export function endingText(ending: RuleEnding): string {
  switch (ending.kind) {
    case 'route':
      return `route ${ending.routes.join(', ')}`;
    case 'reject':
      return `reject ${ending.reply.code} ${ending.reply.enhanced}`;
    case 'hold':
      return `hold: ${ending.reason}`;
    case 'discard':
      return 'discard';
    case 'redirect':
      return `redirect to ${ending.to}`;
  }
}

/** `sender`, `nobody`, or the address. */
export function bouncesText(bounces: Bounces): string {
  return bounces.to === 'address' ? bounces.address : bounces.to;
}
