// What differs between two policies, by name and in the words of the policy file.
// `sendoff policy diff` shows it, with operations/diff.ts for what it would do to the mail that is queued.
// Never tells a secret: that it is another one, not what it is.
import { printablePolicy } from '../config/printable.ts';
import type { Policy } from './policy.ts';

export interface Difference {
  /** `rules`, `routes`, `retry`, `sites`, … as in the file. */
  readonly section: string;
  /** Of the rule, route, schedule or site; a section without names has its own. */
  readonly name: string;
  /** `moved`: rules stand in another order; `name` is empty. */
  readonly what: 'added' | 'removed' | 'changed' | 'moved';
  /** `connections: 5 → 10`; of what is new or gone, `connections: 5`. */
  readonly words: readonly string[];
}

/** Settings as `check --print` shows them: maps, lists and plain values. */
type Data = Readonly<Record<string, unknown>>;
type Parts = ReadonlyMap<string, unknown>;

/** Empty: both say the same. */
export function diffPolicies(before: Policy, after: Policy): Difference[] {
  const [was, is] = [sectionsOf(before), sectionsOf(after)];
  const found = [...new Set([...was.keys(), ...is.keys()])].flatMap((section) => [
    ...diffParts(section, was.get(section) ?? new Map(), is.get(section) ?? new Map()),
    ...(section === 'rules' ? otherOrder(was.get(section), is.get(section)) : []),
  ]);
  return [...found, ...otherSecrets(before, after, found)];
}

/** The parts of each section by name, rules first. */
function sectionsOf(policy: Policy): ReadonlyMap<string, Parts> {
  const { rules, ...sections } = printablePolicy(policy);
  const named = Object.entries(sections).map(([section, content]): [string, Parts] => {
    return [section, new Map(isData(content) ? Object.entries(content) : [[section, content]])];
  });
  // The last one is the built-in, for mail that no rule ends.
  const own = (rules as readonly Data[]).slice(0, -1);
  const byName = own.map(({ name, ...rule }): [string, unknown] => [String(name), rule]);
  return new Map([['rules', new Map(byName)], ...named]);
}

function diffParts(section: string, was: Parts, is: Parts): Difference[] {
  const names = [...was.keys(), ...[...is.keys()].filter((name) => !was.has(name))];
  return names.flatMap((name): Difference[] => {
    const [old, now] = [leavesOf(was.get(name)), leavesOf(is.get(name))];
    if (!is.has(name)) return [{ section, name, what: 'removed', words: listed(old) }];
    if (!was.has(name)) return [{ section, name, what: 'added', words: listed(now) }];
    const words = changesIn(old, now);
    return words.length === 0 ? [] : [{ section, name, what: 'changed', words }];
  });
}

type Leaves = ReadonlyMap<string, string>;

function changesIn(was: Leaves, is: Leaves): string[] {
  const keys = new Set([...was.keys(), ...is.keys()]);
  return [...keys].flatMap((key) => {
    const [old = 'none', now = 'none'] = [was.get(key), is.get(key)];
    return old === now ? [] : [key === '' ? `${old} → ${now}` : `${key}: ${old} → ${now}`];
  });
}

function listed(leaves: Leaves): string[] {
  return [...leaves]
    .filter(([, text]) => text !== 'none')
    .map(([key, text]) => (key === '' ? text : `${key}: ${text}`));
}

/** Every plain value with its way there: `classes.greylisted.after`, `5m, 15m`. */
function leavesOf(value: unknown): Leaves {
  const leaves = new Map<string, string>();
  gather(value, '', leaves);
  return leaves;
}

function gather(value: unknown, path: string, leaves: Map<string, string>): void {
  const under = (key: string): string => (path === '' ? key : `${path}.${key}`);
  if (Array.isArray(value) && !value.some((one) => typeof one === 'object')) {
    leaves.set(path, value.join(', ') || 'none');
  } else if (Array.isArray(value)) {
    value.forEach((one, i) => void gather(one, `${path}[${i + 1}]`, leaves));
  } else if (isData(value)) {
    for (const [key, inner] of Object.entries(value)) gather(inner, under(key), leaves);
  } else if (value !== undefined) leaves.set(path, value === null ? 'none' : String(value));
}

/** Rules that both have, where they follow each other otherwise: the first that fits decides. */
function otherOrder(was: Parts = new Map(), is: Parts = new Map()): Difference[] {
  const [old, now] = [
    [...was.keys()].filter((name) => is.has(name)),
    [...is.keys()].filter((name) => was.has(name)),
  ];
  if (old.every((name, i) => name === now[i])) return [];
  return [{ section: 'rules', name: '', what: 'moved', words: now }];
}

/** What is masked looks alike whatever it is. */
function otherSecrets(before: Policy, after: Policy, found: readonly Difference[]): Difference[] {
  return [...after.routes].flatMap(([name, route]): Difference[] => {
    const old = before.routes.get(name);
    if (route.via !== 'smarthost' || old?.via !== 'smarthost') return [];
    if (JSON.stringify(old.auth) === JSON.stringify(route.auth)) return [];
    const isTold = found.some(
      (one) => one.section === 'routes' && one.name === name && one.words.some(isOfLogin),
    );
    return isTold ? [] : [{ section: 'routes', name, what: 'changed', words: ['auth: another secret'] }];
  });
}

function isOfLogin(words: string): boolean {
  return words.startsWith('auth');
}

function isData(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
