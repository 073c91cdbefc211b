// Doubts about a policy that is not wrong: rules that no mail reaches, routes that no rule takes.
// load-policy.ts turns them into warnings at their place in the file.
// Never refuses anything.
import type { Policy, Rule } from './policy.ts';

export interface Doubt {
  readonly about:
    | { readonly kind: 'rule'; readonly index: number }
    | { readonly kind: 'route'; readonly name: string }
    | { readonly kind: 'policy' };
  readonly message: string;
}

export function doubtsAbout(policy: Policy): Doubt[] {
  const last = policy.rules.findIndex((rule) => rule.ending !== undefined && rule.when.length === 0);
  return [...unreachedRules(policy.rules, last), ...openEnd(policy, last), ...unusedRoutes(policy)];
}

function unreachedRules(rules: readonly Rule[], last: number): Doubt[] {
  if (last < 0) return [];
  return rules.slice(last + 1).map((_, index) => ({
    about: { kind: 'rule', index: last + 1 + index },
    message: `no mail comes here: the rule "${rules[last]?.name}" ends for every mail`,
  }));
}

/** Only where somebody has written rules or routes: without them, the built-in rule is the policy. */
function openEnd(policy: Policy, last: number): Doubt[] {
  if (last >= 0 || (policy.rules.length === 0 && policy.routes.size === 1)) return [];
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
