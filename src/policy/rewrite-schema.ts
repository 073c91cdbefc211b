// The keys of `rewrite`: which addresses become others at acceptance.
// schema.ts puts the section into the policy; rewrite.ts makes tables of its entries.
// Never looks for loops: an alias of one file may lead to one of another, load-policy.ts sees them all.
import { z } from 'zod';
import { oneOrMore, parsed, section } from '../config/fields.ts';
import { parseAddress, parseDomain } from '../config/network.ts';
import { parseAddressPattern } from './match.ts';
import type { RewriteEntry, RewriteTarget } from './rewrite.ts';

const target = parsed(
  parseTarget,
  'an address such as ann@example.net, or *@example.net for the same name there',
);

function parseTarget(text: string): RewriteTarget | null {
  const at = text.lastIndexOf('@');
  if (text.startsWith('*@')) {
    const domain = parseDomain(text.slice(2));
    return domain === null ? null : { local: null, domain };
  }
  const address = parseAddress(text);
  return address === null ? null : { local: text.slice(0, at), domain: address.slice(at + 1) };
}

/** `*@d` is what `d` is: here it stands beside a target that is written so. */
function parsePattern(text: string): RewriteEntry['pattern'] | null {
  const pattern = parseAddressPattern(text.startsWith('*@') ? text.slice(2) : text);
  return pattern === null || pattern.kind === 'null-sender' ? null : pattern;
}

/** A map from patterns to targets. */
function table<T extends z.ZodType<readonly RewriteTarget[]>>(targets: T) {
  return z.record(z.string(), targets).transform((map, context): RewriteEntry[] =>
    Object.entries(map).flatMap(([written, targets]) => {
      const pattern = parsePattern(written.trim());
      if (pattern !== null) return [{ pattern, targets, written }];
      const message =
        written === '<>'
          ? 'the null sender stays what it is'
          : 'not an address, a domain, *.domain or user@*';
      context.addIssue({ code: 'custom', path: [written], message });
      return [];
    }),
  );
}

/** In the order in which they are done. */
export const rewrite = section({
  senders: table(target.transform((one) => [one])).default([]),
  recipients: table(oneOrMore(target)).default([]),
});
