// What an operator may do with the queue and ask of the daemon: one set of operations.
// admin/ serves them over HTTP, cli/ speaks that HTTP; control.ts implements them.
// Never formats for people: views are data.
import type { Problem } from '../config/problem.ts';
import type { Failure } from '../delivery/failure.ts';
import type { Message } from '../mail/envelope.ts';
import type { HeaderEdit } from '../mail/header-edit.ts';
import type { Difference } from '../policy/diff.ts';
import type { DecisionView } from '../policy/explanation.ts';
import type { MailFacts } from '../policy/policy.ts';
import type { Priority } from '../queue/entry.ts';
import type { Totals } from '../spool/spool.ts';
import type { QueueDiff } from './diff.ts';

/** All given parts must match. Empty: every entry, which changes refuse (exit 64). */
export interface QueueFilter {
  readonly id?: string;
  /** Recipient domain. */
  readonly domain?: string;
  /** Full address, `''` for the null sender. */
  readonly sender?: string;
  readonly route?: string;
  readonly site?: string;
}

export interface EntryView {
  readonly id: string;
  readonly state: 'queued' | 'held' | 'delivering' | 'suspended';
  readonly from: string;
  readonly to: readonly string[];
  readonly route: string;
  /** The address of ours that it leaves from; null: the system's choice. */
  readonly source: string | null;
  readonly domain: string | null;
  /** Null while nobody looked up where the domain's mail goes. */
  readonly site: string | null;
  readonly size: number;
  /** ISO 8601, UTC; so are all times here. */
  readonly arrived: string;
  /** Next attempt: the entry's due time, or later when its destination backs off. Null while held. */
  readonly next: string | null;
  readonly attempts: number;
  readonly last: Failure | null;
  readonly expires: string;
  readonly hold: string | null;
  /** The operator's suspension for which it waits. */
  readonly suspended: Waiting | null;
  /** When the window opens for which it waits; null: it waits for something else. */
  readonly window: string | null;
  /** The quota, or the warm-up of its address, for which it waits. */
  readonly quota: Waiting | null;
  readonly inDoubt: boolean;
  readonly priority: Priority;
  /** What acceptance fixed. */
  readonly tags: readonly string[];
  readonly header: HeaderEdit | null;
  /** A copy that a rule made: no sender hears of it. */
  readonly copy: boolean;
  /** The route that an operator moved it to, over what policy says. */
  readonly forcedRoute: string | null;
  /** The decisions of the last attempts as they were then, the latest last; at most five. */
  readonly attempted: readonly {
    readonly at: string;
    readonly rule: string;
    readonly route: string;
    readonly source?: string;
    /** Why this route of the rule's. */
    readonly reason: string;
  }[];
}

export interface MessageView {
  readonly message: Omit<Message, 'header'>;
  readonly entries: readonly EntryView[];
  /** What policy says now of each recipient that is still queued. */
  readonly decisions: readonly Explanation[];
}

/** What policy says of one recipient, and how things stand where its mail goes. */
export interface Explanation extends DecisionView {
  /** Null for mail that no route takes, and where no daemon was asked. */
  readonly present: Present | null;
}

export interface Present {
  /** The one of the list that is taken now. */
  readonly route: string;
  /** The address of ours that it leaves from; of mail that is not here yet, one of the route's. */
  readonly source: string | null;
  readonly reason: string;
  /** Of the destination there. */
  readonly state: DestinationView['state'];
  /** Open to the destination. */
  readonly connections: number;
  /** Every limit that its connections are counted against: `site google`, `route provider`. */
  readonly limits: readonly {
    readonly of: string;
    /** By all daemons on this Redis, as last seen. */
    readonly open: number;
    /** At this moment: what this daemon found out that the receiver takes, less what goes slow. */
    readonly allowed: number | null;
    /** At most; null: there is only a rate. */
    readonly connections: number | null;
    /** Milliseconds until the rate lets the next one go; null without a rate. */
    readonly wait: number | null;
  }[];
  /** Of the destination, in a row; 0 when its door is open. */
  readonly failures: number;
  readonly last: Failure | null;
  readonly suspended: Waiting | null;
  /** Its site has fewer connections and lower rates for a while, by a back-off rule. */
  readonly slowed: Waiting | null;
  /** Of the route and of the sender, as far as this daemon knows. */
  readonly quotas: readonly QuotaView[];
  /** Next attempt, for mail that would come now: its first. Null while held, and where a quota would hold it. */
  readonly next: string | null;
}

/** One window of a quota. */
export interface QuotaView {
  /** Whose it is: `route` `provider`, `sender` `ann@example.net`. */
  readonly of: string;
  readonly name: string;
  /** As the policy writes it: `200/hour`. */
  readonly quota: string;
  readonly count: 'recipients' | 'messages';
  readonly max: number;
  /** In the window, by all daemons, attempts under way included. */
  readonly used: number;
  readonly left: number;
  /** What becomes of mail beyond it; null: of a route, mail takes the next one or waits. */
  readonly over: 'hold' | 'defer' | 'reject' | null;
  /** Of the calendar window; null: it is a rolling one. */
  readonly ends: string | null;
  /** When something of it can be used again; null: something is left. */
  readonly opens: string | null;
  /** At the present pace; null: it lasts, or it is used up. */
  readonly runsOut: string | null;
}

/** Why and until when suspended mail waits. */
export interface Waiting {
  readonly reason: string;
  readonly until: string;
}

/** Which mail a suspension is over: all given parts must fit. Empty is refused (exit 64). */
export interface SuspensionScope {
  /** Direct mail to this site. */
  readonly site?: string;
  readonly route?: string;
  /** Recipient domain, by whatever route. */
  readonly domain?: string;
}

export interface SuspensionView extends Waiting {
  readonly site: string | null;
  readonly route: string | null;
  readonly domain: string | null;
  readonly since: string;
}

export interface DestinationView {
  readonly route: string;
  readonly source: string | null;
  readonly domain: string | null;
  readonly site: string | null;
  readonly state: 'new' | 'live' | 'backing-off' | 'suspended';
  readonly entries: number;
  readonly connections: number;
  readonly next: string | null;
  readonly failures: number;
  readonly last: Failure | null;
  readonly suspended: Waiting | null;
  /** The quota of its route, or the warm-up of its address, for which all its mail waits. */
  readonly quota: Waiting | null;
}

export interface TestMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly route?: string;
  /** The whole message; line ends of any kind. Absent: a short test message. */
  readonly content?: Buffer;
}

export interface Readiness {
  readonly ready: boolean;
  /** One line for each part that is not well: `redis`, `disk`, `dns`. */
  readonly trouble: Readonly<Record<string, string>>;
}

export type QueueChange = 'retry' | 'hold' | 'release' | 'remove' | 'bounce';

export interface Rerouted {
  /** Entries that take the route from now on. */
  readonly changed: number;
  /** Being delivered right now, left alone. */
  readonly busy: number;
  /** Of the changed ones: those whose last attempt may have delivered them by the old route. */
  readonly inDoubt: number;
}

/** Between the policy in force and another one. */
export interface PolicyComparison {
  readonly differences: readonly Difference[];
  readonly queue: QueueDiff;
}

export interface Operations {
  list(filter: QueueFilter, limit: number): readonly EntryView[];
  show(id: string): MessageView | null;
  /** What would become of a message that came now. */
  explain(mail: MailFacts): Promise<Explanation>;
  destinations(): readonly DestinationView[];
  totals(): Totals;
  /** Every quota of a route, and of senders those nearest to their end. */
  quotas(): Promise<readonly QuotaView[]>;
  /** Number of entries changed; entries that are being delivered right now are left alone. */
  change(
    what: QueueChange,
    filter: QueueFilter,
    reason: string | null,
  ): Promise<{ changed: number; busy: number }>;
  /** Forces a route on queued mail; or the reason why not. */
  reroute(to: string, filter: QueueFilter): Promise<Rerouted | { readonly refused: string }>;
  /** Keeps mail from being tried for `ms` milliseconds, new mail too; or the reason why not. */
  suspend(
    scope: SuspensionScope,
    ms: number,
    reason: string | null,
  ): Promise<SuspensionView | { readonly refused: string }>;
  /** Ends the suspensions that have all given parts. */
  resume(scope: SuspensionScope): Promise<{ readonly resumed: number }>;
  suspensions(): readonly SuspensionView[];
  /** The queue id, or the reason why not. */
  send(mail: TestMail): Promise<{ readonly id: string } | { readonly refused: string }>;
  /** What another policy would change, in rules and for queued mail; or all that is wrong with the file. */
  policyDiff(file: string): Promise<PolicyComparison | { readonly problems: readonly Problem[] }>;
  /** Reads the policy again. Errors as the loader words them; empty: the new one is in force. */
  reload(): Promise<readonly string[]>;
  readiness(): Promise<Readiness>;
}
