// What is known of a mail in the form in which conditions look at it: made once, tested by many rules.
// evaluate.ts makes it of MailFacts; conditions.ts reads it.
// Never guesses: what is not known is undefined.
import { addressBits } from '../config/address-bits.ts';
import { parseDomain } from '../config/network.ts';
import { addressesIn } from '../mail/address-list.ts';
import type { MailHeader } from '../mail/envelope.ts';
import { type Subject, subjectOf } from './match.ts';
import type { Facts, HeaderFacts, MailFacts, Missing } from './policy.ts';

/**
 * The two sets belong to the caller, who fills them while the rules are walked. Field by field: this is done
 * for each recipient at each look, and spreading would be the dearest part of a decision.
 */
export function factsFrom(
  { from, to, user, client, header, size, site, at }: MailFacts,
  tags: ReadonlySet<string>,
  openTags: ReadonlySet<string>,
): Facts {
  const facts: { -readonly [K in keyof Facts]: Facts[K] } = {
    from: subjectOf(from),
    to: subjectOf(to),
    tags,
    openTags,
  };
  if (user !== undefined) facts.user = user?.toLowerCase() ?? null;
  if (client !== undefined) facts.client = client === null ? null : bitsOf(client);
  if (header !== undefined) facts.header = new KnownHeader(header);
  if (size !== undefined) facts.size = size;
  if (site !== undefined) facts.site = site;
  if (at !== undefined) facts.at = at;
  return facts;
}

let lastClient = '';
let lastBits: string | null = null;

/** Thousands of messages come from one host, one after the other. */
function bitsOf(client: string): string | null {
  if (client !== lastClient) {
    lastClient = client;
    lastBits = addressBits(client);
  }
  return lastBits;
}

/** Whether such a thing is known, and a decision has not to wait for it. */
export function isKnown(missing: Missing, { header, size, site }: Facts): boolean {
  return missing === 'site' ? site !== undefined : header !== undefined && size !== undefined;
}

class KnownHeader implements HeaderFacts {
  readonly #header: MailHeader;
  readonly #values = new Map<string, readonly string[]>();
  #authors: readonly Subject[] | null = null;

  constructor(header: MailHeader) {
    this.#header = header;
  }

  values(name: string): readonly string[] {
    const known = this.#values.get(name);
    if (known) return known;
    const values = this.#fields(name).map((value) => value.trim().toLowerCase());
    this.#values.set(name, values);
    return values;
  }

  get authors(): readonly Subject[] {
    this.#authors ??= this.#fields('from')
      .flatMap((value) => addressesIn(value))
      .map(({ address }) => subjectOf(withALabels(address)));
    return this.#authors;
  }

  /** A field may be called like something that every object has. */
  #fields(name: string): readonly string[] {
    return (Object.hasOwn(this.#header, name) && this.#header[name]) || [];
  }
}

/** Patterns have A-labels; a header may have the letters that they stand for (RFC 6532). */
function withALabels(address: string): string {
  const at = address.lastIndexOf('@');
  const domain = address.slice(at + 1);
  return /[^\x21-\x7e]/.test(domain) ? `${address.slice(0, at)}@${parseDomain(domain) ?? domain}` : address;
}
