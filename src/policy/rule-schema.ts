// The keys of a rule: what it looks at and what it does.
// schema.ts puts rules into the policy; compile.ts makes conditions and endings of them.
// Never evaluates: what a rule means for one mail is evaluate.ts's business.
import { z } from 'zod';
import { count, interval, oneOrMore, reference, section, share, text } from '../config/fields.ts';
import { type FailureClass, failureClasses } from '../delivery/failure.ts';
import { endings, settings } from './action-schema.ts';
import { conditions } from './condition-schema.ts';
import { schedule } from './retry-schema.ts';
import { neverFallsBack } from './routing.ts';

/** Names that other keys may refer to, from all files of one policy. */
export interface KnownNames {
  readonly routes: readonly string[];
  readonly schedules: readonly string[];
}

const when = z.union([z.literal('any'), conditions], { error: 'expected `any` or a map of conditions' });

const reject = section({
  code: z
    .int()
    .refine((code) => /^[45][0-5]\d$/.test(String(code)), { error: 'a reply code is 400 to 559' })
    .default(550),
  enhanced: z
    .string()
    .regex(/^[45]\.\d{1,3}\.\d{1,3}$/, { error: 'expected an enhanced status such as 5.7.1' })
    .optional(),
  text: z
    .string()
    // RFC 5321 §4.5.3.1.5: a reply line is at most 512 octets, codes and CRLF included.
    .regex(/^[\x20-\x7e]{1,400}$/, { error: 'expected one line of ASCII text' })
    .default('Rejected by policy'),
}).refine(({ code, enhanced }) => enhanced === undefined || enhanced[0] === String(code)[0], {
  error: '`code` and `enhanced` must begin with the same digit (RFC 3463 §2)',
  path: ['enhanced'],
});

const mendable = (failure: FailureClass): boolean => !neverFallsBack.has(failure);

const fallback = section({
  on: z
    .literal('any')
    .transform((): FailureClass[] => failureClasses.filter(mendable))
    .or(oneOrMore(z.enum(failureClasses).refine(mendable, { error: 'this class never falls back' })))
    .optional(),
  after: count().optional(),
  // A row of failures is kept in memory, for each site that fails.
  siteAfter: count().max(1000, { error: 'must be 1000 or less' }).optional(),
  remember: interval().optional(),
  canary: share().optional(),
});

/** One of them ends a rule. */
const endingKeys = ['route', 'reject', ...(Object.keys(endings) as (keyof typeof endings)[])] as const;

/** At least one key of a rule must do something. */
const actionKeys = [
  ...endingKeys,
  'retry',
  'fallback',
  ...(Object.keys(settings) as (keyof typeof settings)[]),
] as const;

export function ruleSchema(names: KnownNames) {
  const routes = oneOrMore(reference('route', names.routes)).refine(
    (list) => new Set(list).size === list.length,
    { error: 'the same route twice' },
  );
  const underWhen = 'it belongs under `when`';
  return section(
    {
      name: text().optional(),
      when: when.optional(),
      route: routes.optional(),
      reject: reject.optional(),
      retry: z.union([reference('retry schedule', names.schedules), schedule]).optional(),
      fallback: fallback.optional(),
      ...endings,
      ...settings,
    },
    Object.fromEntries(Object.keys(conditions.shape).map((key) => [key, underWhen])),
  ).superRefine((rule, context) => {
    const ends = endingKeys.filter((key) => rule[key] !== undefined).map((key) => `\`${key}\``);
    if (ends.length > 1) {
      context.addIssue({ code: 'custom', message: `a rule ends in one way: ${ends.join(' or ')}` });
    }
    if (actionKeys.every((key) => rule[key] === undefined)) {
      context.addIssue({ code: 'custom', message: 'this rule does nothing' });
    }
  });
}

export type RuleData = z.output<ReturnType<typeof ruleSchema>>;
