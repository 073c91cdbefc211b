// `sendoff quota`: the quotas of routes and senders, what is used and left, when they open and when they run out.
// program.ts adds the command; the daemon's admin interface gives the data.
// Never changes anything: a quota is the policy's.
import type { Command } from 'commander';
import type { QuotaView } from '../operations/operations.ts';
import type { CommandLine } from './command-line.ts';
import { type Column, type Row, table } from './table.ts';
import type { Terminal } from './terminal.ts';
import { momentText, plain, untilText } from './text.ts';

export function addQuotaCommand(program: Command, { terminal, client }: CommandLine): void {
  program
    .command('quota')
    .description('what is used and left of the quotas of routes and senders, and when they run out')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const answer = (await (await client()).get('/api/quotas')) as { quotas: QuotaView[] };
      terminal.out(json ? `${JSON.stringify(answer, null, 2)}\n` : quotasText(answer.quotas, terminal));
    });
}

const columns: readonly Column[] = [
  { title: 'OF' },
  { title: 'NAME', flexible: true },
  { title: 'QUOTA' },
  { title: 'USED', right: true },
  { title: 'LEFT', right: true },
  { title: 'WINDOW' },
  { title: 'RUNS OUT' },
];

function quotasText(quotas: readonly QuotaView[], { clock, columns: width }: Terminal): string {
  if (quotas.length === 0) return 'no quotas: the policy has none for a route, and no sender has used one\n';
  const now = clock.now();
  return table(
    columns,
    quotas.map((view) => rowOf(view, now)),
    width,
  );
}

function rowOf({ of, name, quota, used, left, over, ends, opens, runsOut }: QuotaView, now: number): Row {
  const window = opens ?? ends;
  const until =
    window === null ? 'rolling' : `${opens === null ? 'ends' : 'opens'} ${untilText(window, now)}`;
  const end = runsOut === null ? 'lasts' : untilText(runsOut, now);
  const cells = [of, plain(name), quota, `${used}`, `${left}`, until, left === 0 ? 'used up' : end];
  return left === 0 ? { cells, note: beyond({ of, over, opens }) } : { cells };
}

function beyond({ of, over, opens }: Pick<QuotaView, 'of' | 'over' | 'opens'>): string {
  const when = opens === null ? 'its window opens' : momentText(opens);
  switch (over) {
    case 'hold':
      return `mail is held until it is released; it opens ${when}`;
    case 'defer':
      return `mail waits until ${when}`;
    case 'reject':
      return `mail is answered 452 until ${when}`;
    case null:
      return `mail ${of === 'source' ? 'leaves from another address, ' : ''}takes the next route of its list, or waits until ${when}`;
  }
}

/** `quota 200/hour of route provider: 180 used, 20 left, runs out in 12m`. */
export function quotaLevelText(
  { of, name, quota, used, left, over, opens, runsOut }: QuotaView,
  now: number,
): string {
  const parts = [`${used} used`, `${left} left`];
  if (left === 0 && over !== null) parts.push(beyond({ of, over, opens }));
  else if (opens !== null) parts.push(`opens ${momentText(opens)}`);
  if (runsOut !== null) parts.push(`runs out ${untilText(runsOut, now)}`);
  return plain(`${quota} of ${of} ${name}: ${parts.join(', ')}`);
}
