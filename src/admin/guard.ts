// Who may ask: the checks that every admin request passes before anything looks at it.
// server.ts calls it first; loopback alone, Host and Origin, then the token.
// Never lets a browser page speak for the operator, and never compares a token character by character.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { isLoopback } from '../config/network.ts';

const wildcards = new Set(['0.0.0.0', '::']);

/** What a request is measured against. */
export interface GuardOptions {
  /** The address that the server listens on. */
  readonly address: string;
  readonly token: string | null;
  /** Further names of this machine; they count only beyond loopback. */
  readonly names: readonly string[];
}

export interface Refusal {
  readonly status: 401 | 403;
  readonly error: string;
}

/**
 * Null: the request may pass. `open` paths need no token.
 * Browsers send Host and Origin truthfully, so a page of somebody else shows itself there: a name that
 * was rebound to this machine in Host, a cross-site request in Origin.
 */
export function refuse(headers: IncomingHttpHeaders, open: boolean, options: GuardOptions): Refusal | null {
  const host = headers.host;
  if (host === undefined || !isOwnHost(hostName(host), options)) {
    return {
      status: 403,
      error: `Host: ${JSON.stringify(host ?? '')} is not a name or address of this daemon`,
    };
  }
  const { origin, authorization } = headers;
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) {
    return { status: 403, error: `Origin: ${JSON.stringify(origin)} may not use this interface` };
  }
  if (open || options.token === null || bearerMatches(authorization, options.token)) return null;
  return { status: 401, error: 'Authorization: the token (admin.token) is missing or wrong' };
}

/** The name or address in a Host field, without port and brackets (RFC 9110 §7.2). */
function hostName(host: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(host);
  if (bracketed?.[1] !== undefined) return bracketed[1].toLowerCase();
  return host.replace(/:\d*$/, '').toLowerCase();
}

function isOwnHost(name: string, { address, names }: GuardOptions): boolean {
  if (isLoopback(name) || name === address.toLowerCase()) return true;
  if (isLoopback(address)) return false;
  // An address in Host cannot have been rebound: there was no name to resolve.
  if (wildcards.has(address) && isIP(name) !== 0) return true;
  return names.some((own) => own.toLowerCase() === name);
}

/** Compares digests, so that neither length nor common prefix shows in the time it takes. */
function bearerMatches(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
