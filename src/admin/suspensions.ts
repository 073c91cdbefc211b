// The JSON interface's part for suspensions: what is suspended, suspend, resume.
// api.ts adds it behind the guard; operations do the work.
// Never lets a scope reach all mail because a part was forgotten.
import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import { parseDuration } from '../config/quantities.ts';
import type { Observer } from '../observe/events.ts';
import type { Operations, SuspensionScope } from '../operations/operations.ts';
import { BadRequest, LONGEST_REASON, normalDomain, parse } from './requests.ts';

/** When the request does not say for how long: what nobody remembers must not wait for days. */
const DEFAULT_MS = 3_600_000;
/** A year. Longer is a mistake in the unit, or a rule that belongs in the policy. */
const LONGEST_MS = 365 * 86_400_000;
/** Characters of a site's or route's name: a dozen host names, and a key that the spool takes. */
const LONGEST_NAME = 400;

const name = z
  .string()
  .min(1)
  .max(LONGEST_NAME)
  .regex(/^[!-~]+$/, 'a name without spaces');
const scopeShape = {
  site: name.optional(),
  route: name.optional(),
  domain: z.string().min(1).max(255).transform(normalDomain).optional(),
};
const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== null && ms > 0 && ms <= LONGEST_MS) return ms;
  context.addIssue(`${text} is not a duration from 1ms to 365d, such as 30m, 2h or 1d`);
  return z.NEVER;
});
const suspend = z.strictObject({
  ...scopeShape,
  for: duration.default(DEFAULT_MS),
  reason: z.string().min(1).max(LONGEST_REASON).optional(),
});
const resume = z.strictObject(scopeShape);

export interface SuspensionsOptions {
  readonly operations: Operations;
  readonly observer: Observer;
}

export function addSuspensions(app: FastifyInstance, { operations, observer }: SuspensionsOptions): void {
  app.get('/api/suspensions', () => ({ suspensions: operations.suspensions() }));
  app.post('/api/suspend', async (request) => {
    const { for: ms, reason = null, ...parts } = parse(suspend, request.body ?? {});
    const scope = given(parts);
    const suspended = await operations.suspend(scope, ms, reason);
    if ('refused' in suspended) throw new BadRequest(suspended.refused);
    observer.info('admin: suspend', { scope, ms, reason });
    return suspended;
  });
  app.post('/api/resume', async (request) => {
    const scope = given(parse(resume, request.body ?? {}));
    const result = await operations.resume(scope);
    observer.info('admin: resume', { scope, ...result });
    return result;
  });
}

function given(parts: { readonly [part in keyof SuspensionScope]: string | undefined }): SuspensionScope {
  const scope = Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined));
  if (Object.keys(scope).length > 0) return scope;
  throw new BadRequest(`scope: give at least one of ${Object.keys(scopeShape).join(', ')}`);
}
