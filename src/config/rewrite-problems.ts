// What is wrong with `rewrite` as a whole, over all files of a policy: loops of aliases, patterns that stand twice.
// load-policy.ts asks once every file is well formed; policy/rewrite.ts finds the mistakes.
// Never a mistake of one value: the schema has told those.
import { aliasMistakes, type RewriteEntry, repeatedPatterns } from '../policy/rewrite.ts';
import type { PolicyData } from '../policy/schema.ts';
import { problemAt } from './document.ts';
import type { PolicyFile } from './policy-files.ts';
import type { Problem } from './problem.ts';

/** `parts[i]` is what `files[i]` says. */
export function rewriteProblems(files: readonly PolicyFile[], parts: readonly PolicyData[]): Problem[] {
  return (['senders', 'recipients'] as const).flatMap((side) => {
    const lines = parts.flatMap(({ rewrite }, i) =>
      rewrite[side].map((entry) => ({ entry, file: files[i] })),
    );
    const entries = lines.map(({ entry }): RewriteEntry => entry);
    const aliases = side === 'recipients' ? aliasMistakes(entries) : [];
    return [...repeatedPatterns(entries), ...aliases].flatMap(({ place, message }) => {
      const { entry, file } = lines[place] ?? {};
      if (entry === undefined || file === undefined) return [];
      const path = ['rewrite', side, entry.written];
      return [problemAt(file.document.place(path, 'key'), path, message)];
    });
  });
}
