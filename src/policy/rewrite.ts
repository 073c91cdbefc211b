// Other addresses in the place of those that a message came with: senders, and recipients with their aliases.
// compile.ts makes the tables; queue/acceptance.ts asks once, before any rule looks at an address.
// Never a search through the patterns: every test is a look-up, whatever the table's length.
import { type AddressPattern, patternText, type Subject, subjectOf } from './match.ts';

/** What an address becomes. `local` null, written `*@d`: it keeps its local part. */
export interface RewriteTarget {
  readonly local: string | null;
  readonly domain: string;
}

/** One line of a table: whoever fits becomes the targets, of which a sender has one. */
export interface RewriteEntry {
  readonly pattern: Exclude<AddressPattern, { kind: 'null-sender' }>;
  readonly targets: readonly RewriteTarget[];
  /** The pattern as it stands in the file. */
  readonly written: string;
}

/** Both tables of a policy. */
export interface Rewriting {
  readonly senders: RewriteTable;
  readonly recipients: RewriteTable;
}

/** Of several patterns that fit, the one that stands first counts. */
export class RewriteTable {
  readonly #entries: readonly RewriteEntry[];
  /** By kind of pattern and its text, the number of the entry. */
  readonly #places = new Map<string, number>();

  constructor(entries: readonly RewriteEntry[]) {
    this.#entries = entries;
    for (const [place, { pattern }] of entries.entries()) {
      const key = keyOf(pattern);
      if (!this.#places.has(key)) this.#places.set(key, place);
    }
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Pattern by pattern what it becomes: `{ 'team@example.net': ['ann@example.org'] }`. */
  lines(): Readonly<Record<string, readonly string[]>> {
    const lines = this.#entries.map(({ written, targets }): [string, string[]] => {
      return [written, targets.map(({ local, domain }) => `${local ?? '*'}@${domain}`)];
    });
    return Object.fromEntries(lines);
  }

  /** What the address becomes, in one step; null: nobody says anything of it. The null sender stays. */
  targetsOf(address: string): readonly string[] | null {
    if (this.isEmpty || address === '') return null;
    const subject = subjectOf(address);
    const place = Math.min(
      ...keysOf(subject).map((key) => this.#places.get(key) ?? Number.POSITIVE_INFINITY),
    );
    const entry = this.#entries[place];
    const own = address.slice(0, address.lastIndexOf('@'));
    return entry?.targets.map(({ local, domain }) => `${local ?? own}@${domain}`) ?? null;
  }
}

function keyOf(pattern: RewriteEntry['pattern']): string {
  switch (pattern.kind) {
    case 'address':
      return `address ${pattern.address}`;
    case 'domain':
      return `domain ${pattern.domain}`;
    case 'below':
      return `below ${pattern.domain}`;
    case 'local':
      return `local ${pattern.local}`;
  }
}

/** Those of all patterns that fit. */
function keysOf({ address, local, domain, parents }: Subject): string[] {
  const below = parents.map((parent) => `below ${parent}`);
  return [`address ${address}`, `domain ${domain}`, `local ${local}`, ...below];
}

/** The sender to go on with. Once: what came out is not looked up again. */
export function rewrittenSender({ senders }: Rewriting, from: string): string {
  return senders.targetsOf(from)?.[0] ?? from;
}

/**
 * Aliases of aliases of aliases: nobody means more than a few, and each is a step that a table with a mistake
 * that `check` does not see could take for ever.
 */
export const DEEPEST_ALIAS = 20;

export type Expansion =
  | { readonly recipients: readonly string[] }
  /** An alias led back to itself, or too far: the addresses on the way. */
  | { readonly chain: readonly string[] };

/**
 * Who gets mail to this address: itself, or what its alias says, and the aliases of those. An alias that names
 * itself (`ann: [ann, archive]`) means the address, not another round.
 */
export function expanded({ recipients: table }: Pick<Rewriting, 'recipients'>, address: string): Expansion {
  const targets = table.targetsOf(address);
  if (targets === null) return { recipients: [address] };
  const found = new Set<string>();
  const chain = expand(table, address, targets, [address], found);
  return chain === null ? { recipients: [...found] } : { chain };
}

/** Null when all of `targets` are in `found`, or the chain that does not end. */
function expand(
  table: RewriteTable,
  address: string,
  targets: readonly string[],
  path: readonly string[],
  found: Set<string>,
): readonly string[] | null {
  if (path.length > DEEPEST_ALIAS) return path;
  for (const target of targets) {
    const further = isSame(target, address) ? null : table.targetsOf(target);
    if (further === null) found.add(isSame(target, address) ? address : target);
    else if (path.some((one) => isSame(one, target))) return [...path, target];
    else {
      const chain = expand(table, target, further, [...path, target], found);
      if (chain !== null) return chain;
    }
  }
  return null;
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** What is wrong with a table as a whole, and at which of its entries. */
export interface RewriteMistake {
  readonly place: number;
  readonly message: string;
}

/** Patterns that stand twice, and aliases that never end. `entries`: recipients of all files. */
export function aliasMistakes(entries: readonly RewriteEntry[]): RewriteMistake[] {
  const table = new RewriteTable(entries);
  const known = new Set<string>();
  return entries.flatMap(({ pattern }, place) => {
    const expansion = expanded({ recipients: table }, exampleOf(pattern));
    if (!('chain' in expansion)) return [];
    const { chain } = expansion;
    const begin = chain.findIndex((one) => isSame(one, chain.at(-1) ?? ''));
    const isLoop = begin < chain.length - 1;
    const told = isLoop ? chain.slice(begin) : chain;
    const members = [...new Set(told.map((one) => one.toLowerCase()))].sort().join();
    if (known.has(members)) return [];
    known.add(members);
    const what = isLoop ? 'a loop' : `more than ${DEEPEST_ALIAS} aliases in a row`;
    return [{ place, message: `${what}: ${told.join(' → ')}` }];
  });
}

/** A pattern that says what an earlier one says already is a dead letter. */
export function repeatedPatterns(entries: readonly RewriteEntry[]): RewriteMistake[] {
  const seen = new Set<string>();
  return entries.flatMap(({ pattern }, place) => {
    const key = keyOf(pattern);
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    return [{ place, message: `the pattern ${patternText(pattern)} is there already` }];
  });
}

/**
 * An address that fits the pattern and no other but by the pattern's own words: `*` is a local part and a label
 * that nobody can write in a pattern. A loop that goes through an entry is found from such an address: what the
 * entry leads to does not hang on the parts that the `*` stands for, or keeps them.
 */
function exampleOf(pattern: RewriteEntry['pattern']): string {
  switch (pattern.kind) {
    case 'address':
      return pattern.address;
    case 'domain':
      return `*@${pattern.domain}`;
    case 'below':
      return `*@*.${pattern.domain}`;
    case 'local':
      return `${pattern.local}@*`;
  }
}
