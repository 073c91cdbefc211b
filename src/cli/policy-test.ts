// `sendoff policy test`: runs the tests that stand in the policy's files.
// program.ts calls it; needs no daemon.
// Never delivers anything: a test asks the rules, nobody else.
import type { TestResult } from '../config/policy-tests.ts';
import { readConfiguration } from './configuration.ts';
import { errorWithLines } from './excerpts.ts';
import { CommandError, exitCodes } from './exit.ts';
import type { Terminal } from './terminal.ts';
import { count } from './text.ts';

/** Rejects when a test fails, exit 78: with a line for each, or after the results as JSON. */
export async function policyTest(
  json: boolean,
  config: string | undefined,
  terminal: Terminal,
): Promise<void> {
  const read = await readConfiguration(config, 'tell');
  if ('problems' in read) throw await errorWithLines(read.problems);
  const { tests } = read;
  const failing = tests.filter(({ problems }) => problems.length > 0);
  if (json)
    terminal.out(`${JSON.stringify({ tests: tests.map(asData), failed: failing.length }, null, 2)}\n`);
  if (failing.length === 0) {
    if (!json) terminal.out(`${tests.length === 0 ? 'the policy has no tests' : passed(tests.length)}\n`);
    return;
  }
  const message = `${failing.length} of ${count(tests.length, 'test', 'tests')} failed`;
  if (json) throw new CommandError(exitCodes.configuration, message);
  const { mistakes } = await errorWithLines(failing.flatMap(({ problems }) => problems));
  throw new CommandError(exitCodes.configuration, message, mistakes);
}

function asData({ test, place, problems }: TestResult): unknown {
  return {
    ...place,
    ...test,
    passed: problems.length === 0,
    problems: problems.map(({ message }) => message),
  };
}

function passed(number: number): string {
  return `${count(number, 'test', 'tests')} passed`;
}
