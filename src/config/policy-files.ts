// The files of a policy as they stand on disk: which they are, what is in them, which names they share.
// load-policy.ts checks and compiles what is read here.
// Never knows more of the language than its four sections.
import { readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { KnownNames } from '../policy/rule-schema.ts';
import { problemAt, YamlDocument } from './document.ts';
import type { Environment } from './environment.ts';
import { type Path, type Problem, problemOfWhole } from './problem.ts';
import { expandSecrets, type UnsetSecret } from './secrets.ts';
import { isRecord, readText, reasonOf } from './source.ts';

export interface PolicyFile {
  readonly document: YamlDocument;
  /** Sections without a value left out. */
  readonly data: unknown;
  readonly unset: readonly UnsetSecret[];
  readonly secretFiles: readonly string[];
}

export interface PolicyFiles {
  readonly files: readonly PolicyFile[];
  readonly problems: readonly Problem[];
}

const namedSections = ['routes', 'retry', 'sites'] as const;

/** One file, or the *.yaml of a folder in name order. */
export function readPolicyFiles(path: string, environment: Environment): PolicyFiles {
  const names = fileNames(path);
  if ('problem' in names) return { files: [], problems: [names.problem] };
  const read = names.files.map((file) => readPolicyFile(file, environment));
  const files = read.flatMap((one) => (one.file === null ? [] : [one.file]));
  return { files, problems: [...read.flatMap(({ problems }) => problems), ...repeatedNames(files)] };
}

function fileNames(path: string): { readonly files: readonly string[] } | { readonly problem: Problem } {
  try {
    if (!statSync(path).isDirectory()) return { files: [resolve(path)] };
    const names = readdirSync(path).filter((name) => name.endsWith('.yaml') && !name.startsWith('.'));
    if (names.length > 0) return { files: names.sort().map((name) => resolve(path, name)) };
    return { problem: problemOfWhole(path, 'there is no *.yaml in this folder') };
  } catch (error) {
    return { problem: problemOfWhole(path, `cannot be read: ${reasonOf(error)}`) };
  }
}

function readPolicyFile(
  file: string,
  environment: Environment,
): { readonly file: PolicyFile | null; readonly problems: readonly Problem[] } {
  const read = readText(file);
  if ('problem' in read) return { file: null, problems: [read.problem] };
  const document = new YamlDocument(file, read.text);
  const { unset, files: secretFiles } = expandSecrets(document, environment);
  const value = document.value();
  if ('problem' in value) return { file: null, problems: [...document.problems, value.problem] };
  return {
    file: { document, data: sectionsOf(value.data), unset, secretFiles },
    problems: document.problems,
  };
}

function sectionsOf(data: unknown): unknown {
  if (data === null) return {};
  if (!isRecord(data)) return data;
  return Object.fromEntries(Object.entries(data).filter(([, section]) => section !== null));
}

/** Names that rules may refer to. */
export function namesIn(files: readonly PolicyFile[]): KnownNames {
  return {
    routes: files.flatMap((file) => namesUnder(file, 'routes')),
    schedules: files.flatMap((file) => namesUnder(file, 'retry')),
  };
}

/** Routes that some rule names. */
export function routesNamed(files: readonly PolicyFile[]): string[] {
  return files.flatMap(rulesOf).flatMap((rule) => (isRecord(rule) ? [rule.route].flat().map(String) : []));
}

function namesUnder(file: PolicyFile, section: (typeof namedSections)[number]): string[] {
  const named = isRecord(file.data) ? file.data[section] : undefined;
  return isRecord(named) ? Object.keys(named) : [];
}

export function rulesOf(file: PolicyFile): readonly unknown[] {
  const rules = isRecord(file.data) ? file.data.rules : undefined;
  return Array.isArray(rules) ? rules : [];
}

/** A name that stands twice would make one of the two a dead letter. The YAML parser sees those in one map. */
function repeatedNames(files: readonly PolicyFile[]): Problem[] {
  const seen = new Map<string, string>();
  const problems: Problem[] = [];
  const meet = (file: PolicyFile, kind: string, name: string, path: Path): void => {
    const place = file.document.place(path, kind === 'rule' ? 'value' : 'key');
    const first = seen.get(`${kind} ${name}`);
    if (first === undefined) seen.set(`${kind} ${name}`, `${place.file}:${place.line}`);
    else problems.push(problemAt(place, path, `the name ${name} is taken`, { hint: `by ${first}` }));
  };
  for (const file of files) {
    for (const section of namedSections) {
      for (const name of namesUnder(file, section)) meet(file, section, name, [section, name]);
    }
    rulesOf(file).forEach((rule, index) => {
      if (isRecord(rule) && typeof rule.name === 'string')
        meet(file, 'rule', rule.name, ['rules', index, 'name']);
    });
  }
  return problems;
}
