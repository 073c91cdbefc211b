// The operations that an operator has on the queue: look, retry, hold, release, remove, bounce, send.
// admin/ and so the CLI call it; every change is a commit in the spool, like any other.
// Never touches an entry that is being delivered at this moment: it says how many there were.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Failure } from '../delivery/failure.ts';
import { domainOf, type Message } from '../mail/envelope.ts';
import { buildTestMessage } from '../mail/test-message.ts';
import { explain } from '../policy/evaluate.ts';
import type { Totals } from '../spool/spool.ts';
import { isUnchanged, report } from './bounce.ts';
import type { QueueEntry } from './entry.ts';
import { parseDestination } from './entry.ts';
import { type House, placementContext } from './house.ts';
import { acceptedEvent, type IntakeOptions } from './intake.ts';
import type {
  DestinationView,
  EntryView,
  MessageView,
  Operations,
  QueueChange,
  QueueFilter,
  Readiness,
  TestMail,
} from './operations.ts';
import { place } from './placement.ts';
import { relocate } from './relocate.ts';
import { tellRelocated } from './review.ts';
import { sendMail } from './send.ts';
import { destinationViews, entryView } from './views.ts';

/** Entries changed before others get the loop. */
const SLICE = 200;

export interface ControlOptions {
  readonly house: House;
  readonly intake: IntakeOptions;
  readonly reload: () => Promise<readonly string[]>;
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
    for (const { message, entry } of this.#matching(filter)) {
      views.push(entryView(this.#house, message, entry));
      if (views.length >= limit) break;
    }
    return views;
  }

  show(id: string): MessageView | null {
    const message = this.#house.spool.message(id);
    if (!message) return null;
    const entries = this.#house.spool.entries(id);
    const policy = this.#house.policy();
    const decisions = entries.flatMap(({ recipients }) =>
      recipients.map((index) => {
        const to = message.recipients[index] ?? '';
        const { rule, trace } = explain(policy, { from: message.from, to });
        return { to, rule, trace };
      }),
    );
    return { message, entries: entries.map((entry) => entryView(this.#house, message, entry)), decisions };
  }

  destinations(): DestinationView[] {
    return destinationViews(this.#house, this.#house.destinations);
  }

  totals(): Totals {
    return this.#house.spool.totals();
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

  reload(): Promise<readonly string[]> {
    return this.#options.reload();
  }

  readiness(): Promise<Readiness> {
    return this.#options.readiness();
  }

  async change(
    what: QueueChange,
    filter: QueueFilter,
    reason: string | null,
  ): Promise<{ changed: number; busy: number }> {
    const count = { changed: 0, busy: 0 };
    let writing: Promise<void>[] = [];
    for (const { message, entry } of this.#matching(filter)) {
      if (this.#house.spool.isClaimed(entry)) count.busy++;
      else if (applies(what, entry)) {
        const applied = this.#apply(what, message, entry, reason);
        writing.push(applied.then((done) => void count[done ? 'changed' : 'busy']++));
      }
      if (writing.length < SLICE) continue;
      await Promise.all(writing);
      writing = [];
      await nextTurn();
    }
    await Promise.all(writing);
    return count;
  }

  *#matching(filter: QueueFilter): Iterable<{ message: Message; entry: QueueEntry }> {
    const { spool } = this.#house;
    const entries = filter.id === undefined ? spool.scan(null) : spool.entries(filter.id);
    for (const entry of entries) {
      const message = spool.message(entry.id);
      if (message && this.#matches(filter, message, entry)) yield { message, entry };
    }
  }

  #matches({ domain, sender, route, site }: QueueFilter, message: Message, entry: QueueEntry): boolean {
    if (sender !== undefined && message.from.toLowerCase() !== sender.toLowerCase()) return false;
    if (route !== undefined && parseDestination(entry.destination).route !== route) return false;
    if (site !== undefined && this.#house.destinations.get(entry.destination)?.site !== site) return false;
    if (domain === undefined) return true;
    const wanted = domain.toLowerCase();
    return entry.recipients.some((index) => domainOf(message.recipients[index] ?? '') === wanted);
  }

  /** False when the entry began to be delivered meanwhile. */
  #apply(what: QueueChange, message: Message, entry: QueueEntry, reason: string | null): Promise<boolean> {
    switch (what) {
      case 'retry':
        return this.#retry(entry);
      case 'hold':
        return this.#hold(message, entry, reason ?? 'held by the operator');
      case 'release':
        return this.#release(message, entry);
      case 'remove':
        return this.#remove(message, entry);
      case 'bounce':
        return this.#bounce(message, entry, reason ?? 'Returned by the operator of this mail system');
    }
  }

  /** Now, whatever the schedule and a closed door say: the operator knows more than we do. */
  async #retry(entry: QueueEntry): Promise<boolean> {
    const now = this.#house.clock.now();
    await this.#house.spool.change({ put: [{ ...entry, due: now }] });
    const destination = this.#house.destinations.of(entry.destination);
    if (destination.backOff) destination.backOff = { ...destination.backOff, until: now };
    this.#house.dispatcher.arrived([entry.destination]);
    return true;
  }

  async #hold(message: Message, entry: QueueEntry, reason: string): Promise<boolean> {
    const hold = { reason, since: this.#house.clock.now(), by: 'operator' } as const;
    await this.#house.spool.change({ put: [{ ...entry, hold }] });
    this.#each(message, entry, (of) => this.#house.observer.event({ ...of, event: 'held', reason }));
    return true;
  }

  /** Back into the queue by the policy of today; crashes are forgiven. */
  async #release(message: Message, entry: QueueEntry): Promise<boolean> {
    const now = this.#house.clock.now();
    const { hold: _, ...rest } = entry;
    const free: QueueEntry = { ...rest, due: now, crashes: 0 };
    const placements = place(message, entry.recipients, free, placementContext(this.#house));
    const relocation = relocate(free, placements, now);
    await this.#house.spool.change(relocation.change);
    tellRelocated(this.#house, message, relocation);
    return true;
  }

  async #remove(message: Message, entry: QueueEntry): Promise<boolean> {
    await this.#house.spool.change({ remove: [entry], ended: { removed: entry.recipients.length } });
    this.#each(message, entry, (of) =>
      this.#house.observer.event({ ...of, event: 'removed', by: 'operator' }),
    );
    return true;
  }

  async #bounce(message: Message, entry: QueueEntry, text: string): Promise<boolean> {
    const failure: Failure = {
      scope: 'message',
      permanent: true,
      class: 'policy',
      // RFC 3463 §3.8: delivery not authorized, message refused.
      status: '5.7.1',
      phase: 'local',
      text,
    };
    const undelivered = entry.recipients.map((index) => ({ ...entry, index, failure }));
    const dsn = await report(this.#house, 'failed', message, undelivered);
    if (!isUnchanged(this.#house, entry)) {
      dsn?.body.discard();
      return false;
    }
    const ended = { bounced: entry.recipients.length };
    await this.#house.spool.change({ remove: [entry], ended, ...(dsn && { born: [dsn] }) });
    this.#each(message, entry, (of) => {
      const { status, text: reason } = failure;
      this.#house.observer.event({ ...of, event: 'bounced', status, reason, dsn: dsn?.message.id ?? null });
    });
    if (dsn) {
      this.#house.observer.event(acceptedEvent({ ...dsn.message, size: dsn.body.size }));
      this.#house.dispatcher.arrived(dsn.entries.map(({ destination }) => destination));
    }
    return true;
  }

  #each(
    message: Message,
    entry: QueueEntry,
    tell: (of: { id: string; from: string; to: string }) => void,
  ): void {
    const { id, from } = message;
    for (const index of entry.recipients) tell({ id, from, to: message.recipients[index] ?? '' });
  }
}

function applies(what: QueueChange, entry: QueueEntry): boolean {
  if (what === 'retry' || what === 'hold') return entry.hold === undefined;
  return what !== 'release' || entry.hold !== undefined;
}
