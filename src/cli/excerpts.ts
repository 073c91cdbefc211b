// The line that a mistake is about, with a caret under the place.
// check.ts and policy-test.ts put it under each problem: people see what is meant before they open the file.
// Never a line that may hold a secret: what is checked may be checked where others read along.
import { readFileSync } from 'node:fs';
import type { Problem } from '../config/problem.ts';
import { configurationError } from './configuration.ts';
import { CommandError } from './exit.ts';
import { plain } from './text.ts';

/** Keys whose values are secrets, wrongly written ones too, and URLs with a login. */
const mayBeSecret = /pas|pwd|secret|token|auth|cred|:\/\/\S*@/i;

/** A longer line is cut around the place: what matters still fits a terminal. */
const WIDEST = 100;

/** What ends a command that cannot go on: each mistake with the line that it is about. */
export async function errorWithLines(problems: readonly Problem[]): Promise<CommandError> {
  const { message, exitCode, mistakes } = await configurationError(problems);
  const excerpts = new Excerpts();
  const shown = mistakes.map((mistake, i) => {
    const problem = problems[i];
    return problem === undefined ? mistake : mistake + excerpts.of(problem);
  });
  return new CommandError(exitCode, message, shown);
}

export class Excerpts {
  readonly #files = new Map<string, readonly string[]>();

  /** Two lines, each after a line break; `''` when there is nothing to show. */
  of({ file, line, column, path }: Problem): string {
    const text = line > 0 ? this.#linesOf(file)[line - 1] : undefined;
    // The value may stand on a line of its own, below its key.
    if (text === undefined || text.trim() === '' || mayBeSecret.test(`${path} ${text}`)) return '';
    // A tab is one column: as one blank it keeps the caret where it belongs.
    const whole = plain(text.replaceAll('\t', ' ')).trimEnd();
    const cut = Math.max(0, column - WIDEST);
    const number = `${line}`;
    const shown = whole.slice(cut, cut + WIDEST);
    const caret = `${' '.repeat(Math.max(0, column - 1 - cut))}^`;
    return `\n  ${number} | ${shown}\n  ${' '.repeat(number.length)} | ${caret}`;
  }

  #linesOf(file: string): readonly string[] {
    const known = this.#files.get(file);
    if (known !== undefined) return known;
    const lines = readLines(file);
    this.#files.set(file, lines);
    return lines;
  }
}

/** A file that cannot be read any more has no lines to show; its problem was told. */
function readLines(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/);
  } catch {
    return [];
  }
}
