// What a request says, checked: filters, limits, changes and mail as operations take them.
// api.ts hands in raw queries and bodies and gets values or a BadRequest.
// Never guesses: what is unknown, repeated or of a wrong type is refused by its name.
import { isAbsolute } from 'node:path';
import { domainToASCII } from 'node:url';
import * as z from 'zod';
import { headerOf } from '../mail/field-text.ts';
import type { QueueChange, QueueFilter } from '../operations/operations.ts';
import type { MailFacts } from '../policy/policy.ts';

export const queueChanges = [
  'retry',
  'hold',
  'release',
  'remove',
  'bounce',
] as const satisfies readonly QueueChange[];

/** The client's mistake; the message names the field. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';
  readonly statusCode = 400;
}

/** Entries in a listing when the request does not say: a screen or four. */
const DEFAULT_LIMIT = 100;
/** At most this many a request: some MB of JSON, and some tens of ms of the daemon's time. */
const HIGHEST_LIMIT = 10_000;
/** A reason ends up in the log and in every listing: a few lines are enough. */
export const LONGEST_REASON = 500;

const filterShape = {
  id: z.string().min(1).optional(),
  domain: z.string().min(1).transform(normalDomain).optional(),
  sender: z.string().transform(normalAddress).optional(),
  route: z.string().min(1).optional(),
  site: z.string().min(1).optional(),
};

const limit = z.coerce.number().int().min(1).max(HIGHEST_LIMIT).default(DEFAULT_LIMIT);
const listing = z.strictObject({ ...filterShape, limit });
const page = z.strictObject({ limit });

const reroute = z.strictObject({ ...filterShape, to: z.string().min(1) });
const change = z.strictObject({ ...filterShape, reason: z.string().max(LONGEST_REASON).optional() });

const policyDiff = z.strictObject({
  file: z.string().refine(isAbsolute, 'an absolute path, as the daemon sees it'),
});

const address = z.string().transform(normalAddress);
const recipient = z.string().min(1).transform(normalAddress);
const mail = z.strictObject({
  from: address,
  to: z.union([recipient, z.array(recipient).min(1)]).transform((to) => (typeof to === 'string' ? [to] : to)),
  route: z.string().min(1).optional(),
});

const headerField = z.union([z.string().transform((one) => [one]), z.array(z.string())]);

const mailFacts = z.strictObject({
  from: address.refine((text) => text === '' || isWhole(text), 'an address with a domain, or <>'),
  to: recipient.refine(isWhole, 'an address with a domain'),
  header: headerField
    .transform((fields, context) => {
      const read = headerOf(fields);
      if ('header' in read) return read.header;
      context.addIssue({ code: 'custom', message: 'fields such as `Subject: Minutes`' });
      return z.NEVER;
    })
    .optional(),
  user: z.string().min(1).optional(),
  client: z.union([z.ipv4(), z.ipv6()]).optional(),
  size: z.coerce.number().int().min(0).optional(),
});

function isWhole(text: string): boolean {
  return /^.+@[^@]+$/.test(text);
}

export function parseListing(query: unknown): { readonly filter: QueueFilter; readonly limit: number } {
  const { limit, ...filter } = parse(listing, query);
  return { filter: given(filter), limit };
}

export function parseLimit(query: unknown): number {
  return parse(page, query).limit;
}

/** An empty filter would mean the whole queue: refused. */
export function parseChange(body: unknown): { readonly filter: QueueFilter; readonly reason: string | null } {
  const { reason, ...parts } = parse(change, body ?? {});
  return { filter: requireFilter(given(parts)), reason: reason ?? null };
}

export function parseReroute(body: unknown): { readonly filter: QueueFilter; readonly to: string } {
  const { to, ...parts } = parse(reroute, body ?? {});
  return { filter: requireFilter(given(parts)), to };
}

function requireFilter(filter: QueueFilter): QueueFilter {
  if (Object.keys(filter).length > 0) return filter;
  throw new BadRequest(`filter: give at least one of ${Object.keys(filterShape).join(', ')}`);
}

export function parseMail(query: unknown): {
  readonly from: string;
  readonly to: readonly string[];
  readonly route?: string;
} {
  const { from, to, route } = parse(mail, query);
  return route === undefined ? { from, to } : { from, to, route };
}

/** Absolute: the daemon stands in a folder of its own. */
export function parsePolicyDiff(body: unknown): string {
  return parse(policyDiff, body ?? {}).file;
}

/** One recipient of one message that is not here. `size` in octets, `header` once for each field. */
export function parseMailFacts(query: unknown): MailFacts {
  const { header, user, client, size, ...mail } = parse(mailFacts, query);
  return {
    ...mail,
    ...(header !== undefined && { header }),
    ...(user !== undefined && { user }),
    ...(client !== undefined && { client }),
    ...(size !== undefined && { size }),
  };
}

export function parseChangeName(name: string): QueueChange | null {
  return queueChanges.find((known) => known === name) ?? null;
}

export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const wrong = result.error.issues.map((issue) => {
    const field = issue.path.join('.');
    return field === '' ? issue.message : `${field}: ${issue.message}`;
  });
  throw new BadRequest(wrong.join('; '));
}

/** Without the parts that were not given: `exactOptionalPropertyTypes` tells them apart. */
function given(filter: { readonly [part in keyof QueueFilter]: string | undefined }): QueueFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

/** Lower case, A-labels: the form in which the queue keeps domains. */
export function normalDomain(domain: string): string {
  return domainToASCII(domain) || domain.toLowerCase();
}

/** `<>` and the empty string are the null sender; the local part keeps its case. */
function normalAddress(text: string): string {
  const bare = /^<(.*)>$/.exec(text)?.[1] ?? text;
  const at = bare.lastIndexOf('@');
  return at < 0 ? bare : `${bare.slice(0, at)}@${normalDomain(bare.slice(at + 1))}`;
}
