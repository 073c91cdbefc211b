// The keys of a route: how mail leaves, by which hosts, with which login and limits.
// schema.ts puts routes into the policy; compile.ts fills in what depends on other keys.
// Never looks a host up.
import { z } from 'zod';
import {
  count,
  domain,
  interval,
  ipAddress,
  notYet,
  oneOrMore,
  parsed,
  section,
  text,
} from '../config/fields.ts';
import { parseEndpoint } from '../config/network.ts';
import type { SmarthostAddress } from './policy.ts';

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
  };
}

const limits = {
  sources: z
    .array(section({ address: ipAddress(), ehlo: domain().optional(), weight: count().default(1) }))
    .default([]),
  tls: z.enum(['none', 'opportunistic', 'required', 'verified']).optional(),
  connections: count().optional(),
  messagesPerConnection: count().optional(),
  recipients: count().default(50),
  connectTimeout: interval().prefault('60s'),
  rate: notYet(),
  quota: notYet(),
  softBounce: notYet(),
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

const auth = section({
  user: text(),
  password: z.string().min(1, { error: 'must not be empty' }),
  cleartext: z.boolean().default(false),
  oauth2: notYet(),
  popBeforeSmtp: notYet(),
});

const smarthostRoute = section({
  via: z.literal('smarthost'),
  displayName: text().optional(),
  hosts: oneOrMore(
    parsed(parseSmarthost, 'a host such as mail.example.net:587 or smtps://mail.example.net:465'),
  ),
  auth: auth.optional(),
  ...limits,
  service: notYet(),
  choose: notYet(),
}).superRefine((route, context) => {
  if (route.tls !== 'none') return;
  const refuse = (message: string) => context.addIssue({ code: 'custom', path: ['tls'], message });
  if (route.hosts.some((host) => host.implicitTls)) refuse('`tls: none` contradicts smtps://');
  if (route.auth?.cleartext === false) refuse('a login without TLS needs `auth.cleartext: true`');
});

const discardRoute = section({ via: z.literal('discard'), displayName: text().optional() });

export const route = z.discriminatedUnion('via', [mxRoute, smarthostRoute, discardRoute]);

export type RouteData = z.output<typeof route>;
