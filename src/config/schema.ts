// The keys of sendoff.yaml: their kinds, their defaults, and which of them wait for a later version.
// load.ts parses with it, overrides.ts finds the keys that variables name.
// Never looks at the machine: files, addresses and host names are checked in checks.ts.
import { isIP } from 'node:net';
import { z } from 'zod';
import {
  count,
  domain,
  duration,
  endpoint,
  ipAddress,
  listenPort,
  mailAddress,
  network,
  notYet,
  notYetUnless,
  oneOrMore,
  port,
  rate,
  section,
  size,
  text,
} from './fields.ts';
import { formatEndpoint, parseNetwork, reachesTooFar } from './network.ts';

const DNS_PORT = 53;

const usersComeLater = 'users come in a later version';

const listener = section({
  address: ipAddress().prefault('127.0.0.1'),
  port: listenPort(),
  content: z.enum(['repair', 'strict']).default('repair'),
  tls: z.enum(['none', 'starttls', 'implicit']).default('none'),
  auth: notYetUnless(
    z.enum(['none', 'optional', 'required']),
    (auth) => auth === 'none',
    usersComeLater,
  ).default('none'),
});

/** A network whose every host may send mail through us to anywhere. */
const trustedNetwork = network().refine(
  (text) => {
    const parsed = parseNetwork(text);
    return parsed !== null && !reachesTooFar(parsed);
  },
  {
    error: 'this network is too wide to be trusted: strangers could relay',
    params: {
      kind: 'value',
      hint: 'name your own networks; a public range may be a /16 at most (IPv6: /32)',
    },
  },
);

const dnsServer = endpoint()
  .refine(({ host }) => isIP(host) !== 0, {
    error: 'a DNS server is an IP address, with a port if it is not 53',
  })
  .transform(({ host, port }) => formatEndpoint(host, port ?? DNS_PORT));

const redisUrl = text().refine((url) => /^rediss?:$/.test(URL.parse(url)?.protocol ?? ''), {
  error: 'expected a URL such as redis://127.0.0.1:6379 (rediss:// with TLS)',
});

/** Every key of sendoff.yaml. Paths are as written; load.ts makes them absolute. */
export const settingsSchema = section({
  hostname: domain().optional(),
  postmaster: mailAddress().optional(),
  qualify: domain().optional(),
  data: text().default('./var'),
  shutdownTimeout: duration().prefault('30s'),
  listeners: z
    .array(listener)
    .min(1, { error: 'an empty list: nobody could hand in mail' })
    .prefault([{ port: 2525 }]),
  clients: section({
    trusted: z.array(trustedNetwork).prefault(['127.0.0.0/8', '::1']),
    users: notYet(usersComeLater),
  }).prefault({}),
  limits: section({
    messageSize: size().prefault('50MB'),
    recipients: count().default(1000),
    connections: count().default(2000),
    connectionsPerClient: count().default(50),
    messagesPerConnection: count().default(10_000),
    rate: rate().prefault('1000/minute'),
    trusted: z.boolean().default(false),
  }).prefault({}),
  tls: section({
    cert: text(),
    key: text(),
    minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
  }).optional(),
  redis: section({ url: redisUrl.optional() }).prefault({}),
  spool: section({
    kind: notYetUnless(z.enum(['disk', 'redis', 's3']), (kind) => kind === 'disk').default('disk'),
    minFree: size().optional(),
  }).prefault({}),
  dns: section({
    servers: oneOrMore(dnsServer).optional(),
    trustAd: notYetUnless(z.boolean(), (trust) => !trust).default(false),
  }).prefault({}),
  delivery: section({
    port: port().default(25),
    ip: z.literal(['both', 4, 6]).default('both'),
    processes: notYetUnless(
      z.literal('auto').or(count()),
      (processes) => processes === 1 || processes === 'auto',
      'one process delivers',
    ).default(1),
    connections: count().default(500),
    allowNetworks: z.array(network()).default([]),
    softBounce: z.boolean().default(false),
  }).prefault({}),
  policy: text().optional(),
  admin: section({
    address: ipAddress().prefault('127.0.0.1'),
    port: listenPort().default(2580),
    token: text().optional(),
  }).prefault({}),
  log: section({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
});

/** sendoff.yaml after parsing: every default filled in, quantities in ms and octets. */
export type SettingsData = z.output<typeof settingsSchema>;
