// `sendoff queue list`: what waits, for whom, until when, and why.
// program.ts calls it; the daemon's admin interface gives the data.
// Never sorts or counts by itself: the daemon's order is the queue's.
import type { DestinationView, EntryView, SuspensionView } from '../operations/operations.ts';
import type { Totals } from '../spool/spool.ts';
import type { AdminClient } from './client.ts';
import { type Filter, hasFilter } from './filters.ts';
import { suspensionText } from './suspend.ts';
import { type Column, type Row, table } from './table.ts';
import type { Terminal } from './terminal.ts';
import {
  addressText,
  count,
  durationText,
  failureText,
  momentText,
  plain,
  routeText,
  untilText,
  waitingText,
  wayText,
  windowText,
} from './text.ts';

export interface ListOptions extends Filter {
  readonly limit: string;
  readonly json?: boolean;
}

interface Listing {
  readonly entries: readonly EntryView[];
  readonly more: boolean;
}

/** The largest first, as the daemon gives them. */
interface Summary {
  readonly destinations: readonly DestinationView[];
  readonly total: number;
}

/** Destinations on a screen that has to show some mail too; there may be tens of thousands. */
const SUMMARY_ROWS = 20;

export async function queueList(
  options: ListOptions,
  client: AdminClient,
  terminal: Terminal,
): Promise<void> {
  const { limit, json, ...filter } = options;
  const listing = (await client.get('/api/queue', { ...filter, limit })) as Listing;
  if (hasFilter(filter)) {
    terminal.out(json ? jsonText(listing) : entriesText(listing, terminal));
    return;
  }
  const totals = (await client.get('/api/totals')) as Totals;
  const query = { limit: json ? limit : `${SUMMARY_ROWS}` };
  const summary = (await client.get('/api/destinations', query)) as Summary;
  const { suspensions } = (await client.get('/api/suspensions')) as { suspensions: SuspensionView[] };
  if (json) terminal.out(jsonText({ totals, destinations: summary.destinations, suspensions, ...listing }));
  else {
    const now = terminal.clock.now();
    const suspended = suspensions.map((view) => `${suspensionText(view, now)}\n`).join('');
    terminal.out(suspended + summaryText(totals, summary, terminal) + entriesText(listing, terminal));
  }
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

const destinationColumns: readonly Column[] = [
  { title: 'DESTINATION', flexible: true },
  { title: 'STATE' },
  { title: 'WAITING', right: true },
  { title: 'CONNECTIONS', right: true },
  { title: 'NEXT', right: true },
];

function summaryText(totals: Totals, { destinations, total }: Summary, { clock, columns }: Terminal): string {
  if (totals.queued === 0) return '';
  const held = totals.held > 0 ? `, ${totals.held} of them held` : '';
  const heading = `${count(totals.queued, 'recipient', 'recipients')} queued${held}\n\n`;
  if (total === 0) return heading;
  const rows = destinations.map((view) => destinationRow(view, clock.now()));
  const hidden = total - destinations.length;
  const rest = hidden > 0 ? `… and ${count(hidden, 'smaller destination', 'smaller destinations')}\n` : '';
  return `${heading}${table(destinationColumns, rows, columns)}${rest}\n`;
}

function destinationRow(view: DestinationView, now: number): Row {
  const { domain, site, state, entries, connections, next, failures, last, suspended, quota } = view;
  const name = domain === null ? wayText(view) : `${wayText(view)} ${domain}`;
  const where = site === null || site === domain ? name : `${name} (${site})`;
  const cells = [plain(where), state.replace('-', ' '), `${entries}`, `${connections}`, untilText(next, now)];
  if (suspended !== null) return { cells, note: suspendedText(suspended) };
  const again = failures > 1 ? `${failures} times: ` : '';
  return noted(cells, [
    quota === null ? '' : waitingText(quota),
    last === null ? '' : again + failureText(last),
  ]);
}

function suspendedText({ until, reason }: NonNullable<EntryView['suspended']>): string {
  return `suspended until ${momentText(until)}: ${plain(reason)}`;
}

function noted(cells: Row['cells'], parts: readonly string[]): Row {
  const note = parts.filter((part) => part !== '').join('; ');
  return note === '' ? { cells } : { cells, note };
}

const entryColumns: readonly Column[] = [
  { title: 'ID' },
  { title: 'STATE' },
  { title: 'AGE', right: true },
  { title: 'NEXT', right: true },
  { title: 'ROUTE' },
  { title: 'FROM', flexible: true },
  { title: 'TO', flexible: true },
];

function entriesText({ entries, more }: Listing, { clock, columns }: Terminal): string {
  if (entries.length === 0) return 'nothing in the queue matches\n';
  const rows = entries.map((entry) => entryRow(entry, clock.now()));
  const rest = more
    ? '… and more: narrow it with --domain, --sender, --route or --site, or raise --limit\n'
    : '';
  return table(entryColumns, rows, columns) + rest;
}

function entryRow(entry: EntryView, now: number): Row {
  const { id, state, priority, arrived, next, from, to, attempts, last, hold, inDoubt } = entry;
  const { suspended, window, quota } = entry;
  const [first = '', ...others] = to;
  const recipients = addressText(first) + (others.length > 0 ? ` +${others.length}` : '');
  const age = durationText(Math.max(0, now - Date.parse(arrived)));
  const standing = priority === 'normal' ? state : `${state} (${priority})`;
  const cells = [id, standing, age, untilText(next, now), routeText(entry), addressText(from), recipients];
  return noted(cells, [
    hold === null ? '' : `held: ${plain(hold)}`,
    suspended === null ? '' : suspendedText(suspended),
    window === null ? '' : windowText(window),
    quota === null ? '' : waitingText(quota),
    inDoubt ? 'in doubt: no answer to the last final dot' : '',
    last === null
      ? ''
      : (attempts > 0 ? `${count(attempts, 'attempt', 'attempts')}, last: ` : '') + failureText(last),
  ]);
}
