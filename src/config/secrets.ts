// Puts what `${env:NAME}` and `${file:./path}` stand for into the strings of a YAML document.
// load.ts and load-policy.ts call it between parsing and checking.
// Never prints what it read.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { YamlDocument } from './document.ts';
import type { Environment } from './environment.ts';
import type { Path } from './problem.ts';

/** A placeholder that nothing stands behind; the text stays as it was written. */
export interface UnsetSecret {
  readonly path: Path;
  readonly message: string;
}

export interface Expansion {
  readonly unset: readonly UnsetSecret[];
  /** Secret files that were read or missed, absolute: a change of one is a change of the configuration. */
  readonly files: readonly string[];
}

const placeholder = /\$\{(env|file):([^}]*)\}/g;

/** Paths in `${file:…}` are relative to the document's folder. A trailing line end is not part of a secret. */
export function expandSecrets(document: YamlDocument, environment: Environment): Expansion {
  const unset: UnsetSecret[] = [];
  const files = new Set<string>();
  const readSecretFile = (name: string): string | null => {
    const file = resolve(dirname(document.file), name);
    files.add(file);
    return readSecret(file);
  };
  document.replaceTexts(({ path, text }) =>
    text.replace(placeholder, (whole, kind: string, rawName: string) => {
      const name = rawName.trim();
      const value = kind === 'env' ? (environment[name] ?? null) : readSecretFile(name);
      if (value !== null) return value;
      const what = kind === 'env' ? `the environment variable ${name} is not set` : `cannot read ${name}`;
      unset.push({ path, message: what });
      return whole;
    }),
  );
  return { unset, files: [...files] };
}

function readSecret(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch {
    return null;
  }
}

/** Whether `path` is the unset secret itself or something around or inside it. */
export function concerns(secret: UnsetSecret, path: Path): boolean {
  const shared = Math.min(secret.path.length, path.length);
  return path.length > 0 && secret.path.slice(0, shared).every((key, index) => key === path[index]);
}
