// `sendoff check`: reads settings and policy as `serve` would, and says what is wrong.
// program.ts calls it; needs no daemon.
// Never prints a secret.
import type { Problem } from '../config/problem.ts';
import { type Configuration, readConfiguration } from './configuration.ts';
import { Excerpts, errorWithLines } from './excerpts.ts';
import { CommandError, exitCodes } from './exit.ts';
import type { Terminal } from './terminal.ts';
import { count } from './text.ts';

export interface CheckOptions {
  readonly print?: boolean;
  readonly json?: boolean;
  /** True: no kind was named. */
  readonly schema?: boolean | string;
}

/** Rejects when there is a mistake, exit 78: with a line for each, or after their list as JSON. */
export async function check(
  file: string | undefined,
  options: CheckOptions,
  terminal: Terminal,
): Promise<void> {
  if (options.schema !== undefined) return printSchema(options.schema, terminal);
  const read = await readConfiguration(file);
  if ('problems' in read) {
    if (!options.json) throw await errorWithLines(read.problems);
    terminal.out(jsonText({ problems: read.problems }));
    throw new CommandError(exitCodes.configuration, 'there are mistakes in the configuration');
  }
  if (!options.json) await warn(read.warnings, terminal);
  if (options.print) terminal.out(await inEffect(read, options));
  else terminal.out(options.json ? jsonText({ problems: read.warnings }) : summary(read));
}

/** Settings and policy with all defaults, secrets masked. */
async function inEffect({ settings, policy }: Configuration, { json }: CheckOptions): Promise<string> {
  const { printable, printableText } = await import('../config/printable.ts');
  return json ? jsonText(printable(settings, policy)) : printableText(settings, policy);
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** For editors; a program that wants nothing else than the schema gets nothing else. */
async function printSchema(named: boolean | string, terminal: Terminal): Promise<void> {
  const { jsonSchema, schemaKinds } = await import('../config/json-schema.ts');
  const kind = schemaKinds.find((one) => one === (named === true ? 'settings' : named));
  if (kind === undefined)
    throw new CommandError(exitCodes.usage, `--schema: ${named} is none of ${schemaKinds.join(', ')}`);
  terminal.out(jsonText(jsonSchema(kind)));
}

async function warn(warnings: readonly Problem[], terminal: Terminal): Promise<void> {
  const { formatProblem } = await import('../config/problem.ts');
  const excerpts = new Excerpts();
  for (const warning of warnings) terminal.err(`${formatProblem(warning)}${excerpts.of(warning)}\n`);
}

function summary({ settings, policy, tests }: Configuration): string {
  const from = settings.file ?? 'no file, the defaults';
  const rules = count(policy.rules.length, 'rule', 'rules');
  const routes = count(policy.routes.size, 'route', 'routes');
  const passed = tests.length === 0 ? '' : `, ${count(tests.length, 'test', 'tests')} passed`;
  return `settings: ${from}\npolicy: ${settings.policy ?? 'built in'} (${rules}, ${routes}${passed})\nno mistakes\n`;
}
