// `sendoff policy diff FILE`: what another policy would change, in rules and for the mail that is queued now.
// program.ts calls it; the running daemon answers, or the files alone do, without the queue.
// Never puts anything in force.
import { resolve } from 'node:path';
import type { Problem } from '../config/problem.ts';
import type { MailChange, QueueDiff } from '../operations/diff.ts';
import type { PolicyComparison } from '../operations/operations.ts';
import type { Difference } from '../policy/diff.ts';
import type { CommandLine } from './command-line.ts';
import { CommandError, exitCodes } from './exit.ts';
import { type Column, table } from './table.ts';
import { count, plain } from './text.ts';

/** `queue`: null where no daemon was asked, and why. */
type Answer = { readonly differences: readonly Difference[] } & (
  | { readonly source: 'daemon'; readonly queue: QueueDiff }
  | { readonly source: 'files'; readonly why: string; readonly queue: null }
);

/** Rejects, exit 78, with all mistakes of the file. */
export async function policyDiff(file: string, json: boolean, line: CommandLine): Promise<void> {
  const answer = await ask(resolve(file), line);
  const { terminal } = line;
  terminal.out(json ? `${JSON.stringify(answer, null, 2)}\n` : diffText(answer, terminal.columns));
}

async function ask(file: string, line: CommandLine): Promise<Answer> {
  const client = await line.client();
  try {
    const compared = (await client.post('/api/policy/diff', { file })) as
      | PolicyComparison
      | { problems: readonly Problem[] };
    if ('problems' in compared) throw await mistakesIn(compared.problems);
    return { source: 'daemon', ...compared };
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== exitCodes.unavailable) throw error;
    const [why = error.message] = error.message.split(': ');
    return { source: 'files', why, differences: await fromFiles(file, line), queue: null };
  }
}

async function fromFiles(file: string, { config }: CommandLine): Promise<readonly Difference[]> {
  const [{ configurationError, readConfiguration }, { loadPolicy }, { diffPolicies }] = await Promise.all([
    import('./configuration.ts'),
    import('../config/load-policy.ts'),
    import('../policy/diff.ts'),
  ]);
  const read = await readConfiguration(config(), 'tell');
  if ('problems' in read) throw await configurationError(read.problems);
  const { environment, settings } = read;
  const loaded = loadPolicy(file, { environment, softBounce: settings.delivery.softBounce });
  if ('problems' in loaded) throw await mistakesIn(loaded.problems);
  return diffPolicies(read.policy, loaded.policy);
}

async function mistakesIn(problems: readonly Problem[]): Promise<CommandError> {
  const { errorWithLines } = await import('./excerpts.ts');
  return errorWithLines(problems);
}

function diffText(answer: Answer, width: number | null): string {
  const { differences } = answer;
  const rules = differences.length === 0 ? 'the policies say the same\n' : sectionsText(differences);
  if (answer.source === 'daemon') return `${rules}\n${queueText(answer.queue, width)}`;
  return `${rules}\ncompared with the files alone (${plain(answer.why)}): nothing is known of queued mail\n`;
}

const signs: Readonly<Record<Difference['what'], string>> = {
  added: '+',
  removed: '-',
  changed: '~',
  moved: '~',
};

function sectionsText(differences: readonly Difference[]): string {
  const sections = new Map<string, string[]>();
  for (const one of differences) {
    const lines = sections.get(one.section) ?? [];
    sections.set(one.section, [...lines, ...differenceLines(one)]);
  }
  return [...sections].map(([section, lines]) => `${[section, ...lines].join('\n')}\n`).join('');
}

function differenceLines({ name, what, words }: Difference): string[] {
  if (what === 'moved') return [`  ${signs.moved} in another order: ${plain(words.join(', '))}`];
  return [`  ${signs[what]} ${plain(name)}`, ...words.map((one) => `      ${plain(one)}`)];
}

const columns: readonly Column[] = [
  { title: 'RECIPIENTS', right: true },
  { title: 'WHAT' },
  { title: 'FROM', flexible: true },
  { title: 'TO', flexible: true },
  { title: 'SUCH AS' },
];

const words: Readonly<Record<MailChange['what'], string>> = {
  route: 'route',
  held: 'held',
  'let-go': 'let go',
  discarded: 'discarded',
  schedule: 'retry',
  priority: 'priority',
  window: 'window',
  bounces: 'bounces to',
};

function queueText({ recipients, unchanged, changes }: QueueDiff, width: number | null): string {
  const title = `${count(recipients, 'recipient', 'recipients')} queued, ${unchanged} unchanged\n`;
  if (changes.length === 0) return title;
  const rows = changes.map(({ what, from, to, recipients: many, examples }) => ({
    cells: [`${many}`, words[what], plain(from), plain(to), examples.join(' ')],
  }));
  return `${title}\n${table(columns, rows, width)}`;
}
