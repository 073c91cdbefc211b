// One YAML file as it stands on disk: its data with the secrets in place, and what is wrong so far.
// source.ts reads sendoff.yaml with it, policy-files.ts the policy.
// Never knows what the keys mean.
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { YamlDocument } from './document.ts';
import type { Environment } from './environment.ts';
import { type Problem, problemOfWhole } from './problem.ts';
import { expandSecrets, type UnsetSecret } from './secrets.ts';

export interface YamlFile {
  /** Null when the file cannot be read. */
  readonly document: YamlDocument | null;
  /** Null for an empty file, and for one that cannot be read. */
  readonly data: unknown;
  readonly unset: readonly UnsetSecret[];
  /** Files that `${file:…}` names, absolute. */
  readonly secretFiles: readonly string[];
  readonly problems: readonly Problem[];
}

/** `file` is absolute. */
export function readYamlFile(file: string, environment: Environment): YamlFile {
  const text = readText(file);
  if (typeof text !== 'string') {
    return { document: null, data: null, unset: [], secretFiles: [], problems: [text.problem] };
  }
  const document = new YamlDocument(file, text);
  const value = document.value();
  const plain = 'data' in value ? value.data : null;
  const { data, unset, files } = expandSecrets(plain, dirname(file), environment);
  const problems = 'problem' in value ? [...document.problems, value.problem] : document.problems;
  return { document, data, unset, secretFiles: files, problems };
}

function readText(file: string): string | { readonly problem: Problem } {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    return { problem: problemOfWhole(file, `cannot be read: ${reasonOf(error)}`) };
  }
}

/** What the system says of a file, in words. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of its path is not a folder',
  };
  return words[code] ?? (error instanceof Error ? error.message : String(error));
}
