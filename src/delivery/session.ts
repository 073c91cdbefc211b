// What delivery offers to the queue: hosts for a destination, sessions with them, transactions.
// queue/run.ts asks; hosts.ts, approach.ts and connection.ts answer.
// Never touches the spool, the queue or the schedule: outcomes go back as values.
import type { Address } from '../mail/envelope.ts';
import type { MxRoute, Site, SmarthostRoute, SourceAddress } from '../policy/policy.ts';
import type { Body } from '../spool/spool.ts';
import type { Failure } from './failure.ts';

/** One address that may be connected to. */
export interface Target {
  /** MX or smarthost name: SNI and certificate name. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly implicitTls: boolean;
}

/** Hosts of a destination in the order to try, before their addresses are looked up. */
export type HostPlan =
  | {
      readonly kind: 'hosts';
      /** For direct mail: names of the best-preference MX hosts, sorted; for a smarthost, none. */
      readonly bestMx: readonly string[];
      readonly hosts: readonly PlannedHost[];
    }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface PlannedHost {
  readonly host: string;
  readonly port: number;
  readonly implicitTls: boolean;
  readonly preference: number;
}

/** What travels in one transaction. */
export interface Outgoing {
  readonly from: Address;
  readonly recipients: readonly Address[];
  readonly size: number;
  readonly eightBit: boolean;
  body(): Promise<Body>;
  /** Called right before the final dot is written. */
  dotSent(): void;
}

/** What became of one recipient in one transaction. */
export type RecipientResult =
  | { readonly kind: 'delivered'; readonly reply: string }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** The peer wants fewer recipients a transaction (RFC 5321 §4.5.3.1.10): send another one at once. */
  | { readonly kind: 'next-transaction' };

export interface TransactionResult {
  /** One for each recipient of the Outgoing, in its order. */
  readonly results: readonly RecipientResult[];
  /** The first host-scope failure among them, when another host may still take the message. */
  readonly hostFailure: Failure | null;
  /**
   * The peer had closed the kept connection before this transaction began: nothing was sent, nobody
   * failed. Open a new session and send again; no attempt is charged.
   */
  readonly stale: boolean;
  /** Milliseconds from MAIL FROM to the last reply. */
  readonly transferMs: number;
}

/** An open, greeted, secured and logged-in connection. Used for one transaction at a time. */
export interface Session {
  readonly target: Target;
  /** Local address. */
  readonly source: string;
  /** `TLSv1.3`, or null for plain text. */
  readonly tls: string | null;
  readonly connectMs: number;
  readonly transactions: number;
  /** False when the peer closed it or a failure made it useless. */
  readonly usable: boolean;
  /**
   * Never rejects. Recipients over the route's limit a transaction are `next-transaction`.
   * The signal ends it at once: before `dotSent()` nothing happened (`aborted`), after it the message
   * is in doubt, so a caller that stops leaves a transaction past its dot some time first.
   */
  send(mail: Outgoing, signal: AbortSignal): Promise<TransactionResult>;
  /** QUIT, or a plain close when that cannot be; never waits longer than a few seconds. */
  close(): Promise<void>;
}

/**
 * Walks the hosts of one attempt: at most 5 addresses are connected to and 2 sessions opened,
 * an IPv4 address among them. Each call goes on where the last one ended.
 */
export interface Approach {
  /** The next session, or the failure that ends the attempt: the most hopeful of all hosts' failures. */
  next(signal: AbortSignal): Promise<{ readonly session: Session } | { readonly failure: Failure }>;
  /** Tells why the last session was of no use, so that the closing failure can weigh it. */
  note(failure: Failure): void;
}

export interface Delivery {
  /** MX hosts in shuffled order of preference, or the smarthost's list. Never rejects. */
  plan(route: MxRoute | SmarthostRoute, domain: string | null, signal: AbortSignal): Promise<HostPlan>;
  /** `bestMx` of the plan for direct mail to the domain; null: it cannot be found out. Never rejects. */
  bestMx(domain: string, signal: AbortSignal): Promise<readonly string[] | null>;
  /** `source`: the address to leave from, and how it is greeted with; null: the system's choice. */
  approach(
    route: MxRoute | SmarthostRoute,
    plan: Extract<HostPlan, { kind: 'hosts' }>,
    site: Site | null,
    source: SourceAddress | null,
  ): Approach;
}
