// `sendoff explain`: what becomes of one concrete message, and why.
// program.ts calls it; the running daemon answers, or the files alone do.
// Never sends anything, and always says which of the two it was.
import { isIP } from 'node:net';
import { parseAddress } from '../config/network.ts';
import { parseSize } from '../config/quantities.ts';
import { headerOf } from '../mail/field-text.ts';
import type { Explanation } from '../operations/operations.ts';
import type { MailFacts } from '../policy/policy.ts';
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
  /** `Name: value`. */
  readonly header?: readonly string[];
  readonly user?: string;
  readonly client?: string;
  readonly size?: string;
}

/** What answered: the daemon, or the files, with the reason for them. */
type Source = { readonly source: 'daemon' } | { readonly source: 'files'; readonly why: string };

export async function explain(options: ExplainOptions, line: CommandLine): Promise<void> {
  const mail = mailOf(options);
  const { terminal } = line;
  const [explanation, source] = await ask(mail, options, line);
  if (options.json)
    terminal.out(`${JSON.stringify({ ...source, from: mail.from, ...explanation }, null, 2)}\n`);
  else terminal.out(explanationText(mail, explanation, source, terminal.clock.now()));
}

function mailOf({ from, to, header, user, client, size }: ExplainOptions): MailFacts {
  const mail = { from: addressOf('--from', from), to: addressOf('--to', to) };
  if (mail.to === '') throw wrong('--to', 'a recipient is never the null sender');
  const fields = headerOf(header ?? []);
  if ('wrong' in fields)
    throw wrong('--header', `${plain(fields.wrong)} is no field such as Subject: Minutes`);
  const octets = size === undefined ? undefined : parseSize(size);
  if (octets === null) throw wrong('--size', `${plain(size ?? '')} is no size such as 20MB`);
  if (client !== undefined && isIP(client) === 0)
    throw wrong('--client', `${plain(client)} is no IP address`);
  return {
    ...mail,
    ...(header !== undefined && { header: fields.header }),
    ...(user !== undefined && { user }),
    ...(client !== undefined && { client }),
    ...(octets !== undefined && { size: octets }),
  };
}

function wrong(option: string, why: string): CommandError {
  return new CommandError(exitCodes.usage, `${option}: ${why}`);
}

/** As an envelope has it; `''` for the null sender. */
export function addressOf(option: string, text: string): string {
  if (text === '' || text === '<>') return '';
  const address = parseAddress(text.replace(/^<(.*)>$/, '$1'));
  if (address === null) throw wrong(option, `${plain(text)} is no address such as ann@example.net`);
  return address;
}

async function ask(
  mail: MailFacts,
  { offline, header }: ExplainOptions,
  line: CommandLine,
): Promise<readonly [Explanation, Source]> {
  if (offline) return [await fromFiles(mail, line), { source: 'files', why: 'as --offline asks' }];
  const client = await line.client();
  try {
    const { from, to, user, client: host, size } = mail;
    const facts = { header, user: user ?? undefined, client: host ?? undefined, size: size?.toString() };
    const answer = await client.get('/api/explain', { from, to, ...facts });
    return [answer as Explanation, { source: 'daemon' }];
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== exitCodes.unavailable) throw error;
    const [why = error.message] = error.message.split(': ');
    return [await fromFiles(mail, line), { source: 'files', why }];
  }
}

/** Sites by their domains alone: nothing is looked up. */
async function fromFiles(mail: MailFacts, { config, terminal }: CommandLine): Promise<Explanation> {
  const [{ configurationError, readConfiguration }, { explainMail }] = await Promise.all([
    import('./configuration.ts'),
    import('../policy/explanation.ts'),
  ]);
  const read = await readConfiguration(config(), 'tell');
  if ('problems' in read) throw await configurationError(read.problems);
  const given = { ...mail, at: terminal.clock.now() };
  return { ...explainMail(read.policy, given, null), present: null };
}

function explanationText({ from, to }: MailFacts, explanation: Explanation, by: Source, now: number): string {
  const source =
    by.source === 'daemon'
      ? 'the running daemon'
      : `the files alone (${by.why}): no MX hosts, no present levels`;
  const title = `${addressText(from)} to ${addressText(to)}: rule "${plain(explanation.rule)}"`;
  return section(title, [['source', source], ...explanationFields(explanation, now)]);
}
