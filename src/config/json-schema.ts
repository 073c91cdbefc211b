// The keys of both files as JSON Schema, for editors that complete and check while one writes.
// `check --schema` prints it, scripts/write-schemas.ts keeps it beside the files that ship.
// Never the last word: what keys need of each other, and names that refer to others, only `check` sees.
import { z } from 'zod';
import { builtInNames } from '../policy/compile.ts';
import { policySchema } from '../policy/schema.ts';
import type { Complaint } from './fields.ts';
import { isRecord } from './record.ts';
import { settingsSchema } from './schema.ts';

export const schemaKinds = ['settings', 'policy'] as const;
export type SchemaKind = (typeof schemaKinds)[number];

type Json = Readonly<Record<string, unknown>>;

/** Draft 7: what language servers for YAML know best. Keys without a function in this version are left out. */
export function jsonSchema(kind: SchemaKind): Json {
  const schema = kind === 'settings' ? settingsSchema : policySchema(builtInNames);
  const marked = z.toJSONSchema(schema, {
    target: 'draft-7',
    // What people write, not what it becomes.
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: json }) => mark(zodSchema, json as Record<string, unknown>),
  });
  return { ...(plain(marked) as Json), title: `Sendoff ${kind}` };
}

/** Marks travel through zod's own flattening and are gone afterwards. */
const NOT_YET = 'x-not-yet';
const NO_OTHER_KEYS = 'x-no-other-keys';
const ONE_OR_MORE = 'x-one-or-more';

function mark(schema: z.core.$ZodTypes, json: Record<string, unknown>): void {
  const { def } = schema._zod;
  if (def.type === 'custom') {
    const kind: Complaint['kind'] | undefined = def.params?.kind;
    if (kind === 'not-yet') json[NOT_YET] = true;
    if (kind === 'unknown-key') json[NO_OTHER_KEYS] = true;
  }
  // As `oneOrMore` is made: an item is put into a list before the list is looked at.
  if (def.type === 'pipe' && def.in._zod.def.type === 'transform' && json.type === 'array')
    json[ONE_OR_MORE] = true;
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isRecord(value)) return value;
  if (value[NO_OTHER_KEYS] === true) return false;
  const { [ONE_OR_MORE]: isOneOrMore, [NOT_YET]: _, ...rest } = value;
  if (isOneOrMore === true) {
    const items = plain(rest.items);
    return { anyOf: [items, { type: 'array', items, minItems: 1 }] };
  }
  const kept = Object.entries(rest).filter(([, inner]) => !isLeftOut(inner));
  return Object.fromEntries(kept.map(([key, inner]) => [key, plain(inner)]));
}

/** Keys that wait for a later version, and the limits of a JavaScript integer: they tell nobody anything. */
function isLeftOut(value: unknown): boolean {
  if (isRecord(value)) return value[NOT_YET] === true;
  return typeof value === 'number' && Math.abs(value) === Number.MAX_SAFE_INTEGER;
}
