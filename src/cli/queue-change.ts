// `sendoff queue retry|hold|release|remove|bounce|reroute`: one change to the entries that a filter names.
// queue.ts calls it for each of the six; the daemon does the work.
// Never runs without a filter.
import type { QueueChange, Rerouted } from '../operations/operations.ts';
import type { AdminClient } from './client.ts';
import { type Filter, requireFilter } from './filters.ts';
import type { Terminal } from './terminal.ts';
import { count, plain } from './text.ts';

export interface ChangeOptions extends Filter {
  readonly reason?: string;
  readonly json?: boolean;
}

const done: Readonly<Record<QueueChange, string>> = {
  retry: 'due now',
  hold: 'held',
  release: 'released',
  remove: 'removed',
  bounce: 'bounced to the sender',
};

export async function queueChange(
  what: QueueChange,
  options: ChangeOptions,
  client: () => Promise<AdminClient>,
  terminal: Terminal,
): Promise<void> {
  const { json, ...body } = options;
  requireFilter(body);
  const result = (await (await client()).post(`/api/queue/${what}`, body)) as {
    changed: number;
    busy: number;
  };
  terminal.out(json ? `${JSON.stringify(result)}\n` : resultText(done[what], result));
}

export interface RerouteOptions extends Filter {
  readonly to: string;
  readonly json?: boolean;
}

export async function queueReroute(
  options: RerouteOptions,
  client: () => Promise<AdminClient>,
  terminal: Terminal,
): Promise<void> {
  const { json, ...body } = options;
  requireFilter(body);
  const result = (await (await client()).post('/api/queue/reroute', body)) as Rerouted;
  const { inDoubt } = result;
  const twice = `${count(inDoubt, 'entry was', 'entries were')} in doubt: the recipients may get a second copy\n`;
  const text = resultText(`sent by ${plain(options.to)} from now on`, result) + (inDoubt > 0 ? twice : '');
  terminal.out(json ? `${JSON.stringify(result)}\n` : text);
}

function resultText(done: string, { changed, busy }: { changed: number; busy: number }): string {
  if (changed === 0 && busy === 0) return 'nothing in the queue matches\n';
  const left = busy > 0 ? `; ${busy} being delivered right now, left alone` : '';
  return `${count(changed, 'entry', 'entries')} ${done}${left}\n`;
}
