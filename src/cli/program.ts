// The command line: which commands there are, what they are told, and how they end.
// main.ts hands in the arguments; each command is a file of its own, loaded when it is asked for.
// Never does a command's work, and never shows a stack trace.
import { Command, CommanderError } from 'commander';
import { version } from '../config/version.ts';
import type { CheckOptions } from './check.ts';
import { type CommandLine, commandLine } from './command-line.ts';
import { CommandError, type ExitCode, exitCodes } from './exit.ts';
import type { ExplainOptions } from './explain.ts';
import { addPolicyCommands } from './policy.ts';
import { addQueueCommands } from './queue.ts';
import { addQuotaCommand } from './quota.ts';
import type { SimulateOptions } from './simulate.ts';
import { addSuspendCommands } from './suspend.ts';
import type { Terminal } from './terminal.ts';

/** Runs one command; `argv` is without the program's name. Never rejects. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let ended: ExitCode = exitCodes.ok;
  const program = buildProgram(terminal, (code) => {
    ended = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return ended;
  } catch (error) {
    return report(error, terminal);
  }
}

function report(error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof CommandError) {
    for (const mistake of error.mistakes) terminal.err(`${mistake}\n`);
    terminal.err(`sendoff: ${error.message}\n`);
    return error.exitCode;
  }
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  terminal.err(`sendoff: unexpected error: ${error instanceof Error ? error.message : String(error)}\n`);
  return exitCodes.software;
}

function buildProgram(terminal: Terminal, end: (code: ExitCode) => void): Command {
  const program = new Command('sendoff')
    .description('An SMTP relay: takes mail on localhost, keeps it safe on disk, delivers it by policy.')
    .version(version(), '--version')
    .option('--config <file>', 'settings to read, instead of the usual places')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      getOutHelpWidth: () => terminal.columns ?? 100,
      outputError: (text, write) => write(text.replace(/^error: /, 'sendoff: ')),
    })
    .exitOverride()
    .addHelpText('after', helpAfter);
  const line = commandLine(program, terminal);
  addServe(program, line, end);
  addCheck(program, line);
  addSend(program, line);
  addExplain(program, line);
  addSimulate(program, line);
  addReload(program, line);
  addPolicyCommands(program, line);
  addQueueCommands(program, line);
  addSuspendCommands(program, line);
  addQuotaCommand(program, line);
  return program;
}

const helpAfter = `
Examples:
  sendoff check                              are the files all right?
  sendoff serve                              run the daemon
  sendoff send --from me@example.net --to you@example.org
  sendoff explain --from me@example.net --to you@example.org
  sendoff queue list                         what waits, and why
  sendoff queue retry --domain example.org   try it now

Settings are read from --config, else from the file that SENDOFF_CONFIG names, else from
config/sendoff.yaml, else from /etc/sendoff/sendoff.yaml; without any, all defaults hold.
The environment wins over the file: SENDOFF__LOG__LEVEL=debug sets log.level.

Exit codes: 0 done, 64 wrong usage, 65 message refused, 66 no such message,
69 daemon not reachable, 75 try again later, 78 settings or policy wrong.`;

function addServe(program: Command, { terminal, config }: CommandLine, end: (code: ExitCode) => void): void {
  program
    .command('serve')
    .description('run the daemon in the foreground')
    .addHelpText('after', '\nSIGTERM and SIGINT stop it in order, SIGHUP reads the policy again.')
    .action(async () => {
      const [{ configurationError, readConfiguration }, { serve }] = await Promise.all([
        import('./configuration.ts'),
        import('./serve.ts'),
      ]);
      const read = await readConfiguration(config());
      if ('problems' in read) throw await configurationError(read.problems);
      end(await serve(read, terminal));
    });
}

function addCheck(program: Command, { terminal, config }: CommandLine): void {
  program
    .command('check')
    .description('read settings and policy, and report every mistake with file, line and column')
    .option('--print', 'print settings and policy in effect, secrets masked')
    .option('--schema [kind]', 'print the JSON Schema of the settings, or of the policy, for editors')
    .option('--json', 'print JSON')
    .action(async (options: CheckOptions) => {
      const { check } = await import('./check.ts');
      await check(config(), options, terminal);
    });
}

function addSend(program: Command, { terminal, client }: CommandLine): void {
  const collect = (address: string, before: readonly string[] = []): string[] => [...before, address];
  program
    .command('send')
    .description('hand one message to the running daemon: what is piped in, or a short test message')
    .requiredOption('--from <address>', "envelope sender; '<>' is the null sender")
    .requiredOption('--to <address>', 'recipient; may be given several times', collect)
    .option('--route <name>', 'send it by this route, whatever the rules say')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  sendoff send --from me@example.net --to you@example.org < message.eml',
    )
    .action(async (options: { from: string; to: readonly string[]; route?: string; json?: boolean }) => {
      const { send } = await import('./send.ts');
      await send(options, await client(), terminal);
    });
}

const EXPLAIN_HELP = `
What is not given is not known: rules that hang on it are passed over, and named.

Example:
  sendoff explain --from me@example.net --to you@example.org --header 'Precedence: bulk' --size 30MB`;

function addExplain(program: Command, line: CommandLine): void {
  program
    .command('explain')
    .description('what becomes of one message and why: rules, routes, retries, site, limits, next attempt')
    .requiredOption('--from <address>', "envelope sender; '<>' is the null sender")
    .requiredOption('--to <address>', 'recipient')
    .option('--offline', 'from the files alone, though a daemon runs')
    .option('--header <field...>', "header fields for rules by header: 'Subject: Minutes'")
    .option('--user <name>', 'who logged in')
    .option('--client <address>', 'address of the host that hands it in')
    .option('--size <size>', 'of the message: 20MB')
    .option('--json', 'print JSON')
    .addHelpText('after', EXPLAIN_HELP)
    .action(async (options: ExplainOptions) => {
      const { explain } = await import('./explain.ts');
      await explain(options, line);
    });
}

function addSimulate(program: Command, { terminal, config }: CommandLine): void {
  program
    .command('simulate')
    .description('what would become of one message under given replies: attempts, warnings, fallback, end')
    .requiredOption('--to <address>', 'recipient')
    .requiredOption('--replies <list>', 'one for each attempt, between commas; the last one repeats')
    .option('--from <address>', 'envelope sender (default: postmaster at our host name)')
    .option('--json', 'print JSON')
    .addHelpText('after', simulateHelp)
    .action(async (options: SimulateOptions) => {
      const { simulateMail } = await import('./simulate.ts');
      await simulateMail(options, config(), terminal);
    });
}

const simulateHelp = `
A reply is a code, a code with text in quotes, or timeout, refused, dns, lost (after the final dot).

Example:
  sendoff simulate --to you@example.org --replies "451,'550 5.7.1 blocked',timeout,250"`;

function addReload(program: Command, { terminal, client }: CommandLine): void {
  program
    .command('reload')
    .description('let the running daemon read its policy again; a broken file leaves the old one in force')
    .action(async () => {
      const { reload } = await import('./reload.ts');
      await reload(await client(), terminal);
    });
}
