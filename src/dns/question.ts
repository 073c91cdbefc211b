// What can be asked, and what one message can say to it.
// The words between wire.ts (bytes), exchange.ts (one server) and lookup.ts (all of them).
// Never knows about sockets, servers or dns-packet.
import type { MxRecord } from './resolver.ts';

/** The types that are asked for, and how each record is handed on. */
export interface RecordOf {
  readonly MX: MxRecord;
  readonly A: string;
  readonly AAAA: string;
}
export type RecordType = keyof RecordOf;

export interface Question<T extends RecordType = RecordType> {
  /** A-labels, lower case, no trailing dot; `.` is the root. */
  readonly name: string;
  readonly type: T;
}

/** What one message says about the question. TTLs in seconds. */
export type Answer<R> =
  | {
      readonly kind: 'records';
      readonly records: readonly R[];
      readonly ttl: number;
      readonly authenticated: boolean;
    }
  /** The chain of aliases leaves this message: its end is to be asked for. */
  | {
      readonly kind: 'alias';
      readonly target: string;
      readonly hops: number;
      readonly ttl: number;
      readonly authenticated: boolean;
    }
  | { readonly kind: 'nxdomain'; readonly ttl: number }
  | { readonly kind: 'no-data'; readonly ttl: number }
  /** The server says that it cannot say (an rcode), or says what makes no sense. */
  | { readonly kind: 'error'; readonly reason: string }
  | { readonly kind: 'truncated' }
  /** No DNS message, or not an answer to this question: perhaps not even from the server. */
  | { readonly kind: 'unusable'; readonly reason: string };

/** Aliases that are followed, in one answer and over several. Real chains have one to four. */
export const MAX_ALIASES = 8;

/** RFC 1035 §2.3.4: 63 octets a label and 255 a name on the wire, which is 253 characters of text. */
const LONGEST_NAME = 253;
const LABEL = /^[\x21-\x2d\x2f-\x7e]{1,63}$/;

/** Whether the DNS can hold this name at all. The codec would encode longer ones into nonsense. */
export function isName(name: string): boolean {
  return name.length <= LONGEST_NAME && name.split('.').every((label) => LABEL.test(label));
}
