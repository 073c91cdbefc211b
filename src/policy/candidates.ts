// Which rules a mail can fit at all, told by the domains that they name: of a thousand, a handful is tried.
// evaluate.ts asks before it walks; explanations try every rule, for they tell why each does not fit.
// Never decides that a rule fits: what is left out could not, what is left in is tested.
import type { Subject } from './match.ts';
import type { Rule } from './policy.ts';

type Side = 'to' | 'from';

export class Candidates {
  readonly #rules: readonly Rule[];
  /** Rules that name no domains, and their places. */
  readonly #open: readonly Rule[];
  readonly #openAt: readonly number[];
  /** Places of the others by a domain that an address must be in, or below. */
  readonly #named: Readonly<Record<Side, ReadonlyMap<string, readonly number[]>>>;

  constructor(rules: readonly Rule[]) {
    const named = { to: new Map<string, number[]>(), from: new Map<string, number[]>() };
    const openAt: number[] = [];
    for (const [at, { when }] of rules.entries()) {
      const scopes = when.flatMap(({ domains }) => domains ?? []);
      // Recipients differ more than senders do.
      const scope = scopes.find(({ side }) => side === 'to') ?? scopes[0];
      if (scope === undefined) openAt.push(at);
      for (const name of scope?.names ?? []) {
        const places = named[scope?.side ?? 'to'].get(name);
        if (places) places.push(at);
        else named[scope?.side ?? 'to'].set(name, [at]);
      }
    }
    this.#rules = rules;
    this.#named = named;
    this.#openAt = openAt;
    this.#open = openAt.map((at) => rules[at] as Rule);
  }

  /** In their order. */
  for(from: Subject, to: Subject): readonly Rule[] {
    const places = this.#places('from', from, this.#places('to', to, NONE));
    return places.length === 0 ? this.#open : this.#withOpen(places);
  }

  /** Those of the address's domain and of the domains above it, with `before`; ascending, some perhaps twice. */
  #places(side: Side, { domain, parents }: Subject, before: readonly number[]): readonly number[] {
    const named = this.#named[side];
    if (named.size === 0) return before;
    let found = joined(before, named.get(domain));
    for (const parent of parents) found = joined(found, named.get(parent));
    return found;
  }

  /** One pass over both: each is in order. */
  #withOpen(places: readonly number[]): Rule[] {
    const rules: Rule[] = [];
    let next = 0;
    let last = -1;
    for (const at of places) {
      if (at === last) continue;
      last = at;
      while (next < this.#open.length && (this.#openAt[next] as number) < at)
        rules.push(this.#open[next++] as Rule);
      rules.push(this.#rules[at] as Rule);
    }
    while (next < this.#open.length) rules.push(this.#open[next++] as Rule);
    return rules;
  }
}

const NONE: readonly number[] = [];

/** Asked for each recipient: where one of them is empty, nothing is made. */
function joined(some: readonly number[], more: readonly number[] = NONE): readonly number[] {
  if (more.length === 0) return some;
  return some.length === 0 ? more : [...some, ...more].sort((a, b) => a - b);
}
