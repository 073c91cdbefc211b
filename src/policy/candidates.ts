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
    const places = [...this.#places('to', to), ...this.#places('from', from)].sort((a, b) => a - b);
    return places.length === 0 ? this.#open : this.#withOpen(places);
  }

  /** One pass over both: each is in order. A rule may stand twice in `places`. */
  #withOpen(places: readonly number[]): Rule[] {
    const rules: Rule[] = [];
    let next = 0;
    for (const [n, at] of places.entries()) {
      if (at === places[n - 1]) continue;
      while (next < this.#open.length && (this.#openAt[next] as number) < at)
        rules.push(this.#open[next++] as Rule);
      rules.push(this.#rules[at] as Rule);
    }
    while (next < this.#open.length) rules.push(this.#open[next++] as Rule);
    return rules;
  }

  #places(side: Side, { domain, parents }: Subject): readonly number[] {
    const named = this.#named[side];
    if (named.size === 0) return NONE;
    const found: number[] = [];
    for (const name of [domain, ...parents]) found.push(...(named.get(name) ?? NONE));
    return found;
  }
}

const NONE: readonly number[] = [];
