// The keys of a policy file: routes, retry schedules, sites and rules, and those that come later.
// load-policy.ts parses each file with it; compile.ts makes the result into a Policy.
// Never merges: what one key inherits from another is compile.ts's business.
import { z } from 'zod';
import { section } from '../config/fields.ts';
import type { KnownServices } from './policy.ts';
import { senderQuota } from './quota-schema.ts';
import { schedule } from './retry-schema.ts';
import { rewrite } from './rewrite-schema.ts';
import { routeSchema } from './route-schema.ts';
import { type KnownNames, ruleSchema } from './rule-schema.ts';
import { sites } from './site-schema.ts';
import { testSchema } from './test-schema.ts';
import { warmups } from './warmup-schema.ts';

/** Route names stand in keys before a space, in metrics and in logs. */
const routeName = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]*$/, { error: 'a name is letters, digits, `-`, `_` and `.`' });

/** One file of a policy. References are checked against the names of all files, and the providers' names. */
export function policySchema(names: KnownNames, services: KnownServices = new Map()) {
  return section({
    routes: z.record(routeName, routeSchema(services)).default({}),
    retry: z.record(z.string().regex(/^\S+$/, { error: 'a name has no spaces' }), schedule).default({}),
    sites: sites.default({}),
    rules: z.array(ruleSchema(names)).default([]),
    warmup: warmups.default([]),
    quotas: z.array(senderQuota).default([]),
    rewrite: rewrite.default({ senders: [], recipients: [] }),
    tests: z.array(testSchema(names)).default([]),
  });
}

/** One file of a policy after parsing: quantities in ms, patterns parsed, nothing merged. */
export type PolicyData = z.output<ReturnType<typeof policySchema>>;
