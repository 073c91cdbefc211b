// Doubts about a policy that is not wrong: rules that no mail reaches, routes and schedules that no rule takes.
// load-policy.ts turns them into warnings at their place in the file.
// Never refuses anything.
import type { Policy, Rule } from './policy.ts';
import { doubtsAboutRules, staysTrue } from './rule-doubts.ts';
import type { PolicyData } from './schema.ts';

export interface Doubt {
  readonly about: /** `keys` lead from the rule to what is meant. */
    | { readonly kind: 'rule'; readonly index: number; readonly keys?: readonly string[] }
    | { readonly kind: 'route'; readonly name: string }
    | { readonly kind: 'schedule'; readonly name: string }
    /** In the order of all files. */
    | { readonly kind: 'warmup' | 'quota'; readonly index: number }
    | { readonly kind: 'policy' };
  readonly message: string;
}

/** `data` is what the policy was made of: it still knows what conditions look at. */
export function doubtsAbout(policy: Policy, data: Pick<PolicyData, 'rules' | 'retry' | 'warmup'>): Doubt[] {
  return [
    ...doubtsAboutRules(policy, data.rules),
    ...openEnd(policy),
    ...unusedRoutes(policy),
    ...unusedSchedules(data),
    ...unusedWarmups(policy, data),
    ...idleQuotas(policy),
  ];
}

/** Only where somebody has written rules or routes: without them, the built-in rule is the policy. */
function openEnd(policy: Policy): Doubt[] {
  const hasLast = policy.rules.some((rule) => rule.when.length === 0 && staysTrue(rule));
  if (hasLast || (policy.rules.length === 0 && policy.routes.size === 1)) return [];
  const { ending } = policy.otherwise;
  const way = ending.kind === 'route' ? ending.routes.join(', ') : ending.kind;
  return [
    {
      about: { kind: 'policy' },
      message: `mail that no rule ends takes the route ${way}: say so in a last rule`,
    },
  ];
}

function unusedRoutes(policy: Policy): Doubt[] {
  const taken = new Set([...policy.rules, policy.otherwise].flatMap(routesOf));
  return [...policy.routes.keys()]
    .filter((name) => !taken.has(name))
    .map((name) => ({ about: { kind: 'route', name }, message: 'no rule takes this route' }));
}

function routesOf(rule: Rule): readonly string[] {
  return rule.ending?.kind === 'route' ? rule.ending.routes : [];
}

function unusedSchedules({ rules, retry }: Pick<PolicyData, 'rules' | 'retry'>): Doubt[] {
  const taken = new Set<unknown>(['default', ...rules.map((rule) => rule.retry)]);
  return Object.keys(retry)
    .filter((name) => !taken.has(name))
    .map((name) => ({ about: { kind: 'schedule', name }, message: 'no rule takes this schedule' }));
}

/** An address that no route leaves from, and one that another file warms up already. */
function unusedWarmups({ routes }: Policy, { warmup }: Pick<PolicyData, 'warmup'>): Doubt[] {
  const pools = [...routes.values()].flatMap((route) => (route.via === 'discard' ? [] : route.sources));
  const addresses = new Set(pools.map(({ address }) => address));
  return warmup.flatMap(({ source }, index) => {
    const isFirst = warmup.findIndex((one) => one.source === source) === index;
    if (isFirst && addresses.has(source)) return [];
    const why = isFirst
      ? `no route has the source ${source}`
      : `${source} is warmed up already: the first one counts`;
    return [{ about: { kind: 'warmup', index }, message: why }];
  });
}

/** Budgets that no mail comes under. */
function idleQuotas({ senderQuotas }: Policy): Doubt[] {
  return senderQuotas.flatMap((quota, index): Doubt[] => {
    const about = { kind: 'quota', index } as const;
    if (quota.of === 'user') return [{ about, message: 'never reached: nobody can log in in this version' }];
    const isOfNobody = quota.for?.patterns.every((pattern) => pattern === '<>') === true;
    return isOfNobody ? [{ about, message: 'never reached: the null sender has no quota' }] : [];
  });
}
