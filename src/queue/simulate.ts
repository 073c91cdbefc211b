// The story of one message under given answers: its attempts, warnings, fallback and end, in order of time.
// `sendoff simulate` tells it; every decision is made by the functions that the queue itself calls.
// Never waits and never guesses: the clock is a number, the spread of retries its middle.
import type { Failure } from '../delivery/failure.ts';
import type { Message } from '../mail/envelope.ts';
import { decide } from '../policy/evaluate.ts';
import type { Decision, MailFacts, Policy, RejectReply } from '../policy/policy.ts';
import { bounces } from '../policy/routing.ts';
import { nextWarning } from '../policy/schedule.ts';
import { answered, findingOf } from './backoff.ts';
import { closedDoor, Destinations } from './destinations.ts';
import { enqueue } from './enqueue.ts';
import { parseDestination, type QueueEntry } from './entry.ts';
import { place, routeChoice } from './placement.ts';
import { inPlace, relocate } from './relocate.ts';
import { isSoftBounce, type SettleContext, settle, type Verdict } from './settle.ts';
import { outcomeOf, type SimulatedReply } from './simulated-replies.ts';
import { GRACE_MS } from './timers.ts';

/** `at`: ms since the epoch. */
export type Step = { readonly at: number } & (
  | { readonly what: 'rejected'; readonly rule: string; readonly reply: RejectReply }
  | { readonly what: 'discarded'; readonly route: string }
  | {
      readonly what: 'attempt';
      readonly route: string;
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
  | { readonly what: 'fallback'; readonly from: string; readonly to: string; readonly reason: string }
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

/** The middle of every spread. */
const middle = (): number => 0.5;

/** The message arrives at `start`; the last of the replies is given again and again. */
export function simulate(
  policy: Policy,
  mail: MailFacts,
  replies: readonly SimulatedReply[],
  start: number,
): Simulation {
  const decision = decide(policy, mail);
  if (decision.ending.kind === 'reject') {
    const { reply } = decision.ending;
    const steps = [{ at: start, what: 'rejected', rule: decision.rule, reply }] as const;
    return { rule: decision.rule, steps, ended: true };
  }
  const story = new Story(policy, mail, decision, start);
  for (let asked = 0; !story.ended && story.steps.length < MOST_STEPS; ) {
    const reply = replies[Math.min(asked, replies.length - 1)];
    if (reply && story.goOn(reply)) asked++;
  }
  return { rule: decision.rule, steps: story.steps, ended: story.ended };
}

class Story {
  readonly steps: Step[] = [];
  readonly #policy: Policy;
  readonly #decision: Decision;
  readonly #message: Message;
  readonly #destinations = new Destinations();
  #now: number;
  /** Null once the story is over. */
  #entry: QueueEntry | null;

  constructor(policy: Policy, { from, to }: MailFacts, decision: Decision, start: number) {
    this.#policy = policy;
    this.#decision = decision;
    this.#now = start;
    this.#message = {
      id: 'simulated',
      origin: 'client',
      arrived: start,
      from,
      recipients: [to],
      size: 0,
      eightBit: false,
    };
    const { entries, discarded } = enqueue(this.#message, this.#context());
    this.#entry = entries[0] ?? null;
    for (const { route } of discarded) this.#tell({ what: 'discarded', route });
  }

  get ended(): boolean {
    return this.#entry === null;
  }

  /** One thing happens. True when it was an attempt: the reply is used up. */
  goOn(reply: SimulatedReply): boolean {
    const entry = this.#entry;
    if (!entry) return false;
    const ready = this.#readyAt(entry);
    const { nextWarning: warning, expires } = entry;
    if (warning !== undefined && warning < Math.min(ready, expires)) return this.#warn(entry, warning);
    if (ready > expires + GRACE_MS) return this.#expire(expires + GRACE_MS);
    this.#now = Math.max(this.#now, ready);
    return this.#moved(entry) ? false : this.#attempt(entry, reply);
  }

  #readyAt({ destination, due }: QueueEntry): number {
    return Math.max(due, this.#destinations.get(destination)?.backOff?.until ?? 0);
  }

  #warn(entry: QueueEntry, at: number): false {
    this.#now = at;
    const { nextWarning: _, ...rest } = entry;
    const warnings = entry.warnings + 1;
    const next = nextWarning(this.#decision.retry, this.#message.arrived, warnings);
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
    this.#enter(entry, change.put?.[0] ?? null, entry);
    return true;
  }

  #attempt(entry: QueueEntry, said: SimulatedReply): true {
    const { route: name } = parseDestination(entry.destination);
    const route = this.#policy.routes.get(name);
    if (!route || route.via === 'discard') throw new Error(`no attempt is made by ${name}`);
    const outcome = outcomeOf(said, route);
    const destination = this.#destinations.of(entry.destination);
    const { retry } = this.#decision;
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
      reply: said.text,
      attempts: entry.attempts + counted,
      result: verdict?.kind ?? 'deferred',
      soft: verdict?.kind === 'deferred' && isSoftBounce(verdict, entry),
      failure,
      next: after && Math.max(this.#readyAt(after), this.#now),
    });
    this.#enter(entry, after, { ...entry, routeAttempts: entry.routeAttempts + counted });
    return true;
  }

  /** `tried`: the entry as the choice of its next route was made. */
  #enter(before: QueueEntry, after: QueueEntry | null, tried: QueueEntry): void {
    this.#entry = after;
    if (!after || after.destination === before.destination) return;
    const [from, to] = [before, after].map((entry) => parseDestination(entry.destination).route);
    const state = { ...tried, ...(after.last && { last: after.last }) };
    const recipient = this.#message.recipients[0] ?? '';
    const { reason } = routeChoice(this.#message, this.#decision, recipient, state, this.#context());
    this.#tell({ what: 'fallback', from: from ?? '', to: to ?? '', reason });
  }

  #tell(step: Step extends infer One ? (One extends Step ? Omit<One, 'at'> : never) : never): void {
    this.steps.push({ at: this.#now, ...step } as Step);
  }

  #context(): SettleContext {
    const now = this.#now;
    const door: SettleContext['door'] = (key) => closedDoor(this.#destinations.get(key), now);
    return { policy: this.#policy, door, now, random: middle, site: () => undefined, passed: () => null };
  }
}
