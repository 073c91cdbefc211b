// The `policy` group of the command line.
// program.ts adds it; each command is a file of its own.
// Never loads one before it is asked for.
import type { Command } from 'commander';
import type { CommandLine } from './command-line.ts';

export function addPolicyCommands(program: Command, { terminal, config }: CommandLine): void {
  program
    .command('policy')
    .description('look at the policy of the files')
    .command('test')
    .description("run the policy's own tests; a start and a reload run them first")
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { policyTest } = await import('./policy-test.ts');
      await policyTest(json === true, config(), terminal);
    });
}
