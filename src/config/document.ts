// One YAML text: its value, its syntax errors, and where each key of it stands.
// load.ts and load-policy.ts parse files with it; overrides.ts parses values of variables.
// Never knows what the keys mean.
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from 'yaml';
import { formatPath, type Path, type Place, type Problem } from './problem.ts';

export class YamlDocument {
  readonly file: string;
  readonly problems: readonly Problem[];
  readonly #document: Document;
  readonly #lines = new LineCounter();

  constructor(file: string, text: string) {
    this.file = file;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    this.problems = [
      ...this.#document.errors.map((error) => this.#syntaxProblem(error.message, error.pos[0], 'error')),
      ...this.#document.warnings.map((error) => this.#syntaxProblem(error.message, error.pos[0], 'warning')),
    ];
  }

  /** Plain data; null for an empty document. A Problem when aliases cannot be resolved. */
  value(): { readonly data: unknown } | { readonly problem: Problem } {
    try {
      return { data: this.#document.toJS() };
    } catch (error) {
      // Too many aliases of aliases: the library counts them, so that a small file cannot fill the memory.
      const message = error instanceof Error ? error.message : String(error);
      return { problem: this.#syntaxProblem(message, 0, 'error') };
    }
  }

  /** Where the key (or its value) stands; the nearest thing around it when it is not there. */
  place(path: Path, at: 'key' | 'value'): Place {
    let node: unknown = this.#document.contents;
    let key: unknown;
    for (const name of path) {
      const found = this.#child(node, name);
      // One value needs no list: what is called its first is the value itself.
      if (found === undefined && name === 0 && isMap(node)) continue;
      if (found === undefined) return this.#placeOf(isMap(node) ? (key ?? node) : (node ?? key));
      key = found.key;
      node = found.value;
    }
    return this.#placeOf(at === 'key' && key !== undefined ? key : (node ?? key));
  }

  #child(parent: unknown, name: string | number): { key: unknown; value: unknown } | undefined {
    const node = isAlias(parent) ? parent.resolve(this.#document) : parent;
    if (isSeq(node)) {
      const item = node.items[Number(name)];
      return item === undefined ? undefined : { key: item, value: item };
    }
    if (!isMap(node)) return undefined;
    const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(name));
    return pair === undefined ? undefined : { key: pair.key, value: pair.value };
  }

  #placeOf(node: unknown): Place {
    const start = isNode(node) ? (node as Node).range?.[0] : undefined;
    return this.#placeAt(start ?? 0);
  }

  #placeAt(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  #syntaxProblem(message: string, offset: number, severity: Problem['severity']): Problem {
    return { ...this.#placeAt(offset), path: '', message, severity };
  }
}

/** A problem of a key, at its place in the document. */
export function problemAt(
  place: Place,
  path: Path,
  message: string,
  more: { readonly hint?: string | undefined; readonly severity?: Problem['severity'] } = {},
): Problem {
  return {
    ...place,
    path: formatPath(path),
    message,
    ...(more.hint === undefined ? {} : { hint: more.hint }),
    severity: more.severity ?? 'error',
  };
}
