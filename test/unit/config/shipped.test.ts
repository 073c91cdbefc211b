// The files that ship: they load, and the annotated ones explain every key and tell the true defaults.
// Reads config/ of the checkout.
// Never writes there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { loadSettings } from '../../../src/config/load.ts';
import { loadPolicy } from '../../../src/config/load-policy.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { settingsSchema } from '../../../src/config/schema.ts';
import type { Settings } from '../../../src/config/settings.ts';
import { decide } from '../../../src/policy/evaluate.ts';
import type { Policy } from '../../../src/policy/policy.ts';
import { policySchema } from '../../../src/policy/schema.ts';
import { detailsPage } from '../../harness/policy-page.ts';

const checkout = new URL('../../..', import.meta.url).pathname;
const shipped = (name: string): string => join(checkout, 'config', name);

function settingsIn(name: string): Settings {
  const loaded = loadSettings({ file: shipped(name), environment: {} });
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.settings;
}

const environment = { PROVIDER_PASSWORD: 'x', GMAIL_SECRET: 'x', GMAIL_TOKEN: 'x', POP_PASSWORD: 'x' };

function policyIn(name: string): { readonly policy: Policy; readonly warnings: readonly string[] } {
  const loaded = loadPolicy(shipped(name), { environment });
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return { policy: loaded.policy, warnings: loaded.warnings.map(formatProblem) };
}

/** Every key in a schema that has a function, through lists, maps and defaults. */
function keysIn(schema: unknown, keys = new Set<string>()): Set<string> {
  if (schema instanceof z.ZodObject) {
    for (const [key, inner] of Object.entries(schema.shape)) {
      if (inner instanceof z.ZodOptional && inner.unwrap() instanceof z.ZodCustom) continue;
      keys.add(key);
      keysIn(inner, keys);
    }
  } else if (schema instanceof z.ZodArray) keysIn(schema.element, keys);
  else if (schema instanceof z.ZodRecord) keysIn(schema.valueType, keys);
  else if (schema instanceof z.ZodUnion) for (const option of schema.options) keysIn(option, keys);
  else if (schema instanceof z.ZodPipe) for (const end of [schema.in, schema.out]) keysIn(end, keys);
  else if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  )
    keysIn(schema.unwrap(), keys);
  return keys;
}

function keysMissingFrom(name: string, schema: unknown): string[] {
  const text = readFileSync(shipped(name), 'utf8');
  // Failure classes are keys too; the reference names them all in one line.
  return [...keysIn(schema)].filter((key) => !new RegExp(`\\b${key}(:|[, .])`).test(text));
}

test('the default settings listen on loopback and take the policy beside them', () => {
  expect(settingsIn('sendoff.yaml')).toMatchObject({
    listeners: [{ address: '127.0.0.1', port: 2525 }],
    data: join(checkout, 'var'),
    policy: shipped('policy.yaml'),
  });
});

test('the default policy sends everything direct, without a doubt', () => {
  const { policy, warnings } = policyIn('policy.yaml');
  expect(warnings).toEqual([]);
  expect(decide(policy, { from: 'a@example.net', to: 'b@example.org' }).ending).toEqual({
    kind: 'route',
    routes: ['direct'],
  });
});

test('the reference of the settings shows the defaults, but where it says otherwise', () => {
  const reference = settingsIn('reference.yaml');
  const said = {
    file: null,
    hostname: '',
    postmaster: '',
    qualify: '',
    listeners: [],
    redisUrl: '',
    dns: {},
    policy: '',
  };
  const built = loadSettings({ file: '/dev/null', environment: {} });
  if ('problems' in built) throw new Error(built.problems.map(formatProblem).join('\n'));
  expect({ ...reference, ...said, data: '', admin: { ...reference.admin, token: null } }).toEqual({
    ...built.settings,
    ...said,
    data: '',
  });
});

test('the references explain every key', () => {
  expect(keysMissingFrom('reference.yaml', settingsSchema)).toEqual([]);
  const names = { routes: [], schedules: [] };
  expect(keysIn(policySchema(names))).toContain('messagesPerConnection');
  expect(keysMissingFrom('policy-reference.yaml', policySchema(names))).toEqual([]);
});

test('the page on the details of policies has every key, as code', () => {
  const code = (detailsPage.match(/`[^`]+`/g) ?? []).join('\n');
  const keys = [...keysIn(policySchema({ routes: [], schedules: [] }))];
  expect(keys.filter((key) => !new RegExp(`\\b${key}\\b`).test(code))).toEqual([]);
});

test('the reference of the policy loads without a doubt, and its defaults are the true ones', () => {
  const { policy, warnings } = policyIn('policy-reference.yaml');
  expect(warnings).toEqual([]);
  const built = loadPolicy(null, { environment: {} });
  if ('problems' in built) throw new Error('the built-in policy has problems');
  expect(policy.defaultSite).toEqual(built.policy.defaultSite);
  expect({ ...policy.defaultRetry, classes: null }).toEqual({ ...built.policy.defaultRetry, classes: null });
});
