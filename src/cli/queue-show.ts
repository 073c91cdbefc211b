// `sendoff queue show ID`: everything that the daemon knows about one message.
// program.ts calls it; the daemon's admin interface gives the data.
// Never shows content: header and body belong to the people who write.
import type { Failure } from '../delivery/failure.ts';
import type { EntryView, Explanation, MessageView } from '../operations/operations.ts';
import type { AdminClient } from './client.ts';
import { explanationFields, headerLines } from './explanation-text.ts';
import { type Field, lines, section } from './sections.ts';
import type { Terminal } from './terminal.ts';
import {
  addressText,
  count,
  hintText,
  momentText,
  plain,
  routeText,
  sinceText,
  sizeText,
  untilText,
  waitingText,
  wayText,
  windowText,
} from './text.ts';

export async function queueShow(
  id: string,
  json: boolean,
  client: AdminClient,
  terminal: Terminal,
): Promise<void> {
  const view = (await client.get(`/api/queue/${encodeURIComponent(id)}`)) as MessageView;
  terminal.out(json ? `${JSON.stringify(view, null, 2)}\n` : messageText(view, terminal.clock.now()));
}

function messageText({ message, entries, decisions }: MessageView, now: number): string {
  return [
    section(`Message ${message.id}`, messageFields(message, now)),
    ...entries.map((entry) =>
      section(count(entry.to.length, 'recipient', 'recipients'), entryFields(entry, now)),
    ),
    ...alike(decisions).map(({ to, explanation }) =>
      section(`Policy now: rule "${plain(explanation.rule)}"`, [
        ...lines('for', to.map(addressText)),
        ...explanationFields(explanation, now),
      ]),
    ),
  ].join('\n');
}

interface Shared {
  readonly to: string[];
  readonly explanation: Explanation;
}

/** Most recipients of a message meet the same rules: they are told once. */
function alike(decisions: MessageView['decisions']): readonly Shared[] {
  const shared = new Map<string, Shared>();
  for (const explanation of decisions) {
    const { to, ...rest } = explanation;
    const key = JSON.stringify(rest);
    const known = shared.get(key);
    if (known === undefined) shared.set(key, { to: [to], explanation });
    else known.to.push(to);
  }
  return [...shared.values()];
}

function messageFields(message: MessageView['message'], now: number): Field[] {
  const { client, recipients, routeOverride } = message;
  const arrived = new Date(message.arrived).toISOString();
  const user = client?.user === undefined ? '' : `, user ${plain(client.user)}`;
  const fields: Field[] = [
    ['from', addressText(message.from)],
    ['recipients', `${recipients.length} at arrival`],
    ['arrived', `${momentText(arrived)}, ${sinceText(arrived, now)}`],
    ['size', sizeText(message.size) + (message.eightBit ? ', 8-bit' : '')],
    ['origin', message.origin],
  ];
  if (client !== undefined)
    fields.push(['client', `${client.address} (${plain(client.helo)}), port ${client.listenerPort}${user}`]);
  if (routeOverride !== undefined) fields.push(['forced route', plain(routeOverride)]);
  return fields;
}

function entryFields(entry: EntryView, now: number): Field[] {
  const { to, state, domain, site, hold, priority, forcedRoute, attempted, inDoubt, last } = entry;
  const fields: Field[] = [
    ...lines('to', to.map(addressText)),
    ['state', hold === null ? state : `${state}: ${plain(hold)}`],
    ['route', routeText(entry) + (domain === null ? '' : plain(`, domain ${domain}`))],
  ];
  if (forcedRoute !== null) fields.push(['forced route', plain(forcedRoute)]);
  if (priority !== 'normal') fields.push(['priority', priority]);
  fields.push(...acceptedFields(entry));
  if (site !== null) fields.push(['site', plain(site)]);
  fields.push(...timeFields(entry, now));
  const decided = attempted.map(
    ({ at, rule, route, source = null, reason }) =>
      `${momentText(at)} by ${wayText({ route, source })}, rule "${rule}": ${reason}`,
  );
  fields.push(...lines('decided', decided.map(plain)));
  if (inDoubt)
    fields.push(['in doubt', 'no answer to the last final dot: the receiver may have the message']);
  return last === null ? fields : [...fields, ...failureFields(last)];
}

/** What was fixed when it came. */
function acceptedFields({ copy, tags, header }: EntryView): Field[] {
  const fields: Field[] = copy ? [['copy', 'a rule asked for it: no sender hears of it']] : [];
  if (tags.length > 0) fields.push(['tags', plain(tags.join(', '))]);
  return header === null ? fields : [...fields, ...lines('header', headerLines(header))];
}

function timeFields({ suspended, window, quota, next, expires, attempts }: EntryView, now: number): Field[] {
  const fields: Field[] = [];
  if (suspended !== null)
    fields.push(['suspended', `until ${momentText(suspended.until)}: ${plain(suspended.reason)}`]);
  if (window !== null) fields.push(['window', windowText(window)]);
  if (quota !== null) fields.push(['quota', waitingText(quota)]);
  if (next !== null) fields.push(['next', `${untilText(next, now)}, ${momentText(next)}`]);
  fields.push(['expires', `${untilText(expires, now)}, ${momentText(expires)}`]);
  fields.push(['attempts', count(attempts, 'counted', 'counted')]);
  return fields;
}

function failureFields(failure: Failure): Field[] {
  const { status, permanent, phase, text, host, ip, reply } = failure;
  const fields: Field[] = [
    ['last', `${status} ${failure.class}, ${permanent ? 'permanent' : 'temporary'}, at ${phase}`],
    ['reason', plain(text)],
  ];
  if (host !== undefined) fields.push(['host', plain(ip === undefined ? host : `${host}[${ip}]`)]);
  if (reply !== undefined) {
    fields.push(...lines('reply', reply.split('\n').map(plain)));
  }
  const hint = hintText(failure);
  if (hint !== null) fields.push(['pause', hint]);
  return fields;
}
