// The settings and the policy that a command works with.
// Commands call it with their --config; config/ reads and checks.
// Never goes on with a file that has an error: all mistakes are told at once, exit 78.
import type { Environment } from '../config/environment.ts';
import type { TestResult } from '../config/policy-tests.ts';
import type { Problem } from '../config/problem.ts';
import type { Settings } from '../config/settings.ts';
import type { Policy } from '../policy/policy.ts';
import { CommandError, exitCodes } from './exit.ts';
import { count } from './text.ts';

export interface Configuration {
  readonly settings: Settings;
  readonly policy: Policy;
  readonly environment: Environment;
  readonly warnings: readonly Problem[];
  /** The policy's own tests. */
  readonly tests: readonly TestResult[];
}

/** Errors, and the warnings that were found beside them. */
export interface Mistaken {
  readonly problems: readonly Problem[];
}

/** With `tell`, a policy whose own tests fail is read all the same. */
export async function readConfiguration(
  file: string | undefined,
  failingTests: 'refuse' | 'tell' = 'refuse',
): Promise<Configuration | Mistaken> {
  const loaded = await load(file);
  if ('problems' in loaded) return loaded;
  const { settings, environment, warnings } = loaded;
  const { loadPolicy } = await import('../config/load-policy.ts');
  const { softBounce } = settings.delivery;
  const loadedPolicy = loadPolicy(settings.policy, { environment, softBounce, failingTests });
  if ('problems' in loadedPolicy) return { problems: [...warnings, ...loadedPolicy.problems] };
  const { policy, tests } = loadedPolicy;
  return { settings, policy, environment, warnings: [...warnings, ...loadedPolicy.warnings], tests };
}

/** The daemon's settings alone: where to reach it. Rejects with a line for each mistake. */
export async function readSettings(file: string | undefined): Promise<Settings> {
  const loaded = await load(file);
  if ('problems' in loaded) throw await configurationError(loaded.problems);
  return loaded.settings;
}

/** What ends a command that cannot go on. */
export async function configurationError(problems: readonly Problem[]): Promise<CommandError> {
  const { formatProblem } = await import('../config/problem.ts');
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const message = `${count(errors, 'mistake', 'mistakes')} in the configuration`;
  return new CommandError(exitCodes.configuration, message, problems.map(formatProblem));
}

async function load(file: string | undefined): Promise<Omit<Configuration, 'policy' | 'tests'> | Mistaken> {
  // YAML and its checks take a third of a command's start: not loaded for --help.
  const [{ loadSettings }, { readEnvironment }] = await Promise.all([
    import('../config/load.ts'),
    import('../config/environment.ts'),
  ]);
  const environment = readEnvironment();
  const loaded = loadSettings({ file, environment });
  return 'problems' in loaded ? loaded : { ...loaded, environment };
}
