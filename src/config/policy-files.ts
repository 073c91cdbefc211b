// The files of a policy as they stand on disk: which they are, what is in them, which names they share.
// load-policy.ts checks and compiles what is read here.
// Never knows more of the language than its four sections.
import { readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { KnownNames } from '../policy/rule-schema.ts';
import { problemAt, type YamlDocument } from './document.ts';
import type { Environment } from './environment.ts';
import { type Path, type Problem, problemOfWhole } from './problem.ts';
import { isRecord } from './record.ts';
import { readYamlFile, reasonOf, type YamlFile } from './yaml-file.ts';

/** A file that could be read. Sections without a value are left out of `data`. */
export type PolicyFile = YamlFile & { readonly document: YamlDocument };

export interface PolicyFiles {
  readonly files: readonly PolicyFile[];
  readonly problems: readonly Problem[];
}

const namedSections = ['routes', 'retry', 'sites'] as const;

/** One file, or the *.yaml of a folder in name order. */
export function readPolicyFiles(path: string, environment: Environment): PolicyFiles {
  const names = fileNames(path);
  if ('problem' in names) return { files: [], problems: [names.problem] };
  const read = names.files.map((file) => readYamlFile(file, environment));
  const files = read.flatMap(({ document, ...file }) =>
    document === null ? [] : [{ ...file, document, data: sectionsOf(file.data) }],
  );
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
  const rules = files.flatMap((file) => listIn(file, 'rules'));
  return rules.flatMap((rule) => (isRecord(rule) ? [rule.route].flat().map(String) : []));
}

function namesUnder(file: PolicyFile, section: (typeof namedSections)[number]): string[] {
  const named = isRecord(file.data) ? file.data[section] : undefined;
  return isRecord(named) ? Object.keys(named) : [];
}

export function listIn(file: PolicyFile, section: 'rules' | 'warmup' | 'quotas'): readonly unknown[] {
  const list = isRecord(file.data) ? file.data[section] : undefined;
  return Array.isArray(list) ? list : [];
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
    listIn(file, 'rules').forEach((rule, index) => {
      if (isRecord(rule) && typeof rule.name === 'string')
        meet(file, 'rule', rule.name, ['rules', index, 'name']);
    });
  }
  return problems;
}
