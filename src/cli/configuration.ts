// The settings and the policy that a command works with.
// Commands call it with their --config; config/load.ts and policy/load.ts read and check.
// Never goes on with a file that has an error: all mistakes are told at once, exit 78.
import type { Environment } from '../config/environment.ts';
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
}

/** Rejects with a CommandError that has a line for each mistake. */
export async function readConfiguration(file: string | undefined): Promise<Configuration> {
  const { settings, warnings, environment } = await load(file);
  const { loadPolicy } = await import('../policy/load.ts');
  const loaded = await loadPolicy({ file: settings.policy, environment });
  if ('problems' in loaded) throw await configurationError(loaded.problems);
  return { settings, policy: loaded.policy, environment, warnings: [...warnings, ...loaded.warnings] };
}

/** The daemon's settings alone: where to reach it. */
export async function readSettings(file: string | undefined): Promise<Settings> {
  return (await load(file)).settings;
}

async function load(file: string | undefined): Promise<Omit<Configuration, 'policy'>> {
  // YAML and its checks take a third of a command's start: not loaded for --help.
  const [{ loadSettings }, { readEnvironment }] = await Promise.all([
    import('../config/load.ts'),
    import('../config/environment.ts'),
  ]);
  const environment = readEnvironment();
  const loaded = await loadSettings({ environment, ...(file === undefined ? {} : { file }) });
  if ('problems' in loaded) throw await configurationError(loaded.problems);
  return { ...loaded, environment };
}

async function configurationError(problems: readonly Problem[]): Promise<CommandError> {
  const { formatProblem } = await import('../config/problem.ts');
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const message = `${count(errors, 'mistake', 'mistakes')} in the configuration`;
  return new CommandError(exitCodes.configuration, message, problems.map(formatProblem));
}
