// The keys of `auth` of a smarthost route: three ways to log in, one of which a route takes.
// route-schema.ts puts it into a route, and hands over the route's hosts.
// Never a login that would show a secret to the wire unasked.
import { z } from 'zod';
import { parsed, port, section, text } from '../config/fields.ts';
import { isLoopback, parseEndpoint } from '../config/network.ts';
import type { PopServer, RouteAuth } from './auth.ts';
import type { SmarthostAddress } from './policy.ts';
import { tokenUrls } from './token-urls.ts';

/** POP3 over TLS from the first octet (RFC 8314 §3.1, §7.1). */
const POP3S_PORT = 995;

const password = () => z.string().min(1, { error: 'must not be empty' });

const oauth2 = section({
  clientId: text(),
  clientSecret: text(),
  refreshToken: text(),
  tokenUrl: parsed(parseTokenUrl, 'an https:// address').optional(),
});

/** In clear only to this machine: the request carries all that a thief of the account needs. */
function parseTokenUrl(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.username !== '' || url.password !== '') return null;
  const isHere = url.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
  return url.protocol === 'https:' || isHere ? url.href : null;
}

/** A control character would end the command that it stands in (RFC 1939 §3). */
const ofOneLine = /^[\x20-\x7e\u00a0-\uffff]+$/;

/** The port is a key of its own. */
function parseHost(text: string): string | null {
  const endpoint = parseEndpoint(text);
  return endpoint?.port === null ? endpoint.host : null;
}

const popBeforeSmtp = section({
  host: parsed(parseHost, 'a host such as pop.example.net'),
  port: port().default(POP3S_PORT),
  user: text().regex(/^[\x21-\x7e\u00a1-\uffff]+$/, { error: 'must have no spaces or control characters' }),
  password: password().regex(ofOneLine, { error: 'must have no control characters' }),
  tls: z.enum(['none', 'opportunistic', 'required', 'verified']).optional(),
  cleartext: z.boolean().default(false),
})
  .superRefine(({ tls, port, cleartext }, context) => {
    const refuse = (message: string): void => context.addIssue({ code: 'custom', path: ['tls'], message });
    if (tls !== 'none') return;
    if (port === POP3S_PORT) refuse(`port ${POP3S_PORT} is TLS from the start`);
    else if (!cleartext) refuse('a login without TLS needs `cleartext: true`');
  })
  .transform(
    ({ tls, ...server }): PopServer => ({
      ...server,
      implicitTls: server.port === POP3S_PORT,
      tls: tls ?? (server.cleartext ? 'opportunistic' : 'verified'),
    }),
  );

export const auth = section({
  user: text().optional(),
  password: password().optional(),
  cleartext: z.boolean().optional(),
  oauth2: oauth2.optional(),
  popBeforeSmtp: popBeforeSmtp.optional(),
});

export type AuthData = z.output<typeof auth>;

type Hosts = readonly SmarthostAddress[];

/** With a password, with tokens, or with a login elsewhere: one of the three. */
export function checkAuth(data: AuthData, hosts: Hosts, context: z.RefinementCtx): void {
  const refuse = (path: readonly string[], message: string): void =>
    context.addIssue({ code: 'custom', path: ['auth', ...path], message });
  const { user, password, oauth2, popBeforeSmtp } = data;
  if (popBeforeSmtp !== undefined) {
    for (const key of ['user', 'password', 'cleartext', 'oauth2'] as const)
      if (data[key] !== undefined) refuse([key], 'the login is the one in `popBeforeSmtp`: it belongs there');
    return;
  }
  if (user === undefined) refuse(['user'], 'is missing');
  if (password === undefined && oauth2 === undefined) refuse(['password'], 'is missing');
  if (password !== undefined && oauth2 !== undefined)
    refuse(['oauth2'], 'the login has a `password` already: one of the two');
  if (oauth2 !== undefined && oauth2.tokenUrl === undefined && tokenUrlOf(hosts) === undefined)
    refuse(['oauth2', 'tokenUrl'], 'is missing: this provider’s token server is not known');
}

/** Whether something secret goes to the hosts themselves, which they may take inside TLS only. */
export function needsTls({ popBeforeSmtp, cleartext = false }: AuthData): boolean {
  return popBeforeSmtp === undefined && !cleartext;
}

/** What checkAuth found nothing wrong with. */
export function authOf(data: AuthData, hosts: Hosts): RouteAuth {
  const { user = '', cleartext = false, password = '', oauth2, popBeforeSmtp } = data;
  if (popBeforeSmtp !== undefined) return { kind: 'pop', popBeforeSmtp };
  if (oauth2 === undefined) return { kind: 'password', user, password, cleartext };
  const { tokenUrl = tokenUrlOf(hosts) ?? '', ...client } = oauth2;
  return { kind: 'oauth2', user, cleartext, oauth2: { ...client, tokenUrl } };
}

/** By the first host: all hosts of a route belong to one provider. */
function tokenUrlOf(hosts: Hosts): string | undefined {
  return tokenUrls.get(hosts[0]?.host ?? '');
}
