// The policies of the policy soak: three that change places while mail is under way, and one that lets everything go.
// policy-soak.test.ts reloads them at random; soak-account.ts knows from them what must hold at the end.
// Never differ in what is fixed at acceptance: each recipient's address is foreseen whichever is in force.

type Section = Readonly<Record<string, unknown>>;

/** How many recipients an hour, or a day, may hear of something while limits hold. */
export const BUDGETS = { provider: 20, deferredSender: 15, warmup: 12 } as const;
/** Connections at a time, while limits hold. */
export const CONNECTIONS = { provider: 2, second: 3, big: 2, other: 3 } as const;
/** Opening hours of mail to office.one.example, UTC. */
export const OFFICE = { opens: 8, shuts: 18 } as const;

export interface Surroundings {
  /** `127.0.2.1:2525` */
  readonly providerHosts: readonly string[];
  readonly secondHost: string;
  /** Name of the MX host that makes the site `big`. */
  readonly bigMx: string;
  /** When the warm-up began. */
  readonly start: string;
}

export const SOURCES = {
  old: { address: '127.0.0.2', ehlo: 'old.example.net' },
  fresh: { address: '127.0.0.3', ehlo: 'fresh.example.net' },
} as const;

const fixed = [
  { name: 'archive', when: { from: 'copied.senders.example' }, copy: 'archive@archive.example' },
  {
    name: 'each',
    when: { from: 'each.senders.example' },
    copy: { to: 'each@archive.example', per: 'recipient' },
  },
  {
    name: 'edit',
    when: { from: 'edited.senders.example' },
    header: { add: { 'X-Relay': 'soak' }, remove: ['X-Internal'] },
  },
  { name: 'marked', when: { header: { 'X-Wait': 'yes' } }, tag: 'wait' },
  { name: 'staging', when: { to: 'redirected.example' }, redirect: 'qa@three.example' },
  { name: 'thrown away', when: { to: 'discarded.example' }, discard: true },
];

const reports = {
  name: 'reports',
  when: { from: '<>' },
  route: 'direct',
  retry: { after: ['1m'], expire: '60d' },
};
const quiet = { name: 'quiet', when: { from: 'quiet.senders.example' }, bounces: 'none' };
const office = {
  name: 'office',
  when: { to: 'office.one.example' },
  window: { hours: `0${OFFICE.opens}:00-${OFFICE.shuts}:00`, zone: 'UTC' },
};
const bySite = { name: 'big by the provider', when: { site: 'big' }, route: ['provider', 'second'] };
const byProvider = {
  name: 'one way only',
  when: { to: 'narrow.example' },
  route: 'provider',
  retry: 'short',
};
const marked = { name: 'waits', when: { tag: 'wait' }, hold: 'marked' };
const memory = { on: ['blocked', 'unreachable'], after: 1, siteAfter: 3, remember: '30m', canary: '10%' };
const priorities = (high: string, low: string) => [
  { name: 'first', when: { to: high }, priority: 'high' },
  { name: 'last', when: { to: low }, priority: 'low' },
];
const retry = {
  default: { after: ['1m', '5m', '20m'], expire: '12h', classes: { 'mailbox-full': { after: ['1h'] } } },
  short: { after: ['30s', '2m'], expire: '2h', attempts: 6 },
};
const budget = (max: number) => ({ max, per: 'hour', zone: 'UTC' });
const ofSenders = (name: string, max: number) => ({
  of: 'senderDomain',
  ...budget(max),
  for: `${name}.senders.example`,
});
const quotas = [
  { ...ofSenders('deferred', BUDGETS.deferredSender), over: 'defer' },
  { ...ofSenders('held', 10), over: 'hold' },
  { ...ofSenders('refused', 40), over: 'reject' },
];

function routes(around: Surroundings, weights: readonly [number, number] | null): Section {
  const [old = 1, fresh = 1] = weights ?? [];
  const sources = [
    { ...SOURCES.old, weight: old },
    { ...SOURCES.fresh, weight: fresh },
  ];
  return {
    direct: { via: 'mx', ...(weights && { sources }) },
    provider: {
      via: 'smarthost',
      hosts: around.providerHosts,
      choose: 'least-used',
      connections: CONNECTIONS.provider,
      rate: '60/second',
      quota: budget(BUDGETS.provider),
    },
    second: { via: 'smarthost', hosts: [around.secondHost], connections: CONNECTIONS.second },
  };
}

function sites({ bigMx }: Surroundings, connections: number): Section {
  const backoff = [
    { reply: '*go away*', suspend: '10m' },
    { reply: '*too many*', slow: 'half', for: '10m' },
  ];
  return {
    big: { mx: [bigMx], connections, connectionRate: '50/second', backoff },
    default: { connections: CONNECTIONS.other, rate: '200/second', messagesPerConnection: 20 },
  };
}

const warmup = ({ start }: Surroundings) => [
  { source: SOURCES.fresh.address, start, perDay: Array.from({ length: 60 }, () => BUDGETS.warmup) },
];

/** Those that change places. */
export function strictPolicies(around: Surroundings): readonly Section[] {
  const all = (route: string | readonly string[]) => ({ name: 'everything', route, fallback: memory });
  const usual = [...fixed, reports, quiet, office];
  return [
    {
      routes: routes(around, [3, 1]),
      retry,
      sites: sites(around, CONNECTIONS.big),
      warmup: warmup(around),
      quotas,
      rules: [
        ...usual,
        ...priorities('high.one.example', 'low.one.example'),
        marked,
        byProvider,
        bySite,
        all(['direct', 'provider', 'second']),
      ],
    },
    {
      routes: routes(around, [1, 3]),
      retry,
      sites: sites(around, 1),
      warmup: warmup(around),
      quotas: quotas.slice(0, 1),
      rules: [
        ...usual,
        ...priorities('low.one.example', 'two.example'),
        { ...byProvider, route: ['provider', 'second'] },
        { name: 'three is held', when: { to: 'three.example', not: { from: '<>' } }, hold: 'not yet' },
        { ...all(['direct', 'second']), retry: 'short' },
      ],
    },
    {
      routes: routes(around, null),
      retry: { ...retry, short: { after: '5m', expire: '1d' } },
      sites: sites(around, CONNECTIONS.big),
      quotas: quotas.slice(0, 2),
      rules: [...usual, marked, byProvider, { ...all(['second', 'direct']), priority: 'low' }],
    },
  ];
}

/** What lets everything go: no limit, no hold, no window, and time enough. */
export function freePolicy({ providerHosts, secondHost }: Surroundings): Section {
  const schedule = { after: ['1m'], expire: '60d', warn: [] };
  return {
    routes: {
      direct: { via: 'mx' },
      provider: { via: 'smarthost', hosts: providerHosts },
      second: { via: 'smarthost', hosts: [secondHost] },
    },
    retry: { default: schedule, short: schedule },
    rules: [
      ...fixed,
      { ...reports, retry: 'short' },
      { name: 'everything', route: ['direct', 'provider', 'second'] },
    ],
  };
}
