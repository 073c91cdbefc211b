// What the house reports: one value for each thing that happens to mail.
// Written by relay/, queue/ and daemon.ts; read by log.ts and metrics.ts.
// Never carries a secret or a message's content.
import type { FailureClass } from '../delivery/failure.ts';
import type { Origin } from '../mail/envelope.ts';

interface OfRecipient {
  readonly id: string;
  readonly from: string;
  readonly to: string;
}

export interface Delays {
  /** Milliseconds in the queue before this attempt, for the connection, and for the transaction. */
  readonly queued: number;
  readonly connect: number;
  readonly transfer: number;
}

/** One recipient in one attempt: the line that answers "where is my mail". */
export interface AttemptEvent extends OfRecipient {
  readonly event: 'attempt';
  readonly result: 'delivered' | 'deferred' | 'bounced' | 'in-doubt';
  readonly route: string;
  readonly site: string;
  readonly host: string | null;
  readonly ip: string | null;
  readonly source: string | null;
  readonly tls: string | null;
  readonly reply: string | null;
  readonly status: string;
  readonly class: FailureClass | null;
  readonly attempt: number;
  readonly delays: Delays;
}

export type MailEvent =
  | {
      readonly event: 'accepted';
      readonly id: string;
      readonly from: string;
      /** As they are queued. */
      readonly to: readonly string[];
      /** As the client gave them, where policy made others of them. */
      readonly given?: { readonly from: string; readonly to: readonly string[] };
      readonly origin: Origin;
      readonly client: string | null;
      readonly helo: string | null;
      readonly size: number;
    }
  | {
      readonly event: 'rejected';
      readonly client: string;
      readonly from: string | null;
      readonly to: string | null;
      readonly phase: 'connect' | 'mail' | 'rcpt' | 'data' | 'command';
      readonly reply: string;
      /** Of the policy, where it is the policy that refuses. */
      readonly rule: string | null;
    }
  | AttemptEvent
  | (OfRecipient & { readonly event: 'delivered'; readonly route: string; readonly reply: string })
  | (OfRecipient & {
      readonly event: 'deferred';
      readonly route: string;
      readonly status: string;
      readonly class: FailureClass;
      readonly reason: string;
      readonly next: string;
      /** Ms that the reply asked for, if it named a time. */
      readonly retryAfter: number | null;
    })
  | (OfRecipient & {
      readonly event: 'bounced' | 'expired';
      readonly status: string;
      readonly reason: string;
      readonly dsn: string | null;
    })
  | (OfRecipient & {
      readonly event: 'discarded';
      /** Null: the rule itself said so. */
      readonly route: string | null;
      readonly rule: string;
    })
  | (OfRecipient & { readonly event: 'held'; readonly reason: string })
  | (OfRecipient & { readonly event: 'postponed'; readonly reason: string; readonly until: string })
  | {
      readonly event: 'quota-full';
      /** What it is of, and which: `route` `provider`. */
      readonly of: string;
      readonly name: string;
      readonly quota: string;
      readonly until: string;
    }
  | (OfRecipient & { readonly event: 'removed'; readonly by: string })
  | {
      readonly event: 'suspended';
      readonly site: string | null;
      readonly route: string | null;
      readonly domain: string | null;
      readonly reason: string;
      readonly until: string;
    }
  | {
      readonly event: 'backoff';
      readonly site: string;
      readonly rule: string;
      readonly reply: string;
      readonly action: 'suspend' | 'slow';
      /** What is left of connections and rates; null for a suspension. */
      readonly to: number | null;
      readonly until: string;
    }
  | {
      readonly event: 'resumed';
      readonly site: string | null;
      readonly route: string | null;
      readonly domain: string | null;
      readonly by: 'operator' | 'time';
    }
  | {
      readonly event: 'route-left';
      readonly route: string;
      readonly site: string | null;
      readonly class: FailureClass;
      readonly reason: string;
      readonly messages: number;
      readonly until: string;
    }
  | {
      readonly event: 'route-back';
      readonly route: string;
      readonly site: string | null;
      readonly since: string;
      readonly by: 'delivery' | 'policy' | 'time';
    }
  | {
      readonly event: 'alarm';
      readonly alarm: string;
      readonly text: string;
      readonly [field: string]: unknown;
    };

/** Plain lines of the daemon itself, and the mail's events. */
export interface Observer {
  event(event: MailEvent): void;
  info(text: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(text: string, fields?: Readonly<Record<string, unknown>>): void;
  debug(text: string, fields?: Readonly<Record<string, unknown>>): void;
}
