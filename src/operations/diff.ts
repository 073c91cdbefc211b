// What another policy would do to the mail that is queued now: recipient by recipient, counted by kind of change.
// control.ts asks for `policy diff`; placement.ts answers twice for each, by the policy in force and by the other.
// Never changes anything, and never holds the loop: it works in slices.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Message } from '../mail/envelope.ts';
import { hoursText } from '../policy/hours.ts';
import type { Decision, Policy } from '../policy/policy.ts';
import { bouncesText } from '../policy/settings.ts';
import { parseDestination, type QueueEntry } from '../queue/entry.ts';
import { type House, placementContext } from '../queue/house.ts';
import { type Placement, type PlacementContext, place } from '../queue/placement.ts';

/** Recipients looked at before others get the loop: a millisecond or two, with a thousand rules some ten. */
const SLICE = 25;

/** Queue ids that a kind of change is shown with: enough to look at one. */
const EXAMPLES = 3;

/** Of recipients in the queue. */
export interface MailChange {
  /** `held`, `let-go`, `discarded`: what would become of it. The others: another one of these. */
  readonly what: 'route' | 'held' | 'let-go' | 'discarded' | 'schedule' | 'priority' | 'window' | 'bounces';
  /** A route, a schedule, …; of what policy holds, the rule. */
  readonly from: string;
  readonly to: string;
  readonly recipients: number;
  /** Queue ids of some. */
  readonly examples: readonly string[];
}

export interface QueueDiff {
  /** Looked at. */
  readonly recipients: number;
  /** For which the other policy changes nothing; those that an operator or a quota holds are among them. */
  readonly unchanged: number;
  /** Most recipients first; one recipient may be in several. */
  readonly changes: readonly MailChange[];
}

/** The queue as it is from now on, while it is looked at. Resolves early, with what was seen, when the daemon stops. */
export async function diffQueue(house: House, after: Policy): Promise<QueueDiff> {
  const contexts = [placementContext(house), remembering(placementContext(house, after))] as const;
  const counts = new Counts();
  let looked = 0;
  for (const entry of house.spool.scan(null)) {
    const message = house.spool.message(entry.id);
    if (!message) continue;
    counts.add(entry, compared(message, entry, contexts));
    looked += entry.recipients.length;
    if (looked < SLICE) continue;
    looked = 0;
    await nextTurn();
    if (house.stopping.aborted) break;
  }
  return counts.result();
}

/** The book of sites keeps its answers for the policy in force alone. */
function remembering(context: PlacementContext): PlacementContext {
  const sites = new Map<string, string | null | undefined>();
  const site: PlacementContext['site'] = (domain) => {
    if (!sites.has(domain)) sites.set(domain, context.site(domain));
    return sites.get(domain);
  };
  return { ...context, site };
}

/** How one recipient's mail changes. */
type Change = Pick<MailChange, 'what' | 'from' | 'to'>;

/** For each recipient of the entry. */
function compared(
  message: Message,
  entry: QueueEntry,
  [before, after]: readonly [PlacementContext, PlacementContext],
): readonly (readonly Change[])[] {
  const { hold } = entry;
  if (hold && hold.by !== 'policy') return entry.recipients.map(() => []);
  return entry.recipients.map((index) => {
    const [was] = place(message, [index], entry, before);
    const [is] = place(message, [index], entry, after);
    return was && is ? changesBetween(was, is) : [];
  });
}

function changesBetween(was: Placement, is: Placement): Change[] {
  const [from, to] = [placeText(was), placeText(is)];
  if (is.kind === 'queue') {
    if (was.kind !== 'queue') return [{ what: 'let-go', from, to }];
    const moved: Change[] = from === to ? [] : [{ what: 'route', from, to }];
    return [...moved, ...otherSettings(was.decision, is.decision)];
  }
  if (is.kind === 'discard') return was.kind === 'discard' ? [] : [{ what: 'discarded', from, to }];
  return from === to ? [] : [{ what: 'held', from, to }];
}

/** Where it is, or which rule keeps it from being anywhere. */
function placeText(placement: Placement): string {
  if (placement.kind === 'queue') return parseDestination(placement.destination).route;
  return placement.kind === 'discard' ? placement.route : placement.rule;
}

function otherSettings(was: Decision, is: Decision): Change[] {
  const again = was.retry.name === is.retry.name ? `${is.retry.name}, changed` : is.retry.name;
  const changes: Change[] = [
    { what: 'schedule', from: was.retry.name, to: isSameRetry(was, is) ? was.retry.name : again },
    { what: 'priority', from: was.priority, to: is.priority },
    { what: 'window', from: windowText(was), to: windowText(is) },
    { what: 'bounces', from: bouncesText(was.bounces), to: bouncesText(is.bounces) },
  ];
  return changes.filter(({ from, to }) => from !== to);
}

function isSameRetry(was: Decision, is: Decision): boolean {
  return was.retry === is.retry || isDeepStrictEqual(was.retry, is.retry);
}

function windowText({ window }: Decision): string {
  return window === null ? 'always' : hoursText(window);
}

/** Changes that are alike, counted. */
class Counts {
  readonly #alike = new Map<string, Change & { recipients: number; examples: string[] }>();
  #recipients = 0;
  #unchanged = 0;

  add({ id }: QueueEntry, recipients: readonly (readonly Change[])[]): void {
    this.#recipients += recipients.length;
    for (const changes of recipients) {
      if (changes.length === 0) this.#unchanged++;
      for (const change of changes) this.#count(change, id);
    }
  }

  #count(change: Change, id: string): void {
    const key = `${change.what} ${change.from} → ${change.to}`;
    const known = this.#alike.get(key) ?? { ...change, recipients: 0, examples: [] };
    known.recipients++;
    if (known.examples.length < EXAMPLES && known.examples.at(-1) !== id) known.examples.push(id);
    this.#alike.set(key, known);
  }

  result(): QueueDiff {
    const changes = [...this.#alike.values()].sort((a, b) => b.recipients - a.recipients);
    return { recipients: this.#recipients, unchanged: this.#unchanged, changes };
  }
}
