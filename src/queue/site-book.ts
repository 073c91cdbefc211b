// Which MX hosts take the mail of a domain, as this process learned it, and so which site the domain belongs to.
// Runs and site-lookup.ts put in what they found; placing and explaining ask, by the policy in force.
// Never looks anything up, and never the truth: what is forgotten can be found out again.
import type { Clock } from '../clock/clock.ts';
import type { Policy, Site } from '../policy/policy.ts';
import { domainSiteOf, siteOf } from '../policy/sites.ts';

/** Domains move from one host to another rarely, and then their old hosts still take mail for longer than this. */
const FRESH_MS = 10 * 60_000;

/** What could not be found out is tried again this soon: a name server that hangs must not be asked for each message. */
const UNKNOWN_MS = 60_000;

/** Some 10 MB at the most. The domain that was learned first is forgotten first. */
const MOST_DOMAINS = 50_000;

interface Learned {
  /** Names of the best-preference MX hosts; null: they cannot be found out. */
  readonly bestMx: readonly string[] | null;
  readonly at: number;
  /** The site by the policy that asked last: each message asks, and policies change rarely. */
  site: { readonly policy: Policy; readonly name: string } | null;
}

export class SiteBook {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #domains = new Map<string, Learned>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Null where a look-up failed: it takes nothing away from what is still known. */
  learned(domain: string, bestMx: readonly string[] | null): void {
    if (bestMx === null && this.#fresh(domain)) return;
    this.#domains.delete(domain);
    this.#domains.set(domain, { bestMx, at: this.#clock.now(), site: null });
    if (this.#domains.size <= MOST_DOMAINS) return;
    for (const oldest of this.#domains.keys()) {
      this.#domains.delete(oldest);
      break;
    }
  }

  /** The site's name; null: it cannot be found out; undefined: nobody looked lately. */
  nameOf(policy: Policy, domain: string): string | null | undefined {
    const learned = this.#fresh(domain);
    if (learned?.site?.policy === policy) return learned.site.name;
    const name = this.siteOf(policy, domain)?.name;
    if (name === undefined) return learned ? null : undefined;
    if (learned) learned.site = { policy, name };
    return name;
  }

  /** Null as long as the MX hosts are not known, unless the policy names the domain itself. */
  siteOf(policy: Policy, domain: string): Site | null {
    const bestMx = this.#fresh(domain)?.bestMx;
    return bestMx ? siteOf(policy, domain, bestMx) : domainSiteOf(policy, domain);
  }

  #fresh(domain: string): Learned | undefined {
    const learned = this.#domains.get(domain);
    if (!learned) return undefined;
    const age = this.#clock.now() - learned.at;
    // A clock that was set back must not keep what it learned for as long as it was wrong.
    const isFresh = age >= 0 && age < (learned.bestMx === null ? UNKNOWN_MS : FRESH_MS);
    return isFresh ? learned : undefined;
  }
}
