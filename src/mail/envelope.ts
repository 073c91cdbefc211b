// The envelope of a message as the whole house knows it (RFC 5321 §2.3.1).
// Made by relay/ from MAIL and RCPT or by a DSN; kept by spool/, read by policy/ and delivery/.
// Never holds content: header and body stay in the spool.

/**
 * `local@domain`: the local part exactly as the client gave it (case kept, quotes kept where they
 * are needed), the domain in lower case as A-labels. `''` is the null reverse path.
 */
export type Address = string;

/** Short, sortable by time, unique in one spool: lower-case Crockford base32, 12 characters. */
export type QueueId = string;

/** Where a message came from: handed in, a report of ours, an alarm to the postmaster. Labels `sendoff_recipients_accepted_total`. */
export type Origin = 'client' | 'dsn' | 'notice';

/** Who handed the message in. */
export interface Client {
  readonly address: string;
  /** The EHLO or HELO argument. */
  readonly helo: string;
  readonly user?: string;
  readonly listenerPort: number;
}

/** Header fields: names in lower case, values unfolded, in their order. */
export type MailHeader = Readonly<Record<string, readonly string[]>>;

/** Everything about a message but its content and its recipients' state. */
export interface Message {
  readonly id: QueueId;
  readonly origin: Origin;
  /** Milliseconds since the epoch. */
  readonly arrived: number;
  readonly from: Address;
  readonly recipients: readonly Address[];
  /** Absent when the daemon itself wrote the message. */
  readonly client?: Client;
  /** Octets on disk, with our Received field, CRLF line ends, before dot-stuffing. */
  readonly size: number;
  /** Header or body holds octets above 127 (RFC 6152). */
  readonly eightBit: boolean;
  /** Route forced by an operator; policy's choice otherwise. */
  readonly routeOverride?: string;
  /** The fields that rules looked at when it came. */
  readonly header?: MailHeader;
}

/** The domain of an address, or `''` for the null reverse path. */
export function domainOf(address: Address): string {
  return address.slice(address.lastIndexOf('@') + 1);
}
