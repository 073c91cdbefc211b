// The keys of a site: which mail goes there, its limits, and what its replies mean for all of it.
// schema.ts puts sites into the policy; compile-sites.ts merges them with those that ship.
// Never looks a host up.
import { z } from 'zod';
import { count, interval, oneOrMore, parsed, rate, section, text } from '../config/fields.ts';
import { parseShare } from '../config/quantities.ts';
import { parseGlob } from './glob.ts';
import { parseDomainPattern } from './match.ts';
import { providers } from './providers.ts';

/** No dots: names made of MX hosts have them. */
const siteName = z.string().regex(/^[A-Za-z0-9][\w-]*$/, { error: 'a name is letters, digits, `-` and `_`' });

const domainPattern = parsed(parseDomainPattern, 'a name such as example.net or *.example.net');

/** What is left of connections and rates: more than nothing, less than all. */
const slowness = parsed((written) => {
  const part = written === 'half' ? 0.5 : (parseShare(written) ?? 0);
  return part > 0 && part < 1 ? part : null;
}, '`half` or a share such as 25%');

const backoffRule = section({
  reply: text().transform(parseGlob),
  suspend: interval().optional(),
  slow: slowness.optional(),
  for: interval().optional(),
}).superRefine(({ suspend, slow, for: time }, context) => {
  const refuse = (path: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [path], message });
  if (suspend === undefined && slow === undefined)
    refuse('reply', 'does nothing: `suspend` with a time, or `slow` and `for`');
  if (suspend !== undefined && slow !== undefined)
    refuse('slow', 'a suspended site gets no mail at all: one of the two');
  if (slow !== undefined && time === undefined) refuse('for', 'is missing: how long to go slow');
  if (slow === undefined && time !== undefined)
    refuse('for', 'goes with `slow`: `suspend` is the time itself');
});

export const site = section({
  mx: oneOrMore(domainPattern).optional(),
  domains: oneOrMore(domainPattern).optional(),
  connections: count().optional(),
  rate: rate().optional(),
  connectionRate: rate().optional(),
  messagesPerConnection: count().optional(),
  ip: z.literal([4, 6]).optional(),
  backoff: z.array(backoffRule).optional(),
});

export const sites = z.record(siteName, site).superRefine((named, context) => {
  for (const [name, { mx, domains }] of Object.entries(named)) {
    const says = mx !== undefined || domains !== undefined;
    if (says === (name !== 'default')) continue;
    // Those of the site that ships under this name.
    if (!says && Object.hasOwn(providers, name)) continue;
    const message = says
      ? 'every other domain is in it: `mx` and `domains` have no place here'
      : 'needs `mx` or `domains`';
    context.addIssue({ code: 'custom', path: [name], message });
  }
});

export type SiteData = z.output<typeof site>;
export type BackoffData = z.output<typeof backoffRule>;
