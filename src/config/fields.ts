// Kinds of values that keys may have, as zod types: durations, sizes, rates, networks, names.
// The schemas of sendoff.yaml and of the policy are made of them; issues.ts words their errors.
// Never reads a file, a name server or the environment.
import { isIP } from 'node:net';
import { z } from 'zod';
import {
  canonicalAddress,
  type Endpoint,
  formatNetwork,
  parseAddress,
  parseDomain,
  parseEndpoint,
  parseNetwork,
} from './network.ts';
import { closest } from './problem.ts';
import { parseDuration, parseRate, parseShare, parseSize } from './quantities.ts';

/** What issues.ts needs to know about an error of ours; travels through zod as `params`. */
export type Complaint =
  | {
      readonly kind: 'unknown-key';
      readonly known: readonly string[];
      readonly elsewhere: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'not-yet';
      /** `value`: the key is there, this value of it is not. */
      readonly what: 'key' | 'value';
      readonly reason: string | undefined;
    }
  | { readonly kind: 'value'; readonly hint?: string };

/**
 * A map with these keys and no others. Each unknown key is an error of its own, at its own place.
 * `elsewhere` says of keys that belong somewhere else where that is.
 */
export function section<S extends z.core.$ZodShape>(
  shape: S,
  elsewhere: Readonly<Record<string, string>> = {},
): z.ZodObject<S, z.core.$strict> {
  const complaint: Complaint = { kind: 'unknown-key', known: Object.keys(shape), elsewhere };
  const refuse = z.custom<never>(() => false, { params: complaint });
  return z.object(shape).catchall(refuse) as unknown as z.ZodObject<S, z.core.$strict>;
}

/** A key of the language that has no function yet: refused, so that nobody relies on it. */
export function notYet(reason?: string): z.ZodOptional<z.ZodCustom<undefined, undefined>> {
  const complaint: Complaint = { kind: 'not-yet', what: 'key', reason };
  return z.custom<undefined>((value) => value === undefined, { params: complaint }).optional();
}

/** A key some of whose values have no function yet. */
export function notYetUnless<T extends z.ZodType>(
  type: T,
  allowed: (value: z.output<T>) => boolean,
  reason?: string,
): T {
  const complaint: Complaint = { kind: 'not-yet', what: 'value', reason };
  return type.refine((value) => allowed(value as z.output<T>), { params: complaint });
}

/** One item or a list of them; always a list afterwards, never an empty one. */
export function oneOrMore<T extends z.ZodType>(item: T) {
  return z.preprocess(
    (value) => (Array.isArray(value) || value === undefined || value === null ? value : [value]),
    z.array(item).min(1, { error: 'an empty list' }),
  );
}

/** Text that `parse` understands, or an error that shows how it should look. */
export function parsed<T>(parse: (text: string) => T | null, expected: string) {
  return z.string({ error: () => `expected ${expected}` }).transform((text, context): T => {
    const value = parse(text.trim());
    if (value !== null) return value;
    context.addIssue({ code: 'custom', message: `"${shortened(text)}" is not ${expected}`, input: text });
    return z.NEVER;
  });
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** A name that must be one of `known`. */
export function reference(kind: string, known: readonly string[]) {
  return text().superRefine((name, context) => {
    if (known.includes(name)) return;
    const meant = closest(name, known);
    const params: Complaint =
      meant === undefined ? { kind: 'value' } : { kind: 'value', hint: `did you mean ${meant}?` };
    context.addIssue({ code: 'custom', message: `there is no ${kind} "${name}"`, params });
  });
}

/** Milliseconds. */
export const duration = () => parsed(parseDuration, 'a duration such as 30s, 5m, 4h or 2d');

/** Milliseconds, more than none. */
export const interval = () => duration().refine((ms) => ms > 0, { error: 'must be longer than nothing' });

/** Octets. */
export const size = () =>
  z
    .union([z.string(), z.int().nonnegative().transform(String)], {
      error: () => 'expected a size such as 50MB or 1GB',
    })
    .pipe(parsed(parseSize, 'a size such as 50MB or 1GB'));

export const rate = () => parsed(parseRate, 'a rate such as 10/second or 300/minute');

/** 0 to 1. */
export const share = () => parsed(parseShare, 'a share such as 1% or 0.5%');

/** The canonical text `address/prefix`. */
export const network = () =>
  parsed((text) => {
    const found = parseNetwork(text);
    return found === null ? null : formatNetwork(found);
  }, 'an IP address or a network such as 10.0.0.0/8');

export const ipAddress = () => parsed((text) => (isIP(text) === 0 ? null : text), 'an IP address');

/** One of the machine's; in one spelling, so that it is known again wherever it is named. */
export const ownAddress = () => parsed(canonicalAddress, 'an IP address');

export const domain = () => parsed(parseDomain, 'a domain such as example.net');

/** `user@domain`, the domain as A-labels. */
export const mailAddress = () => parsed(parseAddress, 'a mail address such as ops@example.net');

/** `host` or `host:port`, the port null when it is left out. */
export const endpoint = () =>
  parsed((text): Endpoint | null => parseEndpoint(text), 'a host such as mail.example.net:587');

export const port = () => portFrom(1);

/** A port to listen on; 0 lets the system choose a free one. */
export const listenPort = () => portFrom(0);

function portFrom(lowest: number) {
  return z
    .int({ error: 'expected a port number' })
    .min(lowest, { error: `a port is ${lowest} to 65535` })
    .max(65_535, { error: `a port is ${lowest} to 65535` });
}

/** How many of something; zero of it would be a door that is shut. */
export const count = () => z.int({ error: 'expected a whole number' }).min(1, { error: 'must be 1 or more' });

export const text = () => z.string().trim().min(1, { error: 'must not be empty' });
