// sendoff.yaml with the environment laid over it: one piece of data, and where each key of it came from.
// load.ts hands the data to the schema and asks here for the place of every mistake.
// Never knows which keys exist or what they mean.
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { YamlDocument } from './document.ts';
import type { Environment } from './environment.ts';
import { type Override, readOverrides } from './overrides.ts';
import type { Path, Place, Problem } from './problem.ts';
import { isRecord } from './record.ts';
import type { UnsetSecret } from './secrets.ts';
import { readYamlFile, type YamlFile } from './yaml-file.ts';

export interface Source {
  /** Absolute, or null when there is no file. */
  readonly file: string | null;
  readonly data: unknown;
  /** Syntax errors and variables that name no key. */
  readonly problems: readonly Problem[];
  readonly unset: readonly UnsetSecret[];
  place(path: Path, at: 'key' | 'value'): Place;
  /** A path that stands in the value of `key`, made absolute: relative to whatever holds that value. */
  absolute(key: Path, value: string): string;
}

/** Where the file is looked for when nobody names it: a checkout, then an installed system. */
const usualPlaces = ['config/sendoff.yaml', '/etc/sendoff/sendoff.yaml'];

/** `named` is the command line's choice. A file that somebody names must be there. */
export function readSource(named: string | undefined, environment: Environment): Source {
  const { overrides, problems } = readOverrides(environment);
  const file = fileToRead(named ?? environment.SENDOFF_CONFIG);
  return new LayeredSource(file === null ? null : readYamlFile(file, environment), overrides, problems);
}

function fileToRead(named: string | undefined): string | null {
  const chosen = named === undefined || named === '' ? usualPlaces.find((place) => existsSync(place)) : named;
  return chosen === undefined ? null : resolve(chosen);
}

class LayeredSource implements Source {
  readonly file: string | null;
  readonly data: unknown;
  readonly problems: readonly Problem[];
  readonly unset: readonly UnsetSecret[];
  readonly #document: YamlDocument | null;
  readonly #overrides: readonly Override[];

  constructor(file: YamlFile | null, overrides: readonly Override[], problems: readonly Problem[]) {
    this.file = file?.document?.file ?? null;
    this.problems = [...problems, ...(file?.problems ?? [])];
    this.data = withOverrides(withoutNulls(file?.data ?? {}), overrides);
    this.unset = (file?.unset ?? []).filter((secret) => overriding(overrides, secret.path) === undefined);
    this.#document = file?.document ?? null;
    this.#overrides = overrides;
  }

  place(path: Path, at: 'key' | 'value'): Place {
    const override = overriding(this.#overrides, path);
    if (override !== undefined) return { file: override.variable, line: 0, column: 0 };
    // What is said of a key that is left out is said of no line.
    const [section = ''] = path;
    const isThere = isRecord(this.data) && section in this.data;
    const document = isThere || path.length === 0 ? this.#document : null;
    return document?.place(path, at) ?? { file: this.file ?? 'sendoff.yaml', line: 0, column: 0 };
  }

  absolute(key: Path, value: string): string {
    const inFile = this.file !== null && overriding(this.#overrides, key) === undefined;
    return resolve(inFile ? dirname(this.file) : '', value);
  }
}

/** The strongest override that sets `path` or something around it. */
function overriding(overrides: readonly Override[], path: Path): Override | undefined {
  return overrides.findLast((override) => override.path.every((key, index) => key === path[index]));
}

/** A key without a value (`limits:` above nothing but comments) is a key that is not there. */
function withoutNulls(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutNulls(inner)]));
}

function withOverrides(data: unknown, overrides: readonly Override[]): unknown {
  return overrides.reduce(
    (value, { path, value: inner }) => withValue(value, path, inner ?? undefined),
    data,
  );
}

/** A copy of `data` with the value at `path`; what is no map stays as it is, for the schema to refuse. */
function withValue(data: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (data !== undefined && !isRecord(data)) return data;
  return { ...data, [key]: withValue(data?.[key], rest, value) };
}
