// Environment variables that stand above sendoff.yaml: SENDOFF_DATA, SENDOFF_REDIS_URL, SENDOFF__SECTION__KEY.
// load.ts lays them over the file's data before the schema sees either.
// Never accepts a variable that names no key: a typo there would be a setting that is silently absent.
import { z } from 'zod';
import { YamlDocument } from './document.ts';
import type { Environment } from './environment.ts';
import { closest, type Path, type Problem, problemOfWhole } from './problem.ts';
import { settingsSchema } from './schema.ts';
import { expandSecrets } from './secrets.ts';

/** A key's value from the environment. */
export interface Override {
  readonly variable: string;
  readonly path: Path;
  readonly value: unknown;
}

const PREFIX = 'SENDOFF__';

/** Variables with a name of their own; their value is plain text, and an empty one counts as not set. */
const named: readonly (readonly [variable: string, path: Path])[] = [
  ['SENDOFF_DATA', ['data']],
  ['SENDOFF_REDIS_URL', ['redis', 'url']],
];

/** All overrides, the later ones stronger, and what is wrong with them. */
export function readOverrides(environment: Environment): {
  readonly overrides: readonly Override[];
  readonly problems: readonly Problem[];
} {
  const overrides: Override[] = [];
  const problems: Problem[] = [];
  for (const [variable, path] of named) {
    const value = environment[variable];
    if (value !== undefined && value !== '') overrides.push({ variable, path, value });
  }
  for (const variable of Object.keys(environment).sort()) {
    if (!variable.toUpperCase().startsWith(PREFIX)) continue;
    const found = readOverride(variable, environment);
    if ('problems' in found) problems.push(...found.problems);
    else overrides.push(found);
  }
  return { overrides, problems };
}

function readOverride(
  variable: string,
  environment: Environment,
): Override | { readonly problems: readonly Problem[] } {
  const path = keyNamed(variable.slice(PREFIX.length).split('__'));
  if (typeof path === 'string')
    return { problems: [problemOfWhole(variable, 'names no key of sendoff.yaml', path)] };
  const document = new YamlDocument(variable, environment[variable] ?? '');
  const value = document.value();
  const { data, unset } = expandSecrets('data' in value ? value.data : null, '', environment);
  const wrong = [...document.problems, ...('problem' in value ? [value.problem] : []), ...unset];
  if (wrong.length > 0) return { problems: wrong.map(({ message }) => problemOfWhole(variable, message)) };
  return { variable, path, value: data };
}

/** The key that the parts of a variable's name stand for, or a hint when there is none. */
function keyNamed(parts: readonly string[]): Path | string {
  const path: string[] = [];
  let schema: unknown = settingsSchema;
  for (const part of parts) {
    const shape = shapeOf(schema);
    const key = Object.keys(shape ?? {}).find((name) => name.toLowerCase() === part.toLowerCase());
    if (shape === null || key === undefined) return hintFor(path, part, shape);
    path.push(key);
    schema = shape[key];
  }
  return path;
}

function hintFor(
  path: readonly string[],
  part: string,
  shape: Readonly<Record<string, unknown>> | null,
): string {
  if (shape === null)
    return `${path.join('.')} has no keys that a variable can set: give the whole of it as YAML`;
  const meant = closest(part, Object.keys(shape));
  if (meant === undefined) return `known here: ${Object.keys(shape).join(', ')}`;
  return `did you mean ${PREFIX}${[...path, meant].join('__').toUpperCase()}?`;
}

/** The keys of a section, through defaults and optionals; null for anything else. */
function shapeOf(schema: unknown): Readonly<Record<string, unknown>> | null {
  if (schema instanceof z.ZodObject) return schema.shape;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault) {
    return shapeOf(schema.unwrap());
  }
  return null;
}
