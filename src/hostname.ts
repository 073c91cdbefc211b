// Whether the daemon's own name will do for those whom it sends mail to.
// parts.ts asks at the start, when settings and policy are known.
// Never looks the name up: what others see of it is their business.
import type { Policy, Route } from './policy/policy.ts';

/** Words for an alarm, or null. A name without a dot is no EHLO name: many MX hosts refuse it (RFC 5321 §4.1.1.1, §2.3.5). */
export function hostnameTrouble(hostname: string, policy: Policy): string | null {
  const routes = [...policy.rules, policy.otherwise].flatMap(({ ending }) =>
    ending?.kind === 'route' ? ending.routes : [],
  );
  const direct = routes.find((route) => saysHostname(policy.routes.get(route)));
  if (hostname.includes('.') || direct === undefined) return null;
  return `hostname is "${hostname}", without a dot; MX hosts (route ${direct}) may refuse mail from it: set hostname`;
}

/** To MX hosts; where each of its addresses has a name of its own, a route never does. */
function saysHostname(route: Route | undefined): boolean {
  if (route?.via !== 'mx') return false;
  return route.sources.length === 0 || route.sources.some(({ ehlo }) => ehlo === null);
}
