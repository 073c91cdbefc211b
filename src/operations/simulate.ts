// The story of one message under given answers: its attempts, warnings, fallback and end, in order of time.
// `sendoff simulate` tells it; every decision is made by the functions that the queue itself calls.
// Never waits and never guesses: the clock is a number, the spread of retries its middle.
import type { Failure } from '../delivery/failure.ts';
import type { Message } from '../mail/envelope.ts';
import { courseOf } from '../policy/course.ts';
import { firstChange } from '../policy/hours.ts';
import type { Decision, MailFacts, Policy, RejectReply } from '../policy/policy.ts';
import { bounces } from '../policy/routing.ts';
import { domainSiteOf } from '../policy/sites.ts';
import { answered, findingOf } from '../queue/backoff.ts';
import { closedDoor, Destinations } from '../queue/destinations.ts';
import { enqueue } from '../queue/enqueue.ts';
import { parseDestination, type QueueEntry, wayText, withDue } from '../queue/entry.ts';
import { decisionFor, place } from '../queue/placement.ts';
import { inPlace, relocate } from '../queue/relocate.ts';
import { isSoftBounce, type SettleContext, settle, type Verdict } from '../queue/settle.ts';
import { GRACE_MS } from '../queue/timers.ts';
import { isYetToBeTried, warningAfter } from '../queue/window.ts';
import { outcomeOf, type SimulatedReply } from './simulated-replies.ts';

/** `at`: ms since the epoch. */
export type Step = { readonly at: number } & (
  | { readonly what: 'rejected'; readonly rule: string; readonly reply: RejectReply }
  /** Null: no route, the rule itself. */
  | { readonly what: 'discarded'; readonly route: string | null }
  | {
      readonly what: 'attempt';
      readonly route: string;
      /** The address of ours that it leaves from; null: the system's choice. */
      readonly source: string | null;
      /** As it was given. */
      readonly reply: string;
      /** Attempts so far that count. */
      readonly attempts: number;
      readonly result: Verdict['kind'];
      /** It would have bounced: `softBounce` keeps it. */
      readonly soft: boolean;
      readonly failure: Failure | null;
      /** The next attempt, when there is one. */
      readonly next: number | null;
    }
  /** By another route, or from another address: `direct@192.0.2.11`. */
  | { readonly what: 'fallback'; readonly from: string; readonly to: string; readonly reason: string }
  | { readonly what: 'held'; readonly reason: string }
  /** By the time of day. */
  | { readonly what: 'let-go' }
  | { readonly what: 'warning'; readonly number: number }
  | { readonly what: 'expired' }
);

export interface Simulation {
  readonly rule: string;
  readonly steps: readonly Step[];
  /** False when the story goes on after so many steps. */
  readonly ended: boolean;
}

/** A schedule of minutes that lasts for days has thousands of attempts; nobody reads them. */
const MOST_STEPS = 1_000;

/** Held for a week of hours that come and go, mail waits for a person. */
const LONGEST_HOLD_MS = 8 * 86_400_000;

/** Nobody else sends anything: no budget is used up, and nothing was left. */
const NOTHING_PASSED = { passed: () => null, sourcePassed: () => null };

/** The middle of every spread. */
const middle = (): number => 0.5;

/** The files know a site by the domains that it names; nothing is looked up. */
function sitesByDomain(policy: Policy): SettleContext['site'] {
  return (domain) => domainSiteOf(policy, domain)?.name;
}

/** The message arrives at `start`; the last of the replies is given again and again. */
export function simulate(
  policy: Policy,
  mail: MailFacts,
  replies: readonly SimulatedReply[],
  start: number,
): Simulation {
  const { accepted, last } = courseOf(policy, { ...mail, at: start }, sitesByDomain(policy));
  if (last.ending.kind === 'reject') {
    const { reply } = last.ending;
    const steps = [{ at: start, what: 'rejected', rule: last.rule, reply }] as const;
    return { rule: last.rule, steps, ended: true };
  }
  const story = new Story(policy, mail, start);
  for (let asked = 0; !story.ended && story.steps.length < MOST_STEPS; ) {
    const reply = replies[Math.min(asked, replies.length - 1)];
    if (reply && story.goOn(reply)) asked++;
  }
  return { rule: accepted.rule, steps: story.steps, ended: story.ended };
}

class Story {
  readonly steps: Step[] = [];
  readonly #policy: Policy;
  readonly #message: Message;
  readonly #destinations = new Destinations();
  #now: number;
  /** Null once the story is over. */
  #entry: QueueEntry | null;

  constructor(policy: Policy, { from, to }: MailFacts, start: number) {
    this.#policy = policy;
    this.#now = start;
    const given: Message = {
      id: 'simulated',
      origin: 'client',
      arrived: start,
      from,
      recipients: [to],
      size: 0,
      eightBit: false,
    };
    const { message, entries, discarded } = enqueue(given, this.#context());
    this.#message = message;
    // Of several recipients that an alias has, the first; copies have stories of their own.
    const own = entries.find(({ recipients }) => recipients.includes(0));
    this.#entry = own ? { ...own, seq: 0, recipients: [0] } : null;
    for (const { index, route } of discarded) if (index === 0) this.#tell({ what: 'discarded', route });
    this.#tellHold();
  }

  get ended(): boolean {
    return this.#entry === null;
  }

  /** One thing happens. True when it was an attempt: the reply is used up. */
  goOn(reply: SimulatedReply): boolean {
    const entry = this.#entry;
    if (!entry) return false;
    if (entry.hold) return this.#waitHeld(entry, entry.hold.since);
    const ready = this.#readyAt(entry);
    const { nextWarning: warning, expires } = entry;
    const isLate = warning !== undefined && warning < Math.min(ready, expires);
    if (isLate && !isYetToBeTried(entry, this.#now)) return this.#warn(entry, warning);
    const grace = Math.max(expires, entry.due) + GRACE_MS;
    if (ready > grace) return this.#expire(grace);
    this.#now = Math.max(this.#now, ready);
    return this.#moved(entry) ? false : this.#attempt(entry, reply);
  }

  #readyAt({ destination, due }: QueueEntry): number {
    return Math.max(due, this.#destinations.get(destination)?.backOff?.until ?? 0);
  }

  #tellHold(): void {
    const hold = this.#entry?.hold;
    if (hold) this.#tell({ what: 'held', reason: hold.reason });
  }

  /** A rule may let it go at another time of day; else it is a person's to release, and the story is over. */
  #waitHeld(entry: QueueEntry, since: number): false {
    const change = firstChange(this.#policy.times, this.#now);
    if (change > since + LONGEST_HOLD_MS) {
      this.#entry = null;
      return false;
    }
    this.#now = change;
    const { hold: _, ...free } = entry;
    const placements = place(this.#message, entry.recipients, entry, this.#context());
    if (placements.some(({ kind }) => kind === 'hold' || kind === 'reject')) return false;
    this.#tell({ what: 'let-go' });
    this.#entry = relocate(withDue(free, this.#now), placements, this.#now).change.put?.[0] ?? null;
    return false;
  }

  #warn(entry: QueueEntry, at: number): false {
    this.#now = Math.max(this.#now, at);
    const { nextWarning: _, ...rest } = entry;
    const warnings = entry.warnings + 1;
    const next = warningAfter(warnings, this.#message, this.#decision(entry));
    this.#entry = { ...rest, warnings, ...(next !== null && { nextWarning: next }) };
    this.#tell({ what: 'warning', number: warnings });
    return false;
  }

  #expire(at: number): false {
    this.#now = at;
    this.#tell({ what: 'expired' });
    this.#entry = null;
    return false;
  }

  /** Before an attempt the queue looks where the message belongs now. */
  #moved(entry: QueueEntry): boolean {
    const placements = place(this.#message, entry.recipients, entry, this.#context());
    if (inPlace(entry, placements)) return false;
    const { change, discarded } = relocate(entry, placements, this.#now);
    for (const { route } of discarded) this.#tell({ what: 'discarded', route });
    this.#enter(entry, change.put?.[0] ?? null);
    this.#tellHold();
    return true;
  }

  #attempt(entry: QueueEntry, said: SimulatedReply): true {
    const { route: name, source } = parseDestination(entry.destination);
    const route = this.#policy.routes.get(name);
    if (!route || route.via === 'discard') throw new Error(`no attempt is made by ${name}`);
    const outcome = outcomeOf(said, route);
    const destination = this.#destinations.of(entry.destination);
    const { retry } = this.#decision(entry);
    const mayBounce = bounces(this.#policy, name);
    answered(destination, findingOf([outcome]), retry, this.#now, middle, mayBounce);
    const settlement = settle(entry, this.#message, new Map([[0, outcome]]), this.#context());
    const [verdict] = settlement.verdicts;
    const failure = outcome.kind === 'failed' ? outcome.failure : null;
    const after = settlement.put[0] ?? null;
    const counted = failure?.ours ? 0 : 1;
    this.#tell({
      what: 'attempt',
      route: name,
      source,
      reply: said.text,
      attempts: entry.attempts + counted,
      result: verdict?.kind ?? 'deferred',
      soft: verdict?.kind === 'deferred' && isSoftBounce(verdict, entry),
      failure,
      next: after && Math.max(this.#readyAt(after), this.#now),
    });
    this.#enter(entry, after);
    return true;
  }

  #enter(before: QueueEntry, after: QueueEntry | null): void {
    this.#entry = after;
    if (!after || after.destination === before.destination) return;
    const way = ({ destination }: QueueEntry): string => wayText(parseDestination(destination));
    this.#tell({ what: 'fallback', from: way(before), to: way(after), reason: after.routeReason ?? '' });
  }

  #decision({ tags = [] }: QueueEntry): Decision {
    return decisionFor(this.#message, 0, tags, this.#context());
  }

  #tell(step: Step extends infer One ? (One extends Step ? Omit<One, 'at'> : never) : never): void {
    this.steps.push({ at: this.#now, ...step } as Step);
  }

  #context(): SettleContext {
    const now = this.#now;
    const door: SettleContext['door'] = (key) => closedDoor(this.#destinations.get(key), now);
    return {
      policy: this.#policy,
      door,
      now,
      random: middle,
      site: sitesByDomain(this.#policy),
      ...NOTHING_PASSED,
    };
  }
}
