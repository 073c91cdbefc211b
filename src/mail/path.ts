// Reverse paths and forward paths as MAIL and RCPT carry them, in their normal form (RFC 5321 §4.1.2).
// relay/ reads commands with it, operations/send.ts what an operator types; everybody behind them relies on the form.
// Never judges who may use an address, only whether it is one.
import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import type { Address } from './envelope.ts';

export type Path =
  | { readonly kind: 'null' }
  | { readonly kind: 'address'; readonly address: Address }
  /** No domain: `<root>`, `<Postmaster>`. */
  | { readonly kind: 'unqualified'; readonly local: string }
  /** `utf8`: the local part has no ASCII form (RFC 6531 §3.5). */
  | { readonly kind: 'bad'; readonly why: 'syntax' | 'too-long' | 'utf8' };

/** RFC 5321 §4.5.3.1.1 to §4.5.3.1.3, in octets. */
const LOCAL_PART_LIMIT = 64;
const DOMAIN_LIMIT = 255;
/** With the angle brackets. */
const PATH_LIMIT = 256;
/** RFC 1035 §2.3.4. */
const LABEL_LIMIT = 63;

const DOT_STRING = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*$/;
/** Underscores are no host name, but domains that take mail have them. */
const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$/;
/** RFC 5321 appendix C: must be accepted, should be ignored. */
const SOURCE_ROUTE = /^@[^\s,:@]+(,@[^\s,:@]+)*:/;
const NOT_ASCII = /[^\0-\x7f]/;
const NOT_PRINTABLE = /[^ -~]/;

const bad = (why: 'syntax' | 'too-long' | 'utf8'): Path => ({ kind: 'bad', why });

/**
 * Where the path at the start of `text` ends: after its `>`, or at the first space when it has no
 * brackets (many programs leave them out). -1 when a bracket or a quote is open.
 */
export function pathEnd(text: string): number {
  if (!text.startsWith('<')) {
    const space = text.search(/[ \t]/);
    return space < 0 ? text.length : space;
  }
  let quoted = false;
  for (let i = 1; i < text.length; i++) {
    const character = text[i];
    if (quoted && character === '\\') i++;
    else if (character === '"') quoted = !quoted;
    else if (character === '>' && !quoted) return i + 1;
  }
  return -1;
}

/** `text`: the path with or without brackets, decoded as UTF-8. */
export function parsePath(text: string): Path {
  const bracketed = text.startsWith('<') && text.endsWith('>');
  if (!bracketed && /^$|[<>]/.test(text)) return bad('syntax');
  const mailbox = (bracketed ? text.slice(1, -1) : text).replace(SOURCE_ROUTE, '');
  if (mailbox === '') return { kind: 'null' };
  const at = localPartEnd(mailbox);
  const local = normalLocalPart(mailbox.slice(0, at));
  if (typeof local !== 'string') return local;
  if (at === mailbox.length) return { kind: 'unqualified', local };
  const domain = normalDomain(mailbox.slice(at + 1));
  if (domain === null) return bad('syntax');
  const address = `${local}@${domain}`;
  if (domain.length > DOMAIN_LIMIT || address.length + 2 > PATH_LIMIT) return bad('too-long');
  return { kind: 'address', address };
}

/** Index of the `@` after the local part, or the length when there is none. */
function localPartEnd(mailbox: string): number {
  let quoted = false;
  for (let i = 0; i < mailbox.length; i++) {
    const character = mailbox[i];
    if (quoted && character === '\\') i++;
    else if (character === '"') quoted = !quoted;
    else if (character === '@' && !quoted) return i;
  }
  return mailbox.length;
}

function normalLocalPart(text: string): string | Path {
  if (NOT_ASCII.test(text)) return bad('utf8');
  const local = DOT_STRING.test(text) ? text : requoted(text);
  if (local === null) return bad('syntax');
  return local.length > LOCAL_PART_LIMIT ? bad('too-long') : local;
}

/** A quoted local part equals the plain one when it needs no quotes (RFC 5321 §4.1.2): then it loses them. */
function requoted(text: string): string | null {
  if (NOT_PRINTABLE.test(text) || !/^"(\\.|[^"\\])*"$/.test(text)) return null;
  const content = text.slice(1, -1).replace(/\\(.)/g, '$1');
  if (DOT_STRING.test(content)) return content;
  return `"${content.replace(/["\\]/g, '\\$&')}"`;
}

/** Lower case, A-labels (RFC 5890 §2.3.2.1); null when it is no domain and no address literal. */
export function normalDomain(text: string): string | null {
  if (text.startsWith('[')) return normalLiteral(text);
  const domain = NOT_ASCII.test(text) ? domainToASCII(text) : text.toLowerCase();
  const labels = domain.split('.');
  return labels.every((label) => label.length <= LABEL_LIMIT && LABEL.test(label)) ? domain : null;
}

function normalLiteral(text: string): string | null {
  const content = text.slice(1, -1).toLowerCase();
  const valid = content.startsWith('ipv6:') ? isIPv6(content.slice(5)) : isIPv4(content);
  return valid && text.endsWith(']') ? `[${content}]` : null;
}
