// Other addresses in the From field of a message on its way in (RFC 5322 §3.6.2).
// queue/content.ts puts it before completion.ts where the policy rewrites senders.
// Never touches anything but the octets of such an address: names, comments and folds stay.
import { addressesIn } from './address-list.ts';
import type { Address } from './envelope.ts';
import { FieldFilter } from './field-filter.ts';
import { parsePath } from './path.ts';

/** What stands in the place of an address; null: it stays. */
export type AddressRewrite = (address: Address) => Address | null;

/** A message has one (RFC 5322 §3.6). Of one that has thousands, the first few are looked at: each takes its time. */
const MOST_FIELDS = 3;

export function fromRewriting(rewrite: AddressRewrite): FieldFilter {
  let left = MOST_FIELDS;
  return new FieldFilter({
    fateOf: (name) => (name === 'from' && left-- > 0 ? 'replace' : 'pass'),
    replace: (field) => rewriteAddresses(field, rewrite),
  });
}

/** `field`: name, colon and value, folded or not. The same buffer when nothing is to be changed. */
export function rewriteAddresses(field: Buffer, rewrite: AddressRewrite): Buffer {
  const text = field.toString('latin1');
  const value = text.indexOf(':') + 1;
  let out = '';
  let done = 0;
  for (const { address, start, end } of addressesIn(text.slice(value))) {
    // Octets above 127 are UTF-8, if they are anything (RFC 6532 §3.2).
    const path = parsePath(`<${Buffer.from(address, 'latin1').toString('utf8')}>`);
    const other = path.kind === 'address' ? rewrite(path.address) : null;
    if (other === null) continue;
    out += text.slice(done, value + start) + other;
    done = value + end;
  }
  return done === 0 ? field : Buffer.from(out + text.slice(done), 'latin1');
}
