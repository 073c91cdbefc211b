// Writes config/*.schema.json from the schemas of the sources: what editors complete and check with.
// Run by hand after a change of a key (`npm run schemas`); test/unit/config/json-schema.test.ts tells when.
// Never decides what a key is: src/config/json-schema.ts does.
import { writeFileSync } from 'node:fs';
import { jsonSchema, schemaKinds } from '../src/config/json-schema.ts';

const names = { settings: 'sendoff', policy: 'policy' } as const;

for (const kind of schemaKinds) {
  const file = new URL(`../config/${names[kind]}.schema.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify(jsonSchema(kind), null, 2)}\n`);
}
