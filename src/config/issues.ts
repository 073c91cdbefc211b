// Words for what zod found wrong: one sentence for each mistake, with a hint where one helps.
// load.ts and load-policy.ts turn the issues of a failed parse into problems with it.
// Never shows a value that may be a secret: only fields.ts quotes, and only what it could not read.
import type { z } from 'zod';
import type { Complaint } from './fields.ts';
import { closest, type Path } from './problem.ts';

/** One mistake, not yet placed in a file. */
export interface Finding {
  readonly path: Path;
  readonly message: string;
  readonly hint?: string;
  /** Points at the key rather than at its value. */
  readonly at: 'key' | 'value';
  /** It is part of the language, and has no function in this version. */
  readonly notYet?: true;
}

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map of keys',
  record: 'a map of keys',
  array: 'a list',
};

/** Every mistake that a failed parse found. Parse with `parseOptions`. */
export function findingsOf(error: z.ZodError): Finding[] {
  const findings = error.issues.flatMap((issue) => findingsOfIssue(issue, []));
  return findings.filter((finding) => !(finding.message === MISSING && findings.some(mayStandFor(finding))));
}

const MISSING = 'is missing';
const NO_VALUE = 'has no value';

/** A key that is not available yet (`service`) may stand for one that is missing (`hosts`) beside it. */
function mayStandFor(missing: Finding): (other: Finding) => boolean {
  const around = (path: Path): string => JSON.stringify(path.slice(0, -1));
  return (other) => other.notYet === true && around(other.path) === around(missing.path);
}

/** For `safeParse`: the input says whether a key is missing or wrong. */
export const parseOptions = {
  reportInput: true,
  error: wordingOf,
} satisfies z.core.ParseContext<z.core.$ZodIssue>;

function wordingOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === null) return NO_VALUE;
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? MISSING : `expected ${nouns[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `expected ${listed(issue.values.map(String))}`;
    default:
      return undefined;
  }
}

function findingsOfIssue(issue: z.core.$ZodIssue, base: Path): Finding[] {
  const path = [...base, ...issue.path.map((key) => (typeof key === 'number' ? key : String(key)))];
  if (issue.input === undefined && issue.code === 'invalid_type')
    return [{ path, message: MISSING, at: 'value' }];
  switch (issue.code) {
    case 'custom':
      return [complaint(path, issue)];
    case 'invalid_value':
      return [withHint({ path, message: issue.message, at: 'value' }, issue.input, issue.values.map(String))];
    case 'invalid_key':
      return issue.issues
        .flatMap((inner) => findingsOfIssue(inner, path))
        .map((found) => ({ ...found, path, at: 'key' }));
    case 'invalid_union':
      return unionFindings(issue, path);
    default:
      return [{ path, message: issue.message, at: 'value' }];
  }
}

/** Errors of our own checks, see `Complaint`. */
function complaint(path: Path, issue: z.core.$ZodIssueCustom): Finding {
  const about = issue.params as Complaint | undefined;
  switch (about?.kind) {
    case 'unknown-key':
      return unknownKey(path, about.known, about.elsewhere);
    case 'not-yet':
      return notAvailable(path, about, issue.input);
    default:
      return {
        path,
        message: issue.message,
        at: 'value',
        ...(about?.hint === undefined ? {} : { hint: about.hint }),
      };
  }
}

function unknownKey(
  path: Path,
  known: readonly string[],
  elsewhere: Readonly<Record<string, string>>,
): Finding {
  const key = String(path.at(-1));
  const meant = closest(key, known);
  const hint =
    elsewhere[key] ?? (meant === undefined ? `known here: ${known.join(', ')}` : `did you mean ${meant}?`);
  return { path, message: 'unknown key', hint, at: 'key' };
}

function notAvailable(path: Path, about: Extract<Complaint, { kind: 'not-yet' }>, value: unknown): Finding {
  const key = String(path.at(-1));
  const what = about.what === 'key' ? key : `${key}: ${String(value)}`;
  const reason = about.reason === undefined ? '' : `: ${about.reason}`;
  return { path, message: `\`${what}\` is not available in this version${reason}`, at: 'key', notYet: true };
}

/** Of a value that may be one of several kinds, the mistakes of the kind that it most looks like. */
function unionFindings(issue: z.core.$ZodIssueInvalidUnion, path: Path): Finding[] {
  if (issue.input === null) return [{ path, message: NO_VALUE, at: 'value' }];
  if (issue.discriminator !== undefined) return [{ path, message: kindsOf(issue), at: 'value' }];
  const alike = issue.errors.find((branch) => !branch.some(isOtherKind));
  if (alike !== undefined) return alike.flatMap((inner) => findingsOfIssue(inner, path));
  return [{ path, message: issue.message, at: 'value' }];
}

function isOtherKind(issue: z.core.$ZodIssue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function kindsOf(issue: z.core.$ZodIssueInvalidUnion): string {
  const options = (issue as { readonly options?: readonly unknown[] }).options ?? [];
  return `expected ${listed(options.map(String))}`;
}

function withHint(finding: Finding, input: unknown, known: readonly string[]): Finding {
  const meant = typeof input === 'string' ? closest(input, known) : undefined;
  return meant === undefined ? finding : { ...finding, hint: `did you mean ${meant}?` };
}

/** `a, b or c` */
function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`;
}
