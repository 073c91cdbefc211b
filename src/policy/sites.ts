// Which site a recipient domain belongs to: a named one of the policy, or the one its MX hosts make.
// queue/ asks once it knows a domain's MX; limits of direct mail belong to the answer.
// Never looks anything up: the MX names are handed in.
import type { Policy, Site } from './policy.ts';

/**
 * The site of `domain`, whose best-preference MX hosts are `bestMx` (lower case, any order; empty when
 * nobody knows them). A rule that names the domain stands above one that names its MX; among equals the
 * first in the policy holds. A domain that no rule names shares a site with all whose best hosts are the same.
 */
export function siteOf(policy: Policy, domain: string, bestMx: readonly string[]): Site {
  const byMx = policy.siteRules.find((rule) => bestMx.some((host) => rule.matchesMx(host)));
  return (
    domainSiteOf(policy, domain) ?? byMx?.site ?? { ...policy.defaultSite, name: siteName(domain, bestMx) }
  );
}

/** The site that names the domain itself: known without a look at its MX hosts. */
export function domainSiteOf(policy: Policy, domain: string): Site | null {
  return policy.siteRules.find((rule) => rule.matchesDomain(domain))?.site ?? null;
}

/** The site that `siteOf` named so. */
export function siteNamed(policy: Policy, name: string): Site {
  const named = policy.siteRules.find(({ site }) => site.name === name);
  return named?.site ?? { ...policy.defaultSite, name };
}

/** Stable for the same hosts in any order. Named sites have no dot in their names, so the two never meet. */
function siteName(domain: string, bestMx: readonly string[]): string {
  return bestMx.length === 0 ? domain : [...new Set(bestMx)].sort().join(',');
}
