// `sendoff check`: reads settings and policy as `serve` would, and says what is wrong.
// program.ts calls it; needs no daemon.
// Never prints a secret.
import { type Configuration, readConfiguration } from './configuration.ts';
import type { Terminal } from './terminal.ts';
import { count } from './text.ts';

/** Rejects with a line for each mistake, exit 78. */
export async function check(
  file: string | undefined,
  options: { readonly print?: boolean; readonly json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const configuration = await readConfiguration(file);
  const { formatProblem } = await import('../config/problem.ts');
  for (const warning of configuration.warnings) terminal.err(`${formatProblem(warning)}\n`);
  if (options.print) {
    const { printable } = await import('../config/printable.ts');
    terminal.out(printable(configuration.settings));
  } else terminal.out(`${summary(configuration)}\n`);
}

function summary({ settings, policy }: Configuration): string {
  const from = settings.file ?? 'no file, defaults alone';
  const rules = count(policy.rules.length, 'rule', 'rules');
  const routes = count(policy.routes.size, 'route', 'routes');
  return `settings: ${from}\npolicy: ${settings.policy ?? 'built in'} (${rules}, ${routes})\nno mistakes`;
}
