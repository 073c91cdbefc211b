// The JSON Schema for editors: the shipped files say what the sources say, and fit the YAML beside them.
// Checks with the few keywords of JSON Schema that ours are made of.
// Never writes: `npm run schemas` does.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { jsonSchema, type SchemaKind } from '../../../src/config/json-schema.ts';

const config = new URL('../../../config', import.meta.url).pathname;
const read = (name: string): string => readFileSync(join(config, name), 'utf8');

type Schema = Readonly<Record<string, unknown>> | boolean | undefined;
type Keyed = Readonly<Record<string, Schema>>;

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What `#/definitions/…` means, for conditions within conditions. */
const definitions = jsonSchema('policy').definitions as Keyed;

/** Paths at which a value does not fit. */
function misfits(schema: Schema, value: unknown, at = ''): string[] {
  if (schema === undefined || schema === true) return [];
  if (isMap(schema) && typeof schema.$ref === 'string') {
    return misfits(definitions[schema.$ref.replace('#/definitions/', '')] ?? false, value, at);
  }
  if (schema === false) return [at];
  const { anyOf, oneOf, type, enum: values, const: only, pattern, required, minItems } = schema;
  if (schema.allOf) return (schema.allOf as Schema[]).flatMap((one) => misfits(one, value, at));
  const branches = (anyOf ?? oneOf) as Schema[] | undefined;
  if (branches) return branches.some((one) => misfits(one, value, at).length === 0) ? [] : [at];
  const kind = Array.isArray(value)
    ? 'array'
    : Number.isInteger(value)
      ? 'integer'
      : isMap(value)
        ? 'object'
        : typeof value;
  const kinds = [kind, ...(kind === 'integer' ? ['number'] : [])];
  if (type !== undefined && ![type].flat().some((one) => kinds.includes(String(one)))) return [at];
  if (values !== undefined && !(values as unknown[]).includes(value)) return [at];
  if ('const' in schema && only !== value) return [at];
  if (pattern !== undefined && !new RegExp(pattern as string).test(String(value))) return [at];
  if (Array.isArray(value)) {
    if (value.length < Number(minItems ?? 0)) return [at];
    return value.flatMap((item, i) => misfits(schema.items as Schema, item, `${at}[${i}]`));
  }
  if (!isMap(value)) return [];
  const missing = ((required ?? []) as string[]).filter((key) => !(key in value));
  const known = (schema.properties ?? {}) as Keyed;
  const others = schema.additionalProperties as Schema;
  return [
    ...missing.map((key) => `${at}.${key}`),
    ...Object.entries(value).flatMap(([key, inner]) =>
      misfits(key in known ? known[key] : others, inner, `${at}.${key}`),
    ),
  ];
}

const files: readonly { readonly kind: SchemaKind; readonly schema: string; readonly yaml: string[] }[] = [
  { kind: 'settings', schema: 'sendoff.schema.json', yaml: ['sendoff.yaml', 'reference.yaml'] },
  { kind: 'policy', schema: 'policy.schema.json', yaml: ['policy.yaml', 'policy-reference.yaml'] },
];

describe.each(files)('$kind', ({ kind, schema, yaml }) => {
  test(`${schema} is what the sources say (npm run schemas)`, () => {
    expect(JSON.parse(read(schema))).toEqual(jsonSchema(kind));
    expect(read(schema)).not.toMatch(/"x-|9007199254740991/);
  });

  test.each(yaml)('%s names it, and fits it', (name) => {
    expect(read(name).split('\n')[0]).toBe(`# yaml-language-server: $schema=./${schema}`);
    expect(misfits(jsonSchema(kind), parse(read(name)))).toEqual([]);
  });
});

test.each<[SchemaKind, string, string]>([
  ['settings', 'hostnam: relay.example.net', '.hostnam'],
  ['settings', 'limits: { recipients: many }', '.limits.recipients'],
  ['settings', 'log: { level: loud }', '.log.level'],
  ['settings', 'listeners: []', '.listeners'],
  ['settings', 'listeners: [{ address: 127.0.0.1 }]', '.listeners[0].port'],
  ['policy', 'rules: [{ rout: direct }]', '.rules[0].rout'],
  ['policy', 'rules: [{ route: direct, fallback: { canary: 1 } }]', '.rules[0].fallback.canary'],
  ['policy', 'rules: [{ when: { not: { too: a.example } }, hold: later }]', '.rules[0].when'],
  ['policy', 'rules: [{ route: direct, fallback: { after: soon } }]', '.rules[0].fallback.after'],
  ['policy', 'rules: [{ when: { to: 7 }, route: direct }]', '.rules[0].when'],
  ['policy', 'routes: { direct: { via: pigeon } }', '.routes.direct'],
  ['policy', 'sites: { big: { connections: 0.5 } }', '.sites.big.connections'],
])('%s: an editor marks %s', (kind, yaml, path) => {
  expect(misfits(jsonSchema(kind), parse(yaml))).toEqual([path]);
});

test('one value or a list of them are both right', () => {
  const rules = [
    '{ route: direct, when: { to: a.example } }',
    '{ route: [direct], when: { to: [a.example] } }',
  ];
  for (const rule of rules) expect(misfits(jsonSchema('policy'), parse(`rules: [${rule}]`))).toEqual([]);
});
