// Which host of a smarthost route is next: in order, by weight or the least used, without those at rest.
// delivery.ts keeps one for all routes; approach.ts asks for hosts and tells how they did.
// Never forgets a host because the policy was read again; never leaves a route without a host to try.
import { formatEndpoint } from '../config/network.ts';
import type { SmarthostAddress, SmarthostRoute } from '../policy/policy.ts';
import type { Failure } from './failure.ts';
import { failed, fresh, mayBeTried, restsUntil, type Standing, taken, unprobed } from './standing.ts';

/** What is known of one host of one route. Lost with the process: three attempts find it out again. */
interface Host {
  /** As the policy has it now: its weight may change. */
  address: SmarthostAddress;
  standing: Standing;
  /** Sessions that are open. */
  open: number;
  /** Number of the choice that took it last. */
  lastTaken: number;
  /** What it is owed by weight (smooth weighted round robin): 3 to 1 is a a b a. */
  credit: number;
}

/** One host in the hands of one walk, which tells how it went. */
export interface HostUse {
  /** A session with it is open. */
  opened(): void;
  /** The session is closed. */
  closed(): void;
  succeeded(): void;
  /** Counts once a walk, and only what is the host's doing. */
  failed(failure: Failure): void;
  /** No more of its addresses will be tried. */
  left(): void;
}

export interface ChosenHost {
  readonly host: Pick<SmarthostAddress, 'host' | 'port' | 'implicitTls'>;
  /** Null: nobody keeps a memory of it. */
  readonly use: HostUse | null;
}

/** The hosts of one walk, each once; null when none is left. */
export type NextHost = () => ChosenHost | null;

export class Smarthosts {
  readonly #now: () => number;
  readonly #routes = new Map<string, ReadonlyMap<string, Host>>();
  #choices = 0;

  /** `now`: ms since the epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Begins a walk over the route's hosts. */
  walk(route: SmarthostRoute): NextHost {
    const left = new Set(this.#hostsOf(route));
    let isFirst = true;
    return () => {
      const host = this.#choose(route, [...left], isFirst);
      isFirst = false;
      if (!host) return null;
      left.delete(host);
      return { host: host.address, use: this.#use(host) };
    };
  }

  /** Those of the route as it is now; what stays in the list keeps what is known of it. */
  #hostsOf({ name, hosts }: SmarthostRoute): Host[] {
    const known = this.#routes.get(name);
    const all = new Map(
      hosts.map((address): [string, Host] => {
        const key = `${address.implicitTls ? 'smtps' : 'smtp'}://${formatEndpoint(address.host, address.port)}`;
        const host = known?.get(key) ?? { address, standing: fresh, open: 0, lastTaken: 0, credit: 0 };
        host.address = address;
        return [key, host];
      }),
    );
    this.#routes.set(name, all);
    return [...all.values()];
  }

  #choose(route: SmarthostRoute, left: readonly Host[], isFirst: boolean): Host | null {
    const now = this.#now();
    const able = left.filter(({ standing }) => mayBeTried(standing, now));
    const host = able.length > 0 ? best(route, able) : isFirst ? soonest(left) : null;
    if (!host) return null;
    host.lastTaken = ++this.#choices;
    return host;
  }

  #use(host: Host): HostUse {
    const now = this.#now;
    const isProbe = host.standing.kind !== 'up';
    host.standing = taken(host.standing);
    let open = 0;
    let told: 'nothing' | 'success' | 'failure' = 'nothing';
    const left = (): void => {
      if (isProbe && told === 'nothing' && open === 0) host.standing = unprobed(host.standing, now());
    };
    return {
      opened() {
        open++;
        host.open++;
      },
      closed() {
        open--;
        host.open--;
        left();
      },
      succeeded() {
        told = 'success';
        host.standing = fresh;
      },
      failed(failure) {
        // Our network, a stop, a refused login or token: the host is none the worse for it.
        if (failure.ours || failure.aborted || told === 'failure') return;
        const probed = isProbe && told === 'nothing';
        told = 'failure';
        host.standing = failed(host.standing, probed, now());
      },
      left,
    };
  }
}

function best({ choose }: SmarthostRoute, able: readonly Host[]): Host | null {
  switch (choose) {
    case 'in-order':
      return able[0] ?? null;
    case 'weighted':
      return heaviest(able);
    case 'least-used':
      return first(able, (a, b) => a.open - b.open || a.lastTaken - b.lastTaken);
  }
}

/** With all at rest, the one whose rest ends first. */
function soonest(hosts: readonly Host[]): Host | null {
  return first(hosts, (a, b) => restsUntil(a.standing) - restsUntil(b.standing) || a.lastTaken - b.lastTaken);
}

/** Everyone is owed their weight; who is owed most is taken and pays for all. */
function heaviest(able: readonly Host[]): Host | null {
  for (const host of able) host.credit += host.address.weight;
  const host = first(able, (a, b) => b.credit - a.credit);
  if (host) host.credit -= able.reduce((sum, { address }) => sum + address.weight, 0);
  return host;
}

/** Of equals, the one that is listed first. */
function first(hosts: readonly Host[], compare: (a: Host, b: Host) => number): Host | null {
  const [start, ...rest] = hosts;
  if (!start) return null;
  return rest.reduce((best, host) => (compare(host, best) < 0 ? host : best), start);
}
