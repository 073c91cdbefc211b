// Ways an attempt can fail, as values: who is affected, for how long, of what class.
// Made by dns/ lookups, sessions and replies; read by policy (retry, fallback) and queue/ (settle).
// Never thrown, never an Error.

/** As operators name them in `fallback.on` and `retry.classes`. */
export const failureClasses = [
  'unreachable',
  'dns',
  'tls',
  'auth',
  'blocked',
  'throttled',
  'greylisted',
  'unknown-user',
  'mailbox-full',
  'content',
  'policy',
  'protocol',
  'unknown',
] as const;
export type FailureClass = (typeof failureClasses)[number];

/** How far a failure reaches: the next recipient, message, host or nothing at all may still work. */
export type FailureScope = 'recipient' | 'message' | 'host' | 'destination';

/** The step of the protocol in which it happened. */
export type Phase =
  | 'dns'
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'starttls'
  | 'tls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'body'
  | 'final-dot'
  | 'rset'
  | 'local';

export interface Failure {
  readonly scope: FailureScope;
  readonly permanent: boolean;
  readonly class: FailureClass;
  /** Enhanced status (RFC 3463), `4.4.1`. */
  readonly status: string;
  readonly phase: Phase;
  /** What happened, in one line for people. */
  readonly text: string;
  /** The peer's reply, lines joined by `\n`, with its code: `550-5.7.1 no\n550 5.7.1 really`. */
  readonly reply?: string;
  /** When the peer's reply says to come back, ms from then; see retry-hints.ts for its bounds. */
  readonly retryAfter?: number;
  /** Name of the host that said or did it. */
  readonly host?: string;
  readonly ip?: string;
  /**
   * The attempt never reached the recipient's side (our network, all resolvers, our login):
   * it is not counted.
   */
  readonly ours?: boolean;
  /** The final dot was sent and no reply came: the peer may have the message. */
  readonly inDoubt?: boolean;
  /** What happened to us while stopping: settle without a new due time of its own. */
  readonly aborted?: boolean;
  /** The address of ours was of no use: this machine has no such address, or the hosts none of its family. */
  readonly sourceTrouble?: 'missing' | 'unfit';
}

/** Whether another address of ours might get through. */
export function isOfSource({
  class: failureClass,
  sourceTrouble,
}: Pick<Failure, 'class' | 'sourceTrouble'>): boolean {
  return failureClass === 'blocked' || sourceTrouble !== undefined;
}
