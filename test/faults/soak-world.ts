// What surrounds the daemon of the policy soak: Redis, peers with moods, and the policies that change places.
// policy-soak.test.ts makes one; world.ts has the folder and the DNS of it.
// Never lets two peers share an address.
import { Chance } from '../harness/random.ts';
import { startRedis } from '../harness/redis.ts';
import type { Peer } from '../harness/smtp-peer.ts';
import { Disturbances } from './soak-disturbances.ts';
import { Moods } from './soak-moods.ts';
import { CONNECTIONS, SOURCES, strictPolicies } from './soak-policies.ts';
import { DOMAINS } from './soak-traffic.ts';
import { makeWorld, type World } from './world.ts';

const DAY = 24 * 60 * 60_000;

/** Peers by name; `old` is where nobody's mail may come: that of redirected and discarded recipients. */
async function makePeers(world: World, moods: Moods) {
  const at = (address: string, name: string, domains: readonly string[], moody = true, maxConnections = 50) =>
    world.neighbour(address, domains, { script: moods.script(name, moody), maxConnections });
  return {
    one: await at('127.0.1.1', 'one', ['one.example', '*.one.example']),
    big: await at('127.0.1.2', 'big', ['two.example']),
    three: await at('127.0.1.3', 'three', ['three.example', 'narrow.example', 'archive.example'], true, 4),
    old: await at('127.0.1.4', 'old', ['redirected.example', 'discarded.example']),
    postbox: await at('127.0.1.9', 'postbox', ['senders.example', '*.senders.example'], false),
    firstHost: await at('127.0.2.1', 'provider', []),
    otherHost: await at('127.0.2.2', 'provider', []),
    second: await at('127.0.2.3', 'second', []),
  };
}

type Peers = Awaited<ReturnType<typeof makePeers>>;

/** How many connections each limit allows. A site counts each address of ours by itself. */
function watched(moods: Moods, { firstHost, otherHost, second, ...direct }: Peers): Map<string, number> {
  const limits = new Map<string, number>();
  const watch = (name: string, allowed: number, open: () => number): void => {
    limits.set(name, allowed);
    moods.watch(name, open);
  };
  watch('provider', CONNECTIONS.provider, () => firstHost.connectionsOpen + otherHost.connectionsOpen);
  watch('second', CONNECTIONS.second, () => second.connectionsOpen);
  const { big, ...others } = direct;
  for (const client of ['127.0.0.1', SOURCES.old.address, SOURCES.fresh.address]) {
    const from = (peer: Peer) => (): number => peer.connectionsFrom.get(client) ?? 0;
    watch(`big from ${client}`, CONNECTIONS.big, from(big));
    for (const [name, peer] of Object.entries(others)) {
      watch(`${name} from ${client}`, CONNECTIONS.other, from(peer));
    }
  }
  return limits;
}

export async function makeSoak(seed: number) {
  const redis = await startRedis();
  const world = await makeWorld({
    policy: {},
    settings: { shutdownTimeout: '1s', redis: { url: redis.url } },
  });
  const moods = new Moods(new Chance(seed));
  const peers = await makePeers(world, moods);
  const limits = watched(moods, peers);
  const host = ({ address, port }: Peer): string => `${address}:${port}`;
  const around = {
    providerHosts: [host(peers.firstHost), host(peers.otherHost)],
    secondHost: host(peers.second),
    bigMx: 'mx-127-0-1-2.hosts.test',
    start: new Date(Date.now() - DAY).toISOString().slice(0, 10),
  };
  const disturbances = new Disturbances(new Chance(seed + 1), {
    redis,
    peers: Object.values(peers),
    domains: DOMAINS.filter((domain) => !/^(?:redirected|discarded)/.test(domain)),
    policies: strictPolicies(around),
    start: (offset, policy) => world.start({ offset, policy }),
  });
  const dropConnections = (): void => {
    for (const peer of Object.values(peers)) peer.dropConnections();
  };
  return { moods, peers, around, disturbances, limits, dropConnections };
}

export type Soak = Awaited<ReturnType<typeof makeSoak>>;
