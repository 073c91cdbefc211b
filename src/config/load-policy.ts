// Reads a policy, one file or a folder of them, into a Policy or into the list of all that is wrong.
// The start, each reload and `check` call it; policy/ knows the language and does no I/O.
// Never throws for a mistake in a file.
import { knownServices } from '../delivery/services.ts';
import { builtInNames, compilePolicy } from '../policy/compile.ts';
import type { Policy } from '../policy/policy.ts';
import { type Doubt, doubtsAbout } from '../policy/review.ts';
import type { KnownNames } from '../policy/rule-schema.ts';
import { type PolicyData, policySchema } from '../policy/schema.ts';
import { problemAt } from './document.ts';
import type { Environment } from './environment.ts';
import { findingsOf, parseOptions } from './issues.ts';
import { listIn, namesIn, type PolicyFile, readPolicyFiles, routesNamed } from './policy-files.ts';
import { runTests, type TestResult } from './policy-tests.ts';
import { hasErrors, inReadingOrder, type Path, type Problem } from './problem.ts';
import { isRecord } from './record.ts';
import { rewriteProblems } from './rewrite-problems.ts';
import { concerns, type UnsetSecret } from './secrets.ts';

export interface LoadedPolicy {
  readonly policy: Policy;
  /** All that was read, absolute, a folder and secret files included: a change of one calls for a reload. */
  readonly files: readonly string[];
  readonly warnings: readonly Problem[];
  /** The policy's own tests; all have passed, unless failing ones are to be told. */
  readonly tests: readonly TestResult[];
}

export interface PolicyRequest {
  readonly environment: Environment;
  /** `delivery.softBounce` of the settings; default false. */
  readonly softBounce?: boolean;
  /** `refuse`, the default: a failing test is an error. `tell`: it stands among the results. */
  readonly failingTests?: 'refuse' | 'tell';
}

/** `path` is a file or a folder; null is the built-in policy: everything direct. */
export function loadPolicy(
  path: string | null,
  { environment, softBounce = false, failingTests = 'refuse' }: PolicyRequest,
): LoadedPolicy | { readonly problems: readonly Problem[] } {
  if (path === null)
    return {
      policy: compilePolicy(policySchema(builtInNames).parse({}), softBounce),
      files: [],
      warnings: [],
      tests: [],
    };
  const { files, problems: fileProblems } = readPolicyFiles(path, environment);
  // What the parser makes of a file with a wrong indentation is a guess: mistakes in it would be news of the guess.
  if (fileProblems.some(isOfWhole)) return { problems: inReadingOrder(fileProblems) };
  // Mail that no rule ends takes the built-in route, whatever the policy makes of it.
  const taken = new Set([...builtInNames.routes, ...routesNamed(files)]);
  const names = withBuiltIn(namesIn(files));
  const problems = inReadingOrder([
    ...fileProblems,
    ...files.flatMap((file) => mistakesIn(file, names)),
    ...files.flatMap((file) => unsetSecrets(file, taken)),
  ]);
  if (hasErrors(problems)) return { problems };
  const parts = files.map((file) => policySchema(names, knownServices).parse(usable(file)));
  const unending = rewriteProblems(files, parts);
  if (unending.length > 0) return { problems: inReadingOrder([...problems, ...unending]) };
  const data = merged(parts);
  const policy = compilePolicy(data, softBounce);
  const tests = files.flatMap((file, i) => runTests(policy, file, parts[i]?.tests ?? []));
  const failing = tests.flatMap((test) => test.problems);
  if (failing.length > 0 && failingTests === 'refuse') {
    return { problems: inReadingOrder([...problems, ...failing]) };
  }
  const doubts = doubtsAbout(policy, data).map((doubt) => doubtAt(doubt, files));
  const read = files.flatMap((file) => [file.document.file, ...file.secretFiles]);
  const warnings = inReadingOrder([...problems, ...doubts]);
  return { policy, files: [...new Set([path, ...read])], warnings, tests };
}

/** A file that cannot be read, or that is no YAML. */
function isOfWhole({ path, severity }: Problem): boolean {
  return path === '' && severity === 'error';
}

function withBuiltIn(names: KnownNames): KnownNames {
  return {
    routes: [...builtInNames.routes, ...names.routes],
    schedules: [...builtInNames.schedules, ...names.schedules],
  };
}

/** What the schema finds, but for what it says of placeholders that nothing stands behind. */
function mistakesIn(file: PolicyFile, names: KnownNames): Problem[] {
  const parsed = policySchema(names, knownServices).safeParse(file.data, parseOptions);
  if (parsed.success) return [];
  return findingsOf(parsed.error)
    .filter(({ path }) => !file.unset.some((secret) => concerns(secret, path)))
    .map((finding) =>
      problemAt(file.document.place(finding.path, finding.at), finding.path, finding.message, finding),
    );
}

/** A route that no rule takes may wait for its secrets; it is left out. */
function unsetSecrets(file: PolicyFile, taken: ReadonlySet<string>): Problem[] {
  return file.unset.map((secret) => {
    const route = routeOf(secret);
    const needed = route === null || taken.has(route);
    const message = needed ? secret.message : `${secret.message}: the route ${route} is left out`;
    const place = file.document.place(secret.path, 'value');
    return problemAt(place, secret.path, message, { severity: needed ? 'error' : 'warning' });
  });
}

function routeOf({ path }: UnsetSecret): string | null {
  return path[0] === 'routes' && path.length > 1 ? String(path[1]) : null;
}

/** The file's data without the routes whose secrets are not set. */
function usable({ data, unset }: PolicyFile): unknown {
  if (unset.length === 0 || !isRecord(data) || !isRecord(data.routes)) return data;
  const leftOut = new Set(unset.map(routeOf));
  const routes = Object.entries(data.routes).filter(([name]) => !leftOut.has(name));
  return { ...data, routes: Object.fromEntries(routes) };
}

function merged(parts: readonly PolicyData[]): PolicyData {
  return {
    routes: Object.assign({}, ...parts.map(({ routes }) => routes)),
    retry: Object.assign({}, ...parts.map(({ retry }) => retry)),
    sites: Object.assign({}, ...parts.map(({ sites }) => sites)),
    rules: parts.flatMap(({ rules }) => rules),
    quotas: parts.flatMap(({ quotas }) => quotas),
    warmup: parts.flatMap(({ warmup }) => warmup),
    rewrite: {
      senders: parts.flatMap(({ rewrite }) => rewrite.senders),
      recipients: parts.flatMap(({ rewrite }) => rewrite.recipients),
    },
    tests: parts.flatMap(({ tests }) => tests),
  };
}

function doubtAt(doubt: Doubt, files: readonly PolicyFile[]): Problem {
  const { file, path } = holderOf(doubt, files);
  const place = file?.document.place(path, 'key') ?? { file: 'policy.yaml', line: 0, column: 0 };
  return problemAt(place, path, doubt.message, { severity: 'warning' });
}

/** The file that a doubt is about, and the key in it. */
function holderOf(
  { about }: Doubt,
  files: readonly PolicyFile[],
): { readonly file: PolicyFile | undefined; readonly path: Path } {
  switch (about.kind) {
    case 'rule':
      return itemAt('rules', about.index, about.keys ?? [], files);
    case 'warmup':
      return itemAt('warmup', about.index, ['source'], files);
    case 'quota':
      return itemAt('quotas', about.index, [], files);
    case 'policy':
      return { file: files.at(-1), path: ['rules'] };
    case 'route':
      return {
        file: files.find((one) => namesIn([one]).routes.includes(about.name)),
        path: ['routes', about.name],
      };
    case 'schedule':
      return {
        file: files.find((one) => namesIn([one]).schedules.includes(about.name)),
        path: ['retry', about.name],
      };
  }
}

/** `keys` in the item with this number among those of all files. */
function itemAt(
  section: 'rules' | 'warmup' | 'quotas',
  index: number,
  keys: Path,
  files: readonly PolicyFile[],
) {
  let left = index;
  for (const file of files) {
    const items = listIn(file, section).length;
    if (left < items) return { file, path: [section, left, ...keys] };
    left -= items;
  }
  return { file: undefined, path: [] };
}
