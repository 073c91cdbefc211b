// The operations that an operator has on the queue: look, change, reroute, suspend, send.
// admin/ and so the CLI call it; every change is a commit in the spool, like any other.
// Never touches an entry that is being delivered at this moment: it says how many there were.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Problem } from '../config/problem.ts';
import { domainOf, type Message } from '../mail/envelope.ts';
import { buildTestMessage } from '../mail/test-message.ts';
import { diffPolicies } from '../policy/diff.ts';
import type { MailFacts, Policy } from '../policy/policy.ts';
import type { QueueEntry } from '../queue/entry.ts';
import { parseDestination } from '../queue/entry.ts';
import type { House } from '../queue/house.ts';
import type { IntakeOptions } from '../queue/intake.ts';
import { resume, suspend } from '../queue/suspend.ts';
import type { Totals } from '../spool/spool.ts';
import { applies, applyChange, type Chosen, choose, reroute } from './changes.ts';
import { diffQueue } from './diff.ts';
import { explainNew, explainQueued } from './explain.ts';
import type {
  DestinationView,
  EntryView,
  Explanation,
  MessageView,
  Operations,
  PolicyComparison,
  QueueChange,
  QueueFilter,
  QuotaView,
  Readiness,
  Rerouted,
  SuspensionScope,
  SuspensionView,
  TestMail,
} from './operations.ts';
import { quotaViews } from './quota-views.ts';
import { sendMail } from './send.ts';
import { destinationViews, entryView, suspensionView } from './views.ts';

/** Entries looked at before others get the loop. */
const SLICE = 200;

/** The policy as it stands on disk. */
export interface PolicyFiles {
  /** Puts it in force. The problems, one line each; empty: it is. */
  reload(): Promise<readonly string[]>;
  /** Reads one that is not in force; `path` is absolute. */
  read(path: string): { readonly policy: Policy } | { readonly problems: readonly Problem[] };
}

export interface ControlOptions {
  readonly house: House;
  readonly intake: IntakeOptions;
  readonly files: PolicyFiles;
  readonly readiness: () => Promise<Readiness>;
}

export class QueueControl implements Operations {
  readonly #house: House;
  readonly #options: ControlOptions;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#house = options.house;
  }

  list(filter: QueueFilter, limit: number): EntryView[] {
    const views: EntryView[] = [];
    for (const entry of this.#entries(filter)) {
      const message = this.#matching(filter, entry);
      if (message) views.push(entryView(this.#house, message, entry));
      if (views.length >= limit) break;
    }
    return views;
  }

  show(id: string): MessageView | null {
    const message = this.#house.spool.message(id);
    if (!message) return null;
    const entries = this.#house.spool.entries(id);
    const decisions = entries.flatMap((entry) =>
      entry.recipients.map((index) => explainQueued(this.#house, message, entry, index)),
    );
    const views = entries.map((entry) => entryView(this.#house, message, entry));
    // What rules look at in a header is content all the same.
    const { header: _, ...envelope } = message;
    return { message: envelope, entries: views, decisions };
  }

  explain(mail: MailFacts): Promise<Explanation> {
    return explainNew(this.#house, mail);
  }

  destinations(): DestinationView[] {
    return destinationViews(this.#house, this.#house.destinations);
  }

  totals(): Totals {
    return this.#house.spool.totals();
  }

  quotas(): Promise<QuotaView[]> {
    return quotaViews(this.#house);
  }

  send(mail: TestMail): Promise<{ id: string } | { refused: string }> {
    const { hostname, policy, clock } = this.#house;
    const { route } = mail;
    if (route !== undefined && !policy().routes.has(route)) {
      return Promise.resolve({ refused: `there is no route "${route}"` });
    }
    const content = (id: string): Buffer =>
      mail.content ?? buildTestMessage({ ...mail, hostname, now: clock.now(), id });
    return sendMail(this.#options.intake, { ...mail, content });
  }

  async suspend(
    scope: SuspensionScope,
    ms: number,
    reason: string | null,
  ): Promise<SuspensionView | { refused: string }> {
    const { route } = scope;
    if (route !== undefined && !this.#house.policy().routes.has(route)) {
      return { refused: `route: there is no route "${route}"` };
    }
    const since = this.#house.clock.now();
    const words = reason ?? 'suspended by the operator';
    const suspension = { ...scope, reason: words, since, until: since + ms };
    await suspend(this.#house, suspension);
    return suspensionView(suspension);
  }

  async resume(scope: SuspensionScope): Promise<{ resumed: number }> {
    return { resumed: await resume(this.#house, scope) };
  }

  suspensions(): SuspensionView[] {
    const now = this.#house.clock.now();
    const inForce = [...this.#house.destinations.suspensions.all()].filter(({ until }) => until > now);
    return inForce.map(suspensionView);
  }

  async policyDiff(file: string): Promise<PolicyComparison | { problems: readonly Problem[] }> {
    const read = this.#options.files.read(file);
    if ('problems' in read) return { problems: read.problems };
    await nextTurn();
    const differences = diffPolicies(this.#house.policy(), read.policy);
    return { differences, queue: await diffQueue(this.#house, read.policy) };
  }

  reload(): Promise<readonly string[]> {
    return this.#options.files.reload();
  }

  readiness(): Promise<Readiness> {
    return this.#options.readiness();
  }

  change(
    what: QueueChange,
    filter: QueueFilter,
    reason: string | null,
  ): Promise<{ changed: number; busy: number }> {
    return this.#changeEach(filter, (chosen) =>
      applies(what, chosen.entry) ? applyChange(this.#house, what, chosen, reason) : null,
    );
  }

  async reroute(to: string, filter: QueueFilter): Promise<Rerouted | { refused: string }> {
    const route = this.#house.policy().routes.get(to);
    if (!route) return { refused: `to: there is no route "${to}"` };
    // It would look like a move and be the end of the mail: that is what remove is for.
    if (route.via === 'discard') return { refused: `to: route "${to}" discards mail; see queue remove` };
    let inDoubt = 0;
    const count = await this.#changeEach(filter, (chosen) => {
      if (chosen.entry.routeOverride === to) return null;
      if (chosen.entry.doubt) inDoubt++;
      return reroute(this.#house, chosen, to);
    });
    return { ...count, inDoubt };
  }

  /** `apply` changes one choice, or has nothing to do (null); false: it began to be delivered meanwhile. */
  async #changeEach(
    filter: QueueFilter,
    apply: (chosen: Chosen) => Promise<boolean> | null,
  ): Promise<{ changed: number; busy: number }> {
    const count = { changed: 0, busy: 0 };
    let writing: Promise<void>[] = [];
    let looked = 0;
    for (const found of this.#entries(filter)) {
      const chosen = this.#choose(filter, found);
      if (chosen && this.#house.spool.isClaimed(chosen.entry)) count.busy++;
      else {
        const applied = chosen && apply(chosen);
        if (applied) writing.push(applied.then((done) => void count[done ? 'changed' : 'busy']++));
      }
      if (++looked % SLICE !== 0) continue;
      await Promise.all(writing);
      writing = [];
      await nextTurn();
    }
    await Promise.all(writing);
    return count;
  }

  #entries({ id }: QueueFilter): Iterable<QueueEntry> {
    return id === undefined ? this.#house.spool.scan(null) : this.#house.spool.entries(id);
  }

  /** A walk over the spool reads ahead: what was found may have changed since. */
  #choose(filter: QueueFilter, found: QueueEntry): Chosen | null {
    const entry = this.#house.spool.entry(found);
    const message = entry && this.#matching(filter, entry);
    return message ? choose(message, entry, recipientsIn(filter.domain, message, entry)) : null;
  }

  /** The message of an entry that the filter means, or null. */
  #matching(filter: QueueFilter, entry: QueueEntry): Message | null {
    const { sender, route, site, domain } = filter;
    const message = this.#house.spool.message(entry.id);
    if (!message) return null;
    if (sender !== undefined && message.from.toLowerCase() !== sender.toLowerCase()) return null;
    if (route !== undefined && parseDestination(entry.destination).route !== route) return null;
    if (site !== undefined && this.#house.destinations.get(entry.destination)?.site !== site) return null;
    return recipientsIn(domain, message, entry).length > 0 ? message : null;
  }
}

/** Recipients of the entry in the domain; all without one. On a smarthost's route they may be of many. */
function recipientsIn(domain: string | undefined, message: Message, entry: QueueEntry): readonly number[] {
  if (domain === undefined) return entry.recipients;
  const wanted = domain.toLowerCase();
  return entry.recipients.filter((index) => domainOf(message.recipients[index] ?? '') === wanted);
}
