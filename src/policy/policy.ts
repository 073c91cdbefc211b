// The compiled policy: routes, schedules, sites and rules as the rest of the house uses them.
// load.ts makes it from YAML; evaluate.ts and schedule.ts read it; it is replaced whole on reload.
// Never does I/O and never changes.
import type { FailureClass } from '../delivery/failure.ts';
import type { Subject } from './match.ts';

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
  /** Recipients a transaction. */
  readonly recipients: number;
  /** Milliseconds for TCP, TLS and greeting together. */
  readonly connectTimeout: number;
  readonly sources: readonly SourceAddress[];
  readonly tls: TlsPolicy;
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

export interface PasswordAuth {
  readonly kind: 'password';
  readonly user: string;
  readonly password: string;
  /** Log in without TLS too. */
  readonly cleartext: boolean;
}

/** An application that may log in for a user, and what it gets its access tokens with (RFC 6749). */
export interface OAuth2Client {
  readonly clientId: string;
  readonly clientSecret: string;
  /** The first one: servers that rotate give others later. */
  readonly refreshToken: string;
  readonly tokenUrl: string;
}

export interface TokenAuth {
  readonly kind: 'oauth2';
  readonly user: string;
  readonly oauth2: OAuth2Client;
  /** Log in without TLS too. */
  readonly cleartext: boolean;
}

export interface SmarthostRoute extends RouteBase, RouteLimits {
  readonly via: 'smarthost';
  readonly hosts: readonly SmarthostAddress[];
  readonly choose: HostOrder;
  readonly auth: PasswordAuth | TokenAuth | null;
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
  readonly rate: Rate | null;
  readonly messagesPerConnection: number;
  /** Address family for this site; null: as delivery.ip says. */
  readonly ip: 4 | 6 | null;
}

/** Which mail goes to a site: by recipient domain, or by the names of its best MX hosts. */
export interface SiteRule {
  readonly site: Site;
  matchesDomain(domain: string): boolean;
  matchesMx(host: string): boolean;
}

export interface Fallback {
  readonly on: ReadonlySet<FailureClass>;
  /** Counted attempts by one route after which the next one is taken. */
  readonly after: number;
}

export interface RejectReply {
  readonly code: number;
  readonly enhanced: string;
  readonly text: string;
}

/** What a rule looks at; grows with the language. */
export interface MailFacts {
  /** Full address, or `''` for the null sender. */
  readonly from: string;
  readonly to: string;
}

/** The same as conditions look at it, made once for all rules. */
export interface Facts {
  readonly from: Subject;
  readonly to: Subject;
}

/** One condition of a rule, with the words that explain it. */
export interface Condition {
  readonly describe: string;
  test(facts: Facts): boolean;
}

export type RuleEnding =
  | { readonly kind: 'route'; readonly routes: readonly string[] }
  | { readonly kind: 'reject'; readonly reply: RejectReply };

export interface Rule {
  readonly name: string;
  /** All must hold; empty: every mail. */
  readonly when: readonly Condition[];
  /** Absent: the rule adds its settings and the next one is looked at. */
  readonly ending?: RuleEnding;
  readonly retry?: RetrySchedule;
  readonly fallback?: Fallback;
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
}

/** One rule as it was tested: the material of every explanation. */
export interface RuleTrace {
  readonly rule: string;
  readonly matched: boolean;
  /** The first condition that did not hold. */
  readonly failed?: string;
  /** The conditions of a rule that matched; empty when it is for every mail. */
  readonly held: readonly string[];
  /** Settings that the rule contributed: `route direct, provider`, `retry hourly`, … */
  readonly gave: readonly string[];
}

/** What policy says of one recipient of one message. */
export interface Decision {
  /** Name of the rule that ended the walk. */
  readonly rule: string;
  readonly ending: RuleEnding;
  readonly retry: RetrySchedule;
  readonly fallback: Fallback;
}

/** A decision with every rule that was looked at on the way to it. */
export interface Explanation extends Decision {
  readonly trace: readonly RuleTrace[];
}
