// The `policy` group of the command line.
// program.ts adds it; each command is a file of its own.
// Never loads one before it is asked for.
import type { Command } from 'commander';
import type { CommandLine } from './command-line.ts';

export function addPolicyCommands(program: Command, line: CommandLine): void {
  const policy = program.command('policy').description('look at the policy of the files');
  policy
    .command('test')
    .description("run the policy's own tests; a start and a reload run them first")
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { policyTest } = await import('./policy-test.ts');
      await policyTest(json === true, line.config(), line.terminal);
    });
  policy
    .command('diff')
    .description('what another policy would change: in rules, and for the mail that is queued now')
    .argument('<file>', 'the other policy, a file or a folder; nothing is put in force')
    .option('--json', 'print JSON')
    .action(async (file: string, { json }: { json?: boolean }) => {
      const { policyDiff } = await import('./policy-diff.ts');
      await policyDiff(file, json === true, line);
    });
}
