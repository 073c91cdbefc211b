// `sendoff simulate`: what would become of one message if its receiver answered like this.
// program.ts calls it; it works on the files, with the functions of the queue itself.
// Never asks a daemon or the network, and changes nothing.
import { type Simulation, type Step, simulate } from '../operations/simulate.ts';
import { parseReplies, troubles } from '../operations/simulated-replies.ts';
import { configurationError, readConfiguration } from './configuration.ts';
import { CommandError, exitCodes } from './exit.ts';
import { addressOf } from './explain.ts';
import { type Column, type Row, table } from './table.ts';
import type { Terminal } from './terminal.ts';
import { addressText, elapsedText, momentText, plain, wayText } from './text.ts';

export interface SimulateOptions {
  readonly to: string;
  readonly from?: string;
  readonly replies: string;
  readonly json?: boolean;
}

export async function simulateMail(
  { from, to, replies, json }: SimulateOptions,
  config: string | undefined,
  terminal: Terminal,
): Promise<void> {
  const recipient = addressOf('--to', to);
  if (recipient === '') throw new CommandError(exitCodes.usage, '--to: a recipient is never the null sender');
  const said = parseReplies(replies);
  if ('wrong' in said) {
    const known = `a code (450), a code with text ('550 5.1.1 unknown'), ${troubles.join(', ')}`;
    throw new CommandError(exitCodes.usage, `--replies: "${plain(said.wrong)}" is none of ${known}`);
  }
  const read = await readConfiguration(config, 'tell');
  if ('problems' in read) throw await configurationError(read.problems);
  const sender = from === undefined ? `postmaster@${read.settings.hostname}` : addressOf('--from', from);
  const mail = { from: sender, to: recipient };
  const start = terminal.clock.now();
  const simulation = simulate(read.policy, mail, said, start);
  if (json) terminal.out(`${JSON.stringify(asData(mail, simulation), null, 2)}\n`);
  else {
    const title = `${addressText(sender)} to ${addressText(recipient)}: rule "${plain(simulation.rule)}"\n\n`;
    terminal.out(title + timeLine(simulation, start, terminal.columns));
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

function asData(mail: { from: string; to: string }, { rule, steps, ended }: Simulation): unknown {
  const dated = steps.map((step) => {
    const next = step.what === 'attempt' && { next: step.next === null ? null : iso(step.next) };
    return { ...step, at: iso(step.at), ...next };
  });
  return { ...mail, rule, steps: dated, ended };
}

const columns: readonly Column[] = [
  { title: 'TIME' },
  { title: 'AFTER', right: true },
  { title: 'ROUTE' },
  { title: 'WHAT', flexible: true },
];

function timeLine({ steps, ended }: Simulation, start: number, width: number | null): string {
  const rest = ended ? '' : '… and so on\n';
  return (
    table(
      columns,
      steps.map((step) => rowOf(step, start)),
      width,
    ) + rest
  );
}

function rowOf(step: Step, start: number): Row {
  return {
    cells: [momentText(iso(step.at)), elapsedText(step.at - start), wayOf(step), plain(wordsOf(step))],
  };
}

function wayOf(step: Step): string {
  if (step.what === 'attempt') return wayText(step);
  return step.what === 'discarded' ? (step.route ?? '') : '';
}

function wordsOf(step: Step): string {
  switch (step.what) {
    case 'rejected':
      return `rejected at RCPT: ${step.reply.code} ${step.reply.enhanced} ${step.reply.text}`;
    case 'discarded':
      return 'discarded';
    case 'attempt':
      return attemptText(step);
    case 'fallback':
      return `moves to ${step.to}: ${step.reason}`;
    case 'held':
      return `held: ${step.reason}`;
    case 'let-go':
      return 'let go, for it is another time of day';
    case 'warning':
      return `warning ${step.number} to the sender: it is late`;
    case 'expired':
      return 'expired without a last attempt: returned to the sender';
  }
}

const endings = { bounced: ', returned to the sender', expired: ', time is up, returned to the sender' };

function attemptText(step: Extract<Step, { what: 'attempt' }>): string {
  const { attempts, reply, result, failure } = step;
  const soft = step.soft ? ', not bounced (softBounce)' : '';
  const end = result === 'bounced' || result === 'expired' ? endings[result] : '';
  const doubt = failure?.inDoubt ? ', in doubt' : '';
  const uncounted = failure?.ours ? ', not counted' : '';
  const hint = failure?.retryAfter === undefined ? '' : `, asks for ${elapsedText(failure.retryAfter)}`;
  const why = failure === null ? '' : ` (${failure.class} ${failure.status}${uncounted}${hint})`;
  // One that is not counted has the number of the one before.
  const attempt = failure?.ours ? 'attempt' : `attempt ${attempts}`;
  return `${attempt}, ${reply}: ${result}${soft}${doubt}${end}${why}`;
}
