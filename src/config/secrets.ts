// Puts what `${env:NAME}` and `${file:./path}` stand for into the text values of YAML data.
// source.ts and policy-files.ts call it between parsing and checking.
// Never prints what it read.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Environment } from './environment.ts';
import type { Path } from './problem.ts';
import { isRecord } from './record.ts';

/** A placeholder that nothing stands behind; the text stays as it was written. */
export interface UnsetSecret {
  readonly path: Path;
  readonly message: string;
}

export interface Expansion {
  readonly data: unknown;
  readonly unset: readonly UnsetSecret[];
  /** Secret files that were read or missed, absolute: a change of one is a change of the configuration. */
  readonly files: readonly string[];
}

const placeholder = /\$\{(env|file):([^}]*)\}/g;

/** Paths in `${file:…}` start at `folder`. A trailing line end is not part of a secret. */
export function expandSecrets(data: unknown, folder: string, environment: Environment): Expansion {
  const unset: UnsetSecret[] = [];
  const files = new Set<string>();
  const secretNamed = (kind: string, name: string): string | null => {
    if (kind === 'env') return environment[name] ?? null;
    const file = resolve(folder, name);
    files.add(file);
    return readSecret(file);
  };
  const expandText = (text: string, path: Path): string =>
    text.replace(placeholder, (whole, kind: string, written: string) => {
      const name = written.trim();
      const value = secretNamed(kind, name);
      if (value !== null) return value;
      const message = kind === 'env' ? `the environment variable ${name} is not set` : `cannot read ${name}`;
      unset.push({ path, message });
      return whole;
    });
  const expand = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string') return expandText(value, path);
    if (Array.isArray(value)) return value.map((item, index) => expand(item, [...path, index]));
    if (!isRecord(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, expand(inner, [...path, key])]),
    );
  };
  return { data: expand(data, []), unset, files: [...files] };
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
