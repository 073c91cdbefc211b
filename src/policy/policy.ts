// The compiled policy: routes, schedules, sites and rules as the rest of the house uses them.
// load.ts makes it from YAML; evaluate.ts and schedule.ts read it; it is replaced whole on reload.
// Never does I/O and never changes.
import type { FailureClass } from '../delivery/failure.ts';
import type { MailHeader } from '../mail/envelope.ts';
import type { HeaderEdit } from '../mail/header-edit.ts';
import type { Priority } from '../queue/entry.ts';
import type { RouteAuth } from './auth.ts';
import type { BackoffRule } from './backoff.ts';
import type { Subject } from './match.ts';
import type { Quota, SenderQuota } from './quota.ts';
import type { Rewriting } from './rewrite.ts';
import type { Warmup } from './warmup.ts';

/** TLS to a peer (design: opportunistic never verifies and falls back to plain text). */
export type TlsPolicy = 'none' | 'opportunistic' | 'required' | 'verified';

export interface SourceAddress {
  readonly address: string;
  /** EHLO name; null: the daemon's own. */
  readonly ehlo: string | null;
  readonly weight: number;
}

interface RouteBase {
  readonly name: string;
  readonly displayName: string;
}

/** Limits and manners of a route that opens connections. */
export interface RouteLimits {
  /** At a time; null: the site's or the daemon's limit alone. */
  readonly connections: number | null;
  readonly messagesPerConnection: number | null;
  /** Messages; null: as fast as they go. */
  readonly rate: Rate | null;
  /** All hold at a time; empty: no limit. */
  readonly quotas: readonly Quota[];
  /** Recipients a transaction. */
  readonly recipients: number;
  /** Milliseconds for TCP, TLS and greeting together. */
  readonly connectTimeout: number;
  readonly sources: readonly SourceAddress[];
  readonly tls: TlsPolicy;
  /** What would be returned to the sender as refused for good is tried again, until it expires. */
  readonly softBounce: boolean;
}

export interface MxRoute extends RouteBase, RouteLimits {
  readonly via: 'mx';
}

export interface SmarthostAddress {
  readonly host: string;
  readonly port: number;
  readonly implicitTls: boolean;
  /** Its share where the route chooses by weight. */
  readonly weight: number;
}

/** Addresses of providers by name, in lower case without spaces: `gmail`, `ses-eu-west-1`. */
export type KnownServices = ReadonlyMap<string, SmarthostAddress>;

/** Which host of a route a connection goes to first. */
export type HostOrder = 'in-order' | 'weighted' | 'least-used';

export interface SmarthostRoute extends RouteBase, RouteLimits {
  readonly via: 'smarthost';
  readonly hosts: readonly SmarthostAddress[];
  readonly choose: HostOrder;
  readonly auth: RouteAuth | null;
}

export interface DiscardRoute extends RouteBase {
  readonly via: 'discard';
}

export type Route = MxRoute | SmarthostRoute | DiscardRoute;

/** When a temporary failure is tried again. Times in milliseconds. */
export interface RetryClass {
  readonly after: readonly number[];
  readonly expire: number;
}

export interface RetrySchedule extends RetryClass {
  readonly name: string;
  readonly warn: readonly number[];
  /** Counted attempts, the first included, after which the message is given up; null: `expire` alone. */
  readonly attempts: number | null;
  readonly classes: ReadonlyMap<FailureClass, RetryClass>;
}

/** Messages per milliseconds: `300/minute` is { count: 300, per: 60000 }. */
export interface Rate {
  readonly count: number;
  readonly per: number;
}

export interface Site {
  readonly name: string;
  readonly connections: number;
  /** Messages. */
  readonly rate: Rate | null;
  /** New connections. */
  readonly connectionRate: Rate | null;
  readonly messagesPerConnection: number;
  /** Address family for this site; null: as delivery.ip says. */
  readonly ip: 4 | 6 | null;
  /** What its replies mean for all mail to it; the first that fits holds. */
  readonly backoff: readonly BackoffRule[];
}

/** Which mail goes to a site: by recipient domain, or by the names of its best MX hosts. */
export interface SiteRule {
  readonly site: Site;
  /** Comes with the package, and the operator says nothing of it. */
  readonly shipped: boolean;
  /** As the file writes them. */
  readonly patterns: { readonly domains: readonly string[]; readonly mx: readonly string[] };
  matchesDomain(domain: string): boolean;
  matchesMx(host: string): boolean;
}

export interface Fallback {
  readonly on: ReadonlySet<FailureClass>;
  /** Counted attempts by one route after which the next one is taken. */
  readonly after: number;
  /** Absent: each message finds out for itself. */
  readonly memory?: FallbackMemory;
}

/** When all mail leaves a route for a site, and how it comes back. */
export interface FallbackMemory {
  /** Different messages that fail there in a row. */
  readonly siteAfter: number;
  /** Ms that the site stays away before one message tries again. */
  readonly remember: number;
  /** Share of new messages, 0 to 1, that try the route meanwhile. */
  readonly canary: number;
}

export interface RejectReply {
  readonly code: number;
  readonly enhanced: string;
  readonly text: string;
}

/** What is known of one recipient of one message. Left out: nobody knows it yet. */
export interface MailFacts {
  /** Full address, or `''` for the null sender. */
  readonly from: string;
  readonly to: string;
  /** Who logged in; null: nobody did. */
  readonly user?: string | null;
  /** Address of the host that handed the message in; null: the daemon wrote it. */
  readonly client?: string | null;
  /** At least the fields that the policy's rules name; known once the content is. */
  readonly header?: MailHeader;
  /** Octets; known once the content is. */
  readonly size?: number;
  /** Where the recipient's direct mail goes; null: it cannot be found out. */
  readonly site?: string | null;
  /** Fixed when the message was accepted; at that moment, none. */
  readonly tags?: readonly string[];
  /** The moment for which the decision is, ms since the epoch. */
  readonly at?: number;
}

/** A header as conditions look at it. */
export interface HeaderFacts {
  /** Of all fields of that name (in lower case), in lower case, without spaces around them. */
  values(name: string): readonly string[];
  /** The addresses in the From field. */
  readonly authors: readonly Subject[];
}

/** The same as conditions look at it, made once for all rules. */
export interface Facts extends Omit<MailFacts, 'from' | 'to' | 'header' | 'tags'> {
  readonly from: Subject;
  readonly to: Subject;
  /** In lower case. */
  readonly user?: string | null;
  /** Its bits, as config/address-bits.ts writes them. */
  readonly client?: string | null;
  readonly header?: HeaderFacts;
  /** Grows while the rules are walked at acceptance. */
  readonly tags: ReadonlySet<string>;
  /** Those of rules that could not be judged. */
  readonly openTags: ReadonlySet<string>;
}

/** What a decision may have to wait for: the message's content, or a look at the recipient's MX hosts. */
export type Missing = 'content' | 'site';

/** Null: it cannot be said as long as something is missing. */
export type Truth = boolean | null;

/** One condition of a rule, with the words that explain it. */
export interface Condition {
  readonly describe: string;
  /** What it needs beyond the envelope; empty: what is known at RCPT. */
  readonly needs: ReadonlySet<Missing>;
  /** It can hold only where the domain of this address is one of `names` or below one. */
  readonly domains?: { readonly side: 'from' | 'to'; readonly names: readonly string[] };
  test(facts: Facts): Truth;
}

export type RuleEnding =
  | { readonly kind: 'route'; readonly routes: readonly string[] }
  | { readonly kind: 'reject'; readonly reply: RejectReply }
  | { readonly kind: 'hold'; readonly reason: string }
  /** These two are carried out at acceptance; what is queued passes their rules over. */
  | { readonly kind: 'discard' }
  | { readonly kind: 'redirect'; readonly to: string };

/** Hours and days at which something holds; null: all of them. */
export interface Hours {
  /** Minutes of the day: `22:00-06:00` is { from: 1320, to: 360 } and goes over midnight. */
  readonly hours: { readonly from: number; readonly to: number } | null;
  /** 0 is Sunday. */
  readonly days: ReadonlySet<number> | null;
  /** IANA name. */
  readonly zone: string;
}

/** Who hears what became of the mail. */
export type Bounces =
  | { readonly to: 'sender' }
  | { readonly to: 'nobody' }
  | { readonly to: 'address'; readonly address: string };

/** One more recipient: once a message, or once for each recipient that the rule fits. */
export interface Copy {
  readonly to: string;
  readonly per: 'message' | 'recipient';
}

export interface Rule {
  readonly name: string;
  /** All must hold; empty: every mail. */
  readonly when: readonly Condition[];
  /** Absent: the rule adds its settings and the next one is looked at. */
  readonly ending?: RuleEnding;
  readonly retry?: RetrySchedule;
  readonly fallback?: Fallback;
  readonly priority?: Priority;
  readonly window?: Hours;
  readonly bounces?: Bounces;
  /** Ms after acceptance; in the place of the schedule's. */
  readonly warn?: readonly number[];
  readonly tags?: readonly string[];
  readonly header?: HeaderEdit;
  readonly copy?: Copy;
}

/** A rule that ends the walk for every mail that comes to it. */
export interface LastRule extends Rule {
  readonly ending: RuleEnding;
}

export interface Policy {
  readonly routes: ReadonlyMap<string, Route>;
  readonly defaultRetry: RetrySchedule;
  readonly siteRules: readonly SiteRule[];
  readonly defaultSite: Site;
  readonly rules: readonly Rule[];
  /** For mail that no rule ends. */
  readonly otherwise: LastRule;
  readonly defaultFallback: Fallback;
  /** Names in lower case of the header fields that rules look at: what acceptance keeps of a header. */
  readonly headerFields: ReadonlySet<string>;
  /** Those of conditions and windows: where they begin or end, other rules may hold for mail that waits. */
  readonly times: readonly Hours[];
  /** What acceptance makes of addresses before any rule looks at them. */
  readonly rewrite: Rewriting;
  /** All that fit a mail hold for it. */
  readonly senderQuotas: readonly SenderQuota[];
  /** By source address. */
  readonly warmups: ReadonlyMap<string, Warmup>;
}

/** One rule as it was tested: the material of every explanation. */
export interface RuleTrace {
  readonly rule: string;
  readonly matched: boolean;
  /** The first condition that did not hold. */
  readonly failed?: string;
  /** The first condition that could not be judged, of a rule in which none failed. */
  readonly open?: string;
  /** The conditions of a rule that matched; empty when it is for every mail. */
  readonly held: readonly string[];
  /** Settings that the rule contributed: `route direct, provider`, `retry hourly`, … */
  readonly gave: readonly string[];
}

/** What acceptance does once and for all: it is kept with the mail, and no later policy changes it. */
export interface FixedAtAcceptance {
  readonly tags: readonly string[];
  /** Of all rules that fit, in their order; null: nothing. */
  readonly header: HeaderEdit | null;
  readonly copies: readonly Copy[];
}

/** What policy says of one recipient of one message. */
export interface Decision {
  /** Name of the rule that ended the walk. */
  readonly rule: string;
  readonly ending: RuleEnding;
  /** With the warnings that a rule's `warn` put in the place of the schedule's. */
  readonly retry: RetrySchedule;
  readonly fallback: Fallback;
  readonly priority: Priority;
  /** When attempts may be made; null: always. */
  readonly window: Hours | null;
  readonly bounces: Bounces;
  readonly fixed: FixedAtAcceptance;
  /** What was not known and might have led elsewhere: rules that hang on it were passed over. */
  readonly missing: ReadonlySet<Missing>;
}

/** A decision with every rule that was looked at on the way to it. */
export interface Explanation extends Decision {
  readonly trace: readonly RuleTrace[];
}
