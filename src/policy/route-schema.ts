// The keys of a route: how mail leaves, by which hosts, with which login and limits.
// schema.ts puts routes into the policy; compile.ts fills in what depends on other keys.
// Never looks a host up.
import { z } from 'zod';
import {
  count,
  domain,
  interval,
  oneOrMore,
  ownAddress,
  parsed,
  rate,
  reference,
  section,
  text,
} from '../config/fields.ts';
import { parseEndpoint } from '../config/network.ts';
import { auth, authOf, checkAuth, needsTls } from './auth-schema.ts';
import type { HostOrder, KnownServices, SmarthostAddress } from './policy.ts';
import { routeQuotas } from './quota-schema.ts';

/** Submission (RFC 6409 §3.1) and submission over implicit TLS (RFC 8314 §3.3): what providers offer. */
const SUBMISSION_PORT = 587;
const SUBMISSIONS_PORT = 465;

function parseSmarthost(text: string): SmarthostAddress | null {
  const parts = /^(?:(smtps?):\/\/)?([^/]+)\/?$/i.exec(text);
  const endpoint = parseEndpoint(parts?.[2] ?? '');
  if (parts === null || endpoint === null) return null;
  const implicitTls = parts[1]?.toLowerCase() === 'smtps';
  return {
    ...endpoint,
    port: endpoint.port ?? (implicitTls ? SUBMISSIONS_PORT : SUBMISSION_PORT),
    implicitTls,
    weight: 1,
  };
}

const smarthostAddress = parsed(
  parseSmarthost,
  'a host such as mail.example.net:587 or smtps://mail.example.net:465',
);

/** A host, or one with its share of the connections. */
const smarthost = z.union([
  smarthostAddress,
  section({ host: smarthostAddress, weight: count() }).transform(({ host, weight }) => ({ ...host, weight })),
]);

function checkSources(sources: readonly { readonly address: string }[], context: z.RefinementCtx): void {
  sources.forEach(({ address }, index) => {
    if (sources.findIndex((one) => one.address === address) === index) return;
    const message = 'this address is in the list already';
    context.addIssue({ code: 'custom', path: [index, 'address'], message });
  });
}

const limits = {
  sources: z
    .array(section({ address: ownAddress(), ehlo: domain().optional(), weight: count().default(1) }))
    .superRefine(checkSources)
    .default([]),
  tls: z.enum(['none', 'opportunistic', 'required', 'verified']).optional(),
  connections: count().optional(),
  messagesPerConnection: count().optional(),
  recipients: count().default(50),
  connectTimeout: interval().prefault('60s'),
  rate: rate().optional(),
  quota: routeQuotas.default([]),
  softBounce: z.boolean().optional(),
};

const onlyForSmarthosts = 'only a route `via: smarthost` has it';

const mxRoute = section(
  { via: z.literal('mx'), displayName: text().optional(), ...limits },
  {
    hosts: onlyForSmarthosts,
    auth: onlyForSmarthosts,
    service: onlyForSmarthosts,
    choose: onlyForSmarthosts,
  },
);

/** A provider's name as people write it: `Gmail`, `Google Mail`. */
function service(services: KnownServices) {
  const spelled = text().transform((name) => name.toLowerCase().replaceAll(' ', ''));
  return spelled.pipe(reference('service', [...services.keys()]));
}

function smarthostRoute(services: KnownServices) {
  return section({
    via: z.literal('smarthost'),
    displayName: text().optional(),
    hosts: oneOrMore(smarthost).optional(),
    service: service(services).optional(),
    choose: z.enum(['in-order', 'weighted', 'least-used']).default('in-order'),
    auth: auth.optional(),
    ...limits,
  })
    .superRefine((route, context) => {
      const refuse = (key: string, message: string): void =>
        context.addIssue({ code: 'custom', path: [key], message });
      if (route.hosts !== undefined && route.service !== undefined)
        refuse('service', 'the hosts are named in `hosts` already: one of the two');
      if (route.hosts === undefined && route.service === undefined)
        refuse('hosts', 'is missing: a list of hosts, or `service` with the name of a provider');
      const hosts = hostsOf(route, services);
      checkHosts(hosts, route.choose, context);
      if (route.auth !== undefined) checkAuth(route.auth, hosts, context);
      if (route.tls !== 'none') return;
      if (hosts.some((host) => host.implicitTls)) refuse('tls', '`tls: none` contradicts TLS from the start');
      if (route.auth && needsTls(route.auth))
        refuse('tls', 'a login without TLS needs `auth.cleartext: true`');
    })
    .transform(({ service, auth, ...route }) => {
      const hosts = hostsOf({ hosts: route.hosts, service }, services);
      return {
        ...route,
        hosts,
        auth: auth === undefined ? null : authOf(auth, hosts),
        // What the list says of a provider's TLS is how it begins; that it is verified is our doing.
        tls: route.tls ?? (service === undefined ? undefined : ('verified' as const)),
      };
    });
}

function hostsOf(
  { hosts, service }: { hosts?: SmarthostAddress[] | undefined; service?: string | undefined },
  services: KnownServices,
): readonly SmarthostAddress[] {
  const known = service === undefined ? undefined : services.get(service);
  return hosts ?? (known === undefined ? [] : [known]);
}

function checkHosts(hosts: readonly SmarthostAddress[], choose: HostOrder, context: z.RefinementCtx): void {
  const same = (a: SmarthostAddress, b: SmarthostAddress): boolean => a.host === b.host && a.port === b.port;
  hosts.forEach((host, index) => {
    const refuse = (message: string, ...key: string[]): void =>
      context.addIssue({ code: 'custom', path: ['hosts', index, ...key], message });
    if (hosts.findIndex((other) => same(host, other)) < index) refuse('this host is in the list already');
    if (host.weight !== 1 && choose !== 'weighted')
      refuse('has a meaning with `choose: weighted` alone', 'weight');
  });
}

const discardRoute = section({ via: z.literal('discard'), displayName: text().optional() });

/** A route; `services` are the providers that it may name. */
export function routeSchema(services: KnownServices) {
  return z.discriminatedUnion('via', [mxRoute, smarthostRoute(services), discardRoute]);
}

export type RouteData = z.output<ReturnType<typeof routeSchema>>;
