// What a policy costs: a Sendoff with sites, rates, quotas and fifty rules in force, and one without, in turn.
// `node bench/policed.ts [--rounds 5] [--scale 1]`; by a smarthost as in throughput.ts, then straight to MX hosts.
// Never a policy that holds mail up: every limit is far away, and each is counted all the same.
import { parseArgs } from 'node:util';
import { startDnsServer } from '../test/harness/dns-server.ts';
import { compare, contender, dismiss } from './contest.ts';
import type { Load } from './postfix-tools.ts';
import { relayTo, type SendoffSettings, startSendoff } from './sendoff.ts';

type PolicyFile = NonNullable<SendoffSettings['policy']>;

const load: Load = {
  name: '4 KB, 50 sessions kept open',
  size: 4096,
  sessions: 50,
  keepOpen: true,
  messages: 5000,
};

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, scale: { type: 'string', default: '1' } },
});
const rounds = Number(values.rounds);
const messages = Math.round(load.messages * Number(values.scale));

/** Conditions of all kinds but by header, which would keep header fields; none of them fits the load. */
const conditions: readonly ((n: number) => Readonly<Record<string, unknown>>)[] = [
  (n) => ({ to: [`d${n}.example`, `*.d${n}.example`] }),
  (n) => ({ from: `news${n}@example.net`, to: `list${n}.example` }),
  (n) => ({ client: `10.${n}.0.0/16` }),
  (n) => ({ size: `>${n + 10}MB` }),
  (n) => ({ from: 'bench.example', any: [{ to: `a${n}.example` }, { to: `b${n}.example` }] }),
];

const fiftyRules = Array.from({ length: 50 }, (_, n) => ({
  name: `rule ${n}`,
  when: conditions[n % conditions.length]?.(n),
  retry: { after: ['10m'] },
}));

/** The same routes with rates and quotas, named sites, quotas of senders, and the rules in front. */
function policed(plain: PolicyFile, route: string): PolicyFile {
  const routes = plain.routes as Readonly<Record<string, object>>;
  const limits = { rate: '100000/second', quota: ['10000000/hour', '100000000/day'] };
  return {
    routes: { ...routes, [route]: { ...routes[route], ...limits } },
    sites: {
      receiver: { mx: ['*.sink.example'], connections: 20, rate: '100000/second' },
      ...Object.fromEntries([1, 2, 3, 4].map((n) => [`other-${n}`, { mx: [`*.other-${n}.example`] }])),
      default: { connections: 20 },
    },
    quotas: [{ of: 'sender', max: '100000000/day', over: 'defer' }],
    rules: [...fiftyRules, ...(plain.rules as readonly object[])],
  };
}

const direct: PolicyFile = {
  routes: { direct: { via: 'mx', tls: 'none' } },
  sites: { default: { connections: 20 } },
  rules: [{ name: 'everything', route: 'direct' }],
};

/** Both in turn; `policyFor` and `settingsFor` get the port of the contender's own sink. */
async function pair(
  name: string,
  route: string,
  policyFor: (sinkPort: number) => PolicyFile,
  settingsFor: (sinkPort: number) => NonNullable<SendoffSettings['settings']>,
): Promise<void> {
  const start = (title: string, change: (policy: PolicyFile) => PolicyFile) =>
    contender(async (port) => {
      const options = { settings: settingsFor(port), policy: change(policyFor(port)) };
      return { ...(await startSendoff(options)), name: title };
    });
  const contenders = [
    await start('policed', (policy) => policed(policy, route)),
    await start('plain', (policy) => policy),
  ];
  await compare(contenders, { ...load, name: `${name}: ${load.name}`, messages }, rounds);
  await dismiss(contenders);
}

await pair('by a smarthost', 'sink', relayTo, () => ({}));
const dns = await startDnsServer();
dns.set('sink.example', { mx: [[10, 'mx.sink.example']], ttl: 3600 });
dns.set('mx.sink.example', { a: ['127.0.0.1'], ttl: 3600 });
await pair(
  'straight to MX hosts',
  'direct',
  () => direct,
  (port) => ({
    dns: { servers: [dns.address] },
    delivery: { port, allowNetworks: ['127.0.0.0/8'] },
  }),
);
await dns.close();
process.exit(0);
