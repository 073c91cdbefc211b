// Maps of conditions that may cover another one, found without a look at all of them.
// rule-doubts.ts asks for each rule of a policy, which may have thousands.
// Never decides: what it finds coverage.ts has to prove.
import { networkBits } from '../config/address-bits.ts';
import type { ConditionsData } from './condition-schema.ts';
import type { Glob } from './glob.ts';
import { type AddressPattern, patternText, subjectOf } from './match.ts';

/**
 * Maps without an entry of their own to be found by (sizes, times, `any`, `not`): so many are compared and no more,
 * for a reload waits for it.
 */
const MOST_COMPARED = 100;

/** `T` is whatever has the conditions. They come out in the order in which they were added. */
export class CoverageIndex<T> {
  readonly #byEntry = new Map<string, Set<number>>();
  readonly #others: number[] = [];
  readonly #items: T[] = [];

  add(when: ConditionsData, item: T): void {
    const place = this.#items.push(item) - 1;
    const entries = entriesOf(when);
    if (entries === null && this.#others.length < MOST_COMPARED) this.#others.push(place);
    for (const entry of entries ?? []) {
      const places = this.#byEntry.get(entry) ?? new Set();
      this.#byEntry.set(entry, places.add(place));
    }
  }

  /** All that may cover `when`, but for those that are not compared. */
  candidates(when: ConditionsData): T[] {
    const found = new Set(this.#others);
    for (const entry of widerEntries(when)) {
      for (const place of this.#byEntry.get(entry) ?? []) found.add(place);
    }
    return [...found].sort((a, b) => a - b).map((place) => this.#items[place] as T);
  }
}

const sides = ['to', 'from', 'headerFrom'] as const;
const words = ['user', 'site'] as const;

/** What a map is found by: all that one of its conditions takes. Null: it has none that lists things. */
function entriesOf(when: ConditionsData): string[] | null {
  const side = sides.find((key) => when[key] !== undefined);
  if (side !== undefined) return when[side]?.map((pattern) => `${side} ${patternText(pattern)}`) ?? null;
  const word = words.find((key) => when[key] !== undefined);
  if (word !== undefined) return when[word]?.map((one) => `${word} ${one.toLowerCase()}`) ?? null;
  if (when.client !== undefined) return when.client.map((network) => `client ${networkBits(network)}`);
  const [field] = Object.entries(when.header ?? {});
  return field === undefined ? null : field[1].map((glob) => fieldEntry(field[0], glob));
}

function fieldEntry(name: string, { parts }: Pick<Glob, 'parts'>): string {
  return `header ${name.toLowerCase()}: ${parts.join('*')}`;
}

/** The entries of all that takes the first thing that `when` takes: what covers it takes that too. */
function* widerEntries(when: ConditionsData): Generator<string> {
  for (const side of sides) {
    const first = when[side]?.[0];
    for (const text of first === undefined ? [] : widerPatterns(first)) yield `${side} ${text}`;
  }
  for (const word of words) if (when[word]?.[0] !== undefined) yield `${word} ${when[word][0].toLowerCase()}`;
  const bits = when.client?.[0] === undefined ? '' : networkBits(when.client[0]);
  for (let length = 1; length <= bits.length; length++) yield `client ${bits.slice(0, length)}`;
  for (const [name, [first]] of Object.entries(when.header ?? {})) {
    yield fieldEntry(name, { parts: ['', ''] });
    if (first !== undefined) yield fieldEntry(name, first);
  }
}

/** Itself, and what stands above it in the tree of names. */
function widerPatterns(pattern: AddressPattern): string[] {
  const own = patternText(pattern);
  if (pattern.kind === 'null-sender' || pattern.kind === 'local') return [own];
  const { local, domain, parents } = subjectOf(
    pattern.kind === 'address' ? pattern.address : `x@${pattern.domain}`,
  );
  const below = parents.map((parent) => `*.${parent}`);
  return pattern.kind === 'address' ? [own, domain, `${local}@*`, ...below] : [own, ...below];
}
