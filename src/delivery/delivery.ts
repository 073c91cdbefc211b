// Delivery as the queue sees it: a plan of hosts for a destination, and an approach to them.
// daemon.ts makes it; queue/ uses it; hosts.ts, approach.ts and connection.ts do the work.
// Never touches the spool, the queue or the schedule.
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Random } from '../clock/random.ts';
import type { Resolver } from '../dns/resolver.ts';
import type { Observer } from '../observe/events.ts';
import { addressFilter } from './addresses.ts';
import { HostWalk } from './approach.ts';
import { type Listener, mxPlan, smarthostPlan } from './hosts.ts';
import { PopLogins } from './pop-logins.ts';
import type { Delivery, HostPlan, PlannedHost } from './session.ts';
import { type NextHost, Smarthosts } from './smarthosts.ts';
import { TlsManners } from './tls.ts';
import { type GrantBook, Tokens } from './tokens.ts';

export interface DeliverySettings {
  /** Name for EHLO where a source has none, and ours in MX lists. */
  readonly hostname: string;
  /** Port of MX hosts. */
  readonly port: number;
  readonly ip: 'both' | 4 | 6;
  /** Networks (CIDR) that an MX may point to though they are not the Internet's. */
  readonly allowNetworks: readonly string[];
  /** Our listeners: an MX host at one of them is ourselves. */
  readonly ownAddresses: () => readonly Listener[];
  /** An authority to trust besides the system's, PEM. */
  readonly ca?: string;
}

export interface DeliveryParts {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
  readonly reached: ReachMilestone;
  readonly settings: DeliverySettings;
  /** Where the tokens of OAuth2 logins are kept. */
  readonly grants: GrantBook;
}

export function createDelivery({ settings, grants, ...parts }: DeliveryParts): Delivery {
  const { hostname, port } = settings;
  const tlsManners = new TlsManners(settings.ca);
  const mayGoTo = addressFilter(settings.allowNetworks);
  const smarthosts = new Smarthosts(() => parts.clock.now());
  const tokens = new Tokens(parts.clock, grants);
  const popLogins = new PopLogins({ ...parts, tlsManners });
  const ourselves = { hostname, listeners: settings.ownAddresses };
  const planFor = (domain: string, signal: AbortSignal): Promise<HostPlan> =>
    mxPlan(domain, port, parts.resolver, parts.random, ourselves, signal);
  return {
    async plan(route, domain, signal) {
      return route.via === 'smarthost' ? smarthostPlan(route) : planFor(domain ?? '', signal);
    },
    async bestMx(domain, signal) {
      const plan = await planFor(domain, signal);
      return plan.kind === 'hosts' ? plan.bestMx : null;
    },
    approach: (route, plan, site, source) =>
      new HostWalk({
        ...parts,
        route,
        source,
        nextHost: route.via === 'smarthost' ? smarthosts.walk(route) : inTurn(plan.hosts),
        ip: site?.ip ?? settings.ip,
        hostname,
        mayGoTo,
        tlsManners,
        tokens,
        popLogins,
      }),
  };
}

/** MX hosts have their order from the DNS, and are remembered by nobody: other mail has other ones. */
function inTurn(hosts: readonly PlannedHost[]): NextHost {
  const left = hosts.values();
  return () => {
    const host = left.next().value;
    return host === undefined ? null : { host, use: null };
  };
}
