// Address patterns of the policy: `user@d`, `d`, `*.d`, `user@*`, `<>`.
// compile.ts makes sets of them; rules and sites ask whether an address or a domain is in one.
// Never a regular expression over what a client sent: every test is a look-up, whatever the list's length.
import { parseDomain } from '../config/network.ts';

/** An address as patterns look at it, in lower case: made once, tested by many rules. */
export interface Subject {
  /** `user@d`, or `''` for the null sender. */
  readonly address: string;
  readonly local: string;
  readonly domain: string;
  /** The domains above, nearest first: of `a.b.example`, `b.example` and `example`. */
  readonly parents: readonly string[];
}

/** Case does not matter for matching, in local parts neither; the envelope keeps its case. */
export function subjectOf(address: string): Subject {
  const lower = address.toLowerCase();
  const at = lower.lastIndexOf('@');
  const domain = lower.slice(at + 1);
  return { address: lower, local: lower.slice(0, Math.max(at, 0)), domain, parents: parentsOf(domain) };
}

function parentsOf(domain: string): string[] {
  const parents: string[] = [];
  for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) {
    parents.push(domain.slice(dot + 1));
  }
  return parents;
}

export type AddressPattern =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'domain'; readonly domain: string }
  | { readonly kind: 'below'; readonly domain: string }
  | { readonly kind: 'local'; readonly local: string }
  | { readonly kind: 'null-sender' };

/** Null for text that is no pattern. Domains become A-labels, everything lower case. */
export function parseAddressPattern(text: string): AddressPattern | null {
  if (text === '<>') return { kind: 'null-sender' };
  const at = text.lastIndexOf('@');
  if (at < 0) return parseDomainPattern(text);
  const local = text.slice(0, at).toLowerCase();
  const domainText = text.slice(at + 1);
  if (local === '' || local === '*' || /[\s<>]/.test(text.slice(at))) return null;
  if (domainText === '*') return { kind: 'local', local };
  const domain = domainOrLiteral(domainText);
  return domain === null ? null : { kind: 'address', address: `${local}@${domain}` };
}

/** A pattern as it is written. */
export function patternText(pattern: AddressPattern): string {
  switch (pattern.kind) {
    case 'address':
      return pattern.address;
    case 'domain':
      return pattern.domain;
    case 'below':
      return `*.${pattern.domain}`;
    case 'local':
      return `${pattern.local}@*`;
    case 'null-sender':
      return '<>';
  }
}

/** Names of which every address that fits is in one, or below one; null: one of the patterns fits anywhere. */
export function domainsOf(patterns: readonly AddressPattern[]): readonly string[] | null {
  const names = patterns.map((pattern) => {
    if (pattern.kind === 'address') return pattern.address.slice(pattern.address.lastIndexOf('@') + 1);
    return 'domain' in pattern ? pattern.domain : null;
  });
  return names.every((name) => name !== null) ? names : null;
}

/** `d` or `*.d`; null for anything else. */
export function parseDomainPattern(text: string): Extract<AddressPattern, { domain: string }> | null {
  const below = text.startsWith('*.');
  const domain = below ? parseDomain(text.slice(2)) : domainOrLiteral(text);
  if (domain === null) return null;
  return below ? { kind: 'below', domain } : { kind: 'domain', domain };
}

/** A domain, or an address literal (RFC 5321 §4.1.3). */
function domainOrLiteral(text: string): string | null {
  return /^\[[\w.:-]+\]$/.test(text) ? text.toLowerCase() : parseDomain(text);
}

/** Most lists have one kind of pattern. What they do not have is the same set for all: there may be thousands. */
const NONE: ReadonlySet<string> = new Set();

function setOf(texts: readonly string[]): ReadonlySet<string> {
  return texts.length === 0 ? NONE : new Set(texts);
}

/** Domains by name and by parent. */
export class DomainSet {
  readonly #names: ReadonlySet<string>;
  readonly #parents: ReadonlySet<string>;

  constructor(patterns: readonly AddressPattern[]) {
    this.#names = setOf(patterns.flatMap((one) => (one.kind === 'domain' ? one.domain : [])));
    this.#parents = setOf(patterns.flatMap((one) => (one.kind === 'below' ? one.domain : [])));
  }

  /** `domain` in lower case as A-labels, `parents` as in Subject. */
  has(domain: string, parents: readonly string[] = parentsOf(domain)): boolean {
    if (this.#names !== NONE && this.#names.has(domain)) return true;
    if (this.#parents === NONE) return false;
    for (const parent of parents) if (this.#parents.has(parent)) return true;
    return false;
  }

  /** Whether all domains below this one are in it. */
  hasAllBelow(domain: string): boolean {
    return this.#parents.has(domain) || parentsOf(domain).some((parent) => this.#parents.has(parent));
  }
}

/** Addresses by any of the patterns. */
export class AddressSet {
  readonly #addresses: ReadonlySet<string>;
  readonly #locals: ReadonlySet<string>;
  readonly #domains: DomainSet;
  readonly #nullSender: boolean;

  constructor(patterns: readonly AddressPattern[]) {
    this.#domains = new DomainSet(patterns);
    this.#nullSender = patterns.some((pattern) => pattern.kind === 'null-sender');
    this.#addresses = setOf(patterns.flatMap((one) => (one.kind === 'address' ? one.address : [])));
    this.#locals = setOf(patterns.flatMap((one) => (one.kind === 'local' ? one.local : [])));
  }

  has(subject: Subject): boolean {
    if (subject.address === '') return this.#nullSender;
    return (
      this.#domains.has(subject.domain, subject.parents) ||
      (this.#addresses !== NONE && this.#addresses.has(subject.address)) ||
      (this.#locals !== NONE && this.#locals.has(subject.local))
    );
  }

  /** Whether all addresses that fit the pattern are in it, by one of its own patterns. */
  covers(pattern: AddressPattern): boolean {
    switch (pattern.kind) {
      case 'address':
        return this.has(subjectOf(pattern.address));
      case 'domain':
        return this.#domains.has(pattern.domain);
      case 'below':
        return this.#domains.hasAllBelow(pattern.domain);
      case 'local':
        return this.#locals.has(pattern.local);
      case 'null-sender':
        return this.#nullSender;
    }
  }
}

/** Whether no address fits both. */
export function areApart(one: AddressPattern, other: AddressPattern): boolean {
  if (one.kind === 'null-sender' || other.kind === 'null-sender') return one.kind !== other.kind;
  if (one.kind === 'local' || other.kind === 'local') {
    const locals = [one, other].map(localOf);
    return locals.every((local) => local !== null) && locals[0] !== locals[1];
  }
  if (one.kind === 'address' && other.kind === 'address') return one.address !== other.address;
  const [domain, otherDomain] = [domainOf(one), domainOf(other)];
  if (one.kind !== 'below' && other.kind !== 'below') return domain !== otherDomain;
  const isIn = other.kind === 'below' && isAtOrBelow(domain, otherDomain, one.kind === 'below');
  return !isIn && !(one.kind === 'below' && isAtOrBelow(otherDomain, domain, other.kind === 'below'));
}

function domainOf(pattern: Exclude<AddressPattern, { kind: 'local' | 'null-sender' }>): string {
  return pattern.kind === 'address'
    ? pattern.address.slice(pattern.address.lastIndexOf('@') + 1)
    : pattern.domain;
}

function localOf(pattern: AddressPattern): string | null {
  if (pattern.kind === 'local') return pattern.local;
  return pattern.kind === 'address' ? subjectOf(pattern.address).local : null;
}

/** `at`: the parent itself counts too. */
function isAtOrBelow(domain: string, parent: string, at: boolean): boolean {
  return domain.endsWith(`.${parent}`) || (at && domain === parent);
}
