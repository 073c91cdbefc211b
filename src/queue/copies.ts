// Copies of a message that rules ask for: one more recipient each.
// acceptance.ts puts them behind the recipients of the message; their entries are quiet.
// Never a copy of a copy: rules are not asked what they would add to one.
import type { Address } from '../mail/envelope.ts';
import type { HeaderEdit } from '../mail/header-edit.ts';
import type { Copy } from '../policy/policy.ts';

/** A recipient, and the copies that rules want of its mail. */
export interface Copied {
  readonly to: Address;
  /** The address that the rules looked at. */
  readonly looked: Address;
  readonly copies: readonly Copy[];
}

export interface CopyRecipient {
  readonly to: Address;
  /** Of a copy for each recipient: a field that tells whose it is. */
  readonly edit: HeaderEdit | null;
}

/**
 * `per: message` is one copy however many recipients' rules ask for it. An address that gets the message anyway
 * gets no copy.
 */
export function copiesOf(recipients: readonly Copied[]): CopyRecipient[] {
  if (recipients.every(({ copies }) => copies.length === 0)) return [];
  const taken = new Set(recipients.map(({ to }) => to.toLowerCase()));
  const copies = new Map<string, CopyRecipient>();
  for (const { looked, copies: wanted } of recipients) {
    for (const { to, per } of wanted) {
      const address = to.toLowerCase();
      if (taken.has(address)) continue;
      const edit = per === 'recipient' ? originalTo(looked) : null;
      const key = per === 'recipient' ? `${address} ${looked}` : address;
      if (!copies.has(key)) copies.set(key, { to, edit });
    }
  }
  return [...copies.values()];
}

/** The name that Postfix made common for it. */
function originalTo(address: Address): HeaderEdit {
  return { add: [{ name: 'X-Original-To', value: address }], remove: ['x-original-to'] };
}
