// A queue in memory behind the operations interface: entries are plain views in an array.
// Serves the tests of admin/ and cli/, which must not need a spool or Redis.
// Never used by tests of the queue itself.

import type {
  DestinationView,
  EntryView,
  Explanation,
  MessageView,
  Operations,
  PolicyComparison,
  Present,
  QueueChange,
  QueueFilter,
  QuotaView,
  Readiness,
  Rerouted,
  SuspensionScope,
  SuspensionView,
  TestMail,
} from '../../src/operations/operations.ts';
import { explainMail } from '../../src/policy/explanation.ts';
import type { MailFacts } from '../../src/policy/policy.ts';
import type { Totals } from '../../src/spool/spool.ts';
import { policyFrom } from './policy.ts';

const emptyTotals: Totals = {
  accepted: { client: 0, dsn: 0, notice: 0 },
  ended: { delivered: 0, bounced: 0, expired: 0, discarded: 0, removed: 0 },
  queued: 0,
  held: 0,
};

export function entryView(changes: Partial<EntryView> = {}): EntryView {
  return {
    id: '0abc123def45',
    state: 'queued',
    from: 'ann@example.net',
    to: ['bob@example.org'],
    route: 'direct',
    source: null,
    domain: 'example.org',
    site: null,
    size: 4200,
    arrived: '2026-11-22T10:00:00.000Z',
    next: '2026-11-22T12:05:00.000Z',
    attempts: 0,
    last: null,
    expires: '2026-11-27T10:00:00.000Z',
    hold: null,
    suspended: null,
    window: null,
    quota: null,
    inDoubt: false,
    priority: 'normal',
    tags: [],
    header: null,
    copy: false,
    forcedRoute: null,
    attempted: [],
    ...changes,
  };
}

export class MemoryOperations implements Operations {
  entries: EntryView[] = [];
  readonly messages = new Map<string, MessageView>();
  destinationViews: DestinationView[] = [];
  quotaViews: QuotaView[] = [];
  suspensionViews: SuspensionView[] = [];
  policy = policyFrom('rules: []');
  /** What `explain` says of the moment. */
  present: Present | null = null;
  readonly changes: { what: QueueChange; filter: QueueFilter; reason: string | null }[] = [];
  readonly rerouted: { to: string; filter: QueueFilter }[] = [];
  readonly sent: TestMail[] = [];
  /** What send, reload and change answer or throw next. */
  refusal: string | null = null;
  problems: string[] = [];
  failure: Error | null = null;
  state: Readiness = { ready: true, trouble: {} };

  list(filter: QueueFilter, limit: number): EntryView[] {
    return this.#matching(filter).slice(0, limit);
  }

  show(id: string): MessageView | null {
    return this.messages.get(id) ?? null;
  }

  async explain(mail: MailFacts): Promise<Explanation> {
    return { ...explainMail(this.policy, mail, null), present: this.present };
  }

  destinations(): readonly DestinationView[] {
    return this.destinationViews;
  }

  async policyDiff(): Promise<PolicyComparison> {
    return { differences: [], queue: { recipients: 0, unchanged: 0, changes: [] } };
  }

  async quotas(): Promise<readonly QuotaView[]> {
    return this.quotaViews;
  }

  totals(): Totals {
    return { ...emptyTotals, queued: this.entries.length };
  }

  async change(
    what: QueueChange,
    filter: QueueFilter,
    reason: string | null,
  ): Promise<{ changed: number; busy: number }> {
    if (this.failure !== null) throw this.failure;
    this.changes.push({ what, filter, reason });
    const matching = this.#matching(filter);
    const busy = matching.filter((entry) => entry.state === 'delivering').length;
    return { changed: matching.length - busy, busy };
  }

  async reroute(to: string, filter: QueueFilter): Promise<Rerouted | { refused: string }> {
    if (this.refusal !== null) return { refused: this.refusal };
    this.rerouted.push({ to, filter });
    const matching = this.#matching(filter);
    const busy = matching.filter((entry) => entry.state === 'delivering').length;
    const inDoubt = matching.filter((entry) => entry.inDoubt).length;
    return { changed: matching.length - busy, busy, inDoubt };
  }

  async suspend(
    scope: SuspensionScope,
    ms: number,
    reason: string | null,
  ): Promise<SuspensionView | { refused: string }> {
    if (this.refusal !== null) return { refused: this.refusal };
    const { site = null, route = null, domain = null } = scope;
    const since = Date.UTC(2026, 10, 22, 12);
    const times = { since: new Date(since).toISOString(), until: new Date(since + ms).toISOString() };
    const view = { site, route, domain, reason: reason ?? 'no reason', ...times };
    this.suspensionViews.push(view);
    return view;
  }

  async resume({ site, route, domain }: SuspensionScope): Promise<{ resumed: number }> {
    const before = this.suspensionViews.length;
    this.suspensionViews = this.suspensionViews.filter(
      (view) =>
        (site !== undefined && view.site !== site) ||
        (route !== undefined && view.route !== route) ||
        (domain !== undefined && view.domain !== domain),
    );
    return { resumed: before - this.suspensionViews.length };
  }

  suspensions(): readonly SuspensionView[] {
    return this.suspensionViews;
  }

  async send(mail: TestMail): Promise<{ id: string } | { refused: string }> {
    if (this.refusal !== null) return { refused: this.refusal };
    this.sent.push(mail);
    return { id: '0new00000001' };
  }

  async reload(): Promise<readonly string[]> {
    return this.problems;
  }

  async readiness(): Promise<Readiness> {
    return this.state;
  }

  #matching({ id, domain, sender, route, site }: QueueFilter): EntryView[] {
    const same = (wanted: string | undefined, is: string | null): boolean =>
      wanted === undefined || wanted === is;
    return this.entries.filter(
      (entry) =>
        same(id, entry.id) &&
        same(domain, entry.domain) &&
        same(sender, entry.from) &&
        same(route, entry.route) &&
        same(site, entry.site),
    );
  }
}
