// The options that choose queue entries, the same for every command that has them.
// program.ts adds them to its commands; a change asks for at least one.
// Never lets a change reach the whole queue because an option was forgotten.
import type { Command } from 'commander';
import { CommandError, exitCodes } from './exit.ts';

/** As on the command line; the daemon knows `<>` as the null sender. */
export interface Filter {
  readonly id?: string;
  readonly domain?: string;
  readonly sender?: string;
  readonly route?: string;
  readonly site?: string;
}

export function addFilter(command: Command): Command {
  return command
    .option('--id <id>', 'one message, by its queue id')
    .option('--domain <domain>', 'recipients in this domain')
    .option('--sender <address>', "mail from this envelope sender; '<>' is the null sender")
    .option('--route <name>', 'mail that this route of the policy carries')
    .option('--site <name>', 'mail for this site: domains that share their MX hosts');
}

export function hasFilter({ id, domain, sender, route, site }: Filter): boolean {
  return [id, domain, sender, route, site].some((part) => part !== undefined);
}

export function requireFilter(filter: Filter): void {
  if (hasFilter(filter)) return;
  throw new CommandError(
    exitCodes.usage,
    'this would change the whole queue: choose with --id, --domain, --sender, --route or --site',
  );
}
