// The `queue` group of the command line: list, show, and six changes.
// program.ts adds it; queue-list.ts, queue-show.ts and queue-change.ts do the work.
// Never loads them before one is asked for.
import type { Command } from 'commander';
import type { QueueChange } from '../operations/operations.ts';
import type { CommandLine } from './command-line.ts';
import { addFilter } from './filters.ts';
import type { ChangeOptions, RerouteOptions } from './queue-change.ts';
import type { ListOptions } from './queue-list.ts';

interface ChangeText {
  readonly does: string;
  readonly example: string;
  readonly takesReason: boolean;
}

const changes: Readonly<Record<QueueChange, ChangeText>> = {
  retry: {
    does: 'try the chosen mail now instead of at its next time',
    example: 'retry --domain example.org',
    takesReason: false,
  },
  hold: {
    does: 'keep the chosen mail from being tried until it is released',
    example: "hold --sender news@example.net --reason 'wrong list'",
    takesReason: true,
  },
  release: {
    does: 'let held mail go again; it is due at once',
    example: 'release --sender news@example.net',
    takesReason: false,
  },
  remove: {
    does: 'delete the chosen mail; nobody is told',
    example: 'remove --id 0abc123def45',
    takesReason: true,
  },
  bounce: {
    does: 'give the chosen mail up now; its senders get a failure report',
    example: 'bounce --domain typo.example',
    takesReason: true,
  },
};

export function addQueueCommands(program: Command, line: CommandLine): void {
  const queue = program.command('queue').description('look at the queue and change it');
  addList(queue, line);
  addShow(queue, line);
  for (const what of Object.keys(changes) as QueueChange[]) addChange(queue, what, line);
  addReroute(queue, line);
}

function addReroute(queue: Command, { terminal, client }: CommandLine): void {
  addFilter(queue.command('reroute'))
    .description(
      'send the chosen mail by another route, whatever the rules say (at least one option chooses it)',
    )
    .requiredOption('--to <route>', 'the route that it takes from now on')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  sendoff queue reroute --route direct --domain example.org --to provider',
    )
    .action(async (options: RerouteOptions) => {
      const { queueReroute } = await import('./queue-change.ts');
      await queueReroute(options, client, terminal);
    });
}

function addList(queue: Command, { terminal, client }: CommandLine): void {
  addFilter(queue.command('list'))
    .description('what waits and why; without a filter also a summary of each destination')
    .option('--limit <number>', 'at most this many entries', '100')
    .option('--json', 'print JSON')
    .action(async (options: ListOptions) => {
      const { queueList } = await import('./queue-list.ts');
      await queueList(options, await client(), terminal);
    });
}

function addShow(queue: Command, { terminal, client }: CommandLine): void {
  queue
    .command('show')
    .argument('<id>', 'queue id, as in the 250 reply and in the log')
    .description('everything about one message: recipients, attempts, last reply, which rule and why')
    .option('--json', 'print JSON')
    .action(async (id: string, options: { json?: boolean }) => {
      const { queueShow } = await import('./queue-show.ts');
      await queueShow(id, options.json === true, await client(), terminal);
    });
}

function addChange(queue: Command, what: QueueChange, { terminal, client }: CommandLine): void {
  const { does, example, takesReason } = changes[what];
  const command = addFilter(queue.command(what)).description(`${does} (at least one option chooses it)`);
  if (takesReason) command.option('--reason <text>', 'kept with the mail and in the log');
  command
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  sendoff queue ${example}`)
    .action(async (options: ChangeOptions) => {
      const { queueChange } = await import('./queue-change.ts');
      await queueChange(what, options, client, terminal);
    });
}
