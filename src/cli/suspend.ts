// `sendoff suspend` and `sendoff resume`: mail of a site, a route or a domain waits for a while.
// program.ts adds the commands; the daemon does the work.
// Never runs without saying what waits, and never suspends for ever.
import type { Command } from 'commander';
import type { SuspensionView } from '../operations/operations.ts';
import type { AdminClient } from './client.ts';
import type { CommandLine } from './command-line.ts';
import { CommandError, exitCodes } from './exit.ts';
import type { Terminal } from './terminal.ts';
import { count, momentText, plain, untilText } from './text.ts';

interface Scope {
  readonly site?: string;
  readonly route?: string;
  readonly domain?: string;
}

interface SuspendOptions extends Scope {
  readonly for?: string;
  readonly reason?: string;
  readonly json?: boolean;
}

export function addSuspendCommands(program: Command, { terminal, client }: CommandLine): void {
  addScope(program.command('suspend'))
    .description('let mail wait that goes there, new mail too, until its time is over or it is resumed')
    .option('--for <duration>', 'how long: 30m, 2h, 1d (default: 1h)')
    .option('--reason <text>', 'shown in listings and in the log')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      "\nExample:\n  sendoff suspend --route provider --for 2h --reason 'their maintenance'",
    )
    .action((options: SuspendOptions) => suspend(options, client, terminal));
  addScope(program.command('resume'))
    .description('end suspensions before their time: all that have the given parts')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  sendoff resume --route provider')
    .action((options: SuspendOptions) => resume(options, client, terminal));
}

function addScope(command: Command): Command {
  return command
    .option('--site <name>', 'direct mail to this site: domains that share their MX hosts')
    .option('--route <name>', 'mail by this route of the policy')
    .option('--domain <domain>', 'recipients in this domain, by whatever route');
}

async function suspend(
  { json, ...body }: SuspendOptions,
  client: () => Promise<AdminClient>,
  terminal: Terminal,
): Promise<void> {
  requireScope(body);
  const view = (await (await client()).post('/api/suspend', body)) as SuspensionView;
  terminal.out(json ? `${JSON.stringify(view)}\n` : `${suspensionText(view, terminal.clock.now())}\n`);
}

async function resume(
  { json, ...scope }: SuspendOptions,
  client: () => Promise<AdminClient>,
  terminal: Terminal,
): Promise<void> {
  requireScope(scope);
  const result = (await (await client()).post('/api/resume', scope)) as { resumed: number };
  const said =
    result.resumed === 0
      ? 'no suspension has these parts'
      : `${count(result.resumed, 'suspension', 'suspensions')} ended`;
  terminal.out(json ? `${JSON.stringify(result)}\n` : `${said}\n`);
}

/** `suspended: route provider, until 2026-11-22 14:00:00Z (in 2h): their maintenance`. */
export function suspensionText(view: SuspensionView, now: number): string {
  const parts = (['site', 'route', 'domain'] as const).flatMap((part) => {
    const value = view[part];
    return value === null ? [] : [`${part} ${plain(value)}`];
  });
  const until = `until ${momentText(view.until)} (${untilText(view.until, now)})`;
  return `suspended: ${parts.join(', ')}, ${until}: ${plain(view.reason)}`;
}

function requireScope({ site, route, domain }: Scope): void {
  if ([site, route, domain].some((part) => part !== undefined)) return;
  throw new CommandError(
    exitCodes.usage,
    'this would concern all mail: choose with --site, --route or --domain',
  );
}
