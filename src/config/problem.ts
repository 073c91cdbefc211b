// A mistake in a configuration file, where it stands, and what to do about it.
// Made by everything in config/ and by the policy's checks; printed by `check` and by the start.
// Never a stack trace, never the value of a secret.
import { relative } from 'node:path';

/** A position in a file, both counted from 1; line 0 when there is no line (an environment variable). */
export interface Place {
  /** Absolute path, or the name of an environment variable. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Problem extends Place {
  /** `listeners[0].port`, or `''` for the whole file. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
  /** An error keeps the file from taking force; a warning does not. */
  readonly severity: 'error' | 'warning';
}

/** The files are well written, but what they name cannot be worked with: exit 78. */
export class UnfitConfiguration extends Error {
  override readonly name = 'UnfitConfiguration';
}

/** A key's way from the top of the file: names of maps, indexes of lists. */
export type Path = readonly (string | number)[];

/** `config/sendoff.yaml:12:5: listeners[0].port: expected a number (hint)`; files below the cwd are relative. */
export function formatProblem(problem: Problem): string {
  const position = problem.line > 0 ? `:${problem.line}:${problem.column}` : '';
  const path = problem.path === '' ? '' : ` ${problem.path}:`;
  const warning = problem.severity === 'warning' ? ' warning:' : '';
  const hint = problem.hint === undefined ? '' : ` (${problem.hint})`;
  return `${displayName(problem.file)}${position}:${warning}${path} ${problem.message}${hint}`;
}

/** `rules[2].when.to` */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const name = /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

/** A problem of a file, a folder or an environment variable as a whole. */
export function problemOfWhole(file: string, message: string, hint?: string): Problem {
  const place = { file, line: 0, column: 0 };
  return { ...place, path: '', message, ...(hint === undefined ? {} : { hint }), severity: 'error' };
}

/** In the order in which a reader meets them. */
export function inReadingOrder(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column);
}

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}

/** The known name that `name` was probably meant to be, or undefined. */
export function closest(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  // A third of the letters wrong is a typo; more is another word.
  const allowed = Math.max(1, Math.floor(wanted.length / 3));
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance <= allowed && (best === undefined || distance < best.distance)) {
      best = { name: candidate, distance };
    }
  }
  return best?.name;
}

/** Levenshtein distance, one row at a time; two neighbours that are swapped count as one mistake. */
function editDistance(a: string, b: string): number {
  let above: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? (above[j - 2] ?? 0) + 1 : replaced;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    above = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

function displayName(file: string): string {
  const near = relative(process.cwd(), file);
  return file.startsWith('/') && !near.startsWith('..') ? near : file;
}
