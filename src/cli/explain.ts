// `sendoff explain`: what becomes of one concrete message, and why.
// program.ts calls it; the running daemon answers, or the files alone do.
// Never sends anything, and always says which of the two it was.
import { parseAddress } from '../config/network.ts';
import type { MailFacts } from '../policy/policy.ts';
import type { Explanation } from '../queue/operations.ts';
import type { CommandLine } from './command-line.ts';
import { CommandError, exitCodes } from './exit.ts';
import { explanationFields } from './explanation-text.ts';
import { section } from './sections.ts';
import { addressText, plain } from './text.ts';

export interface ExplainOptions {
  readonly from: string;
  readonly to: string;
  readonly json?: boolean;
  readonly offline?: boolean;
  readonly header?: string;
  readonly user?: string;
  readonly size?: string;
}

/** What answered: the daemon, or the files, with the reason for them. */
type Source = { readonly source: 'daemon' } | { readonly source: 'files'; readonly why: string };

/** Conditions that they would be matched by do not exist yet: an answer without them could be wrong. */
const later = ['header', 'user', 'size'] as const;

export async function explain(options: ExplainOptions, line: CommandLine): Promise<void> {
  for (const name of later) {
    if (options[name] === undefined) continue;
    const message = `--${name} is not available in this version: no rule can look at it yet`;
    throw new CommandError(exitCodes.usage, message);
  }
  const mail = { from: addressOf('--from', options.from), to: addressOf('--to', options.to) };
  if (mail.to === '') throw new CommandError(exitCodes.usage, '--to: a recipient is never the null sender');
  const { terminal } = line;
  const [explanation, source] = await ask(mail, options, line);
  if (options.json)
    terminal.out(`${JSON.stringify({ ...source, from: mail.from, ...explanation }, null, 2)}\n`);
  else terminal.out(explanationText(mail, explanation, source, terminal.clock.now()));
}

/** As an envelope has it; `''` for the null sender. */
export function addressOf(option: string, text: string): string {
  if (text === '' || text === '<>') return '';
  const address = parseAddress(text.replace(/^<(.*)>$/, '$1'));
  if (address === null)
    throw new CommandError(
      exitCodes.usage,
      `${option}: ${plain(text)} is no address such as ann@example.net`,
    );
  return address;
}

async function ask(
  mail: MailFacts,
  { offline }: ExplainOptions,
  line: CommandLine,
): Promise<readonly [Explanation, Source]> {
  if (offline) return [await fromFiles(mail, line), { source: 'files', why: 'as --offline asks' }];
  const client = await line.client();
  try {
    return [
      (await client.get('/api/explain', { from: mail.from, to: mail.to })) as Explanation,
      { source: 'daemon' },
    ];
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== exitCodes.unavailable) throw error;
    const [why = error.message] = error.message.split(': ');
    return [await fromFiles(mail, line), { source: 'files', why }];
  }
}

/** Sites by their domains alone: nothing is looked up. */
async function fromFiles(mail: MailFacts, { config }: CommandLine): Promise<Explanation> {
  const [{ configurationError, readConfiguration }, { explainMail }] = await Promise.all([
    import('./configuration.ts'),
    import('../policy/explanation.ts'),
  ]);
  const read = await readConfiguration(config(), 'tell');
  if ('problems' in read) throw await configurationError(read.problems);
  return { ...explainMail(read.policy, mail, null), present: null };
}

function explanationText({ from, to }: MailFacts, explanation: Explanation, by: Source, now: number): string {
  const source =
    by.source === 'daemon'
      ? 'the running daemon'
      : `the files alone (${by.why}): no MX hosts, no present levels`;
  const title = `${addressText(from)} to ${addressText(to)}: rule "${plain(explanation.rule)}"`;
  return section(title, [['source', source], ...explanationFields(explanation, now)]);
}
