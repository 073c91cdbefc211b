// What replies mean: enhanced status codes, words and bare codes, each with its failure class. Data only.
// classify.ts looks a reply up in these tables, in their order.
// Never holds a rule about what is done with the mail: scope and permanence are classify.ts.
import type { FailureClass } from './failure.ts';

/**
 * Enhanced status without its class digit (RFC 3463 §3 and the IANA registry), where it says enough.
 * The x.0, x.7.1 and other catch-alls are missing: there the words know more.
 */
export const statusClasses: ReadonlyMap<string, FailureClass> = new Map<string, FailureClass>([
  ['1.1', 'unknown-user'],
  ['1.2', 'dns'],
  ['1.3', 'unknown-user'],
  ['1.4', 'unknown-user'],
  ['1.6', 'unknown-user'],
  ['1.7', 'policy'],
  ['1.8', 'policy'],
  ['1.9', 'policy'],
  ['1.10', 'unknown-user'],
  ['2.1', 'unknown-user'],
  ['2.2', 'mailbox-full'],
  ['2.3', 'content'],
  ['3.2', 'unreachable'],
  ['3.3', 'protocol'],
  ['3.4', 'content'],
  ['4.1', 'unreachable'],
  ['4.2', 'unreachable'],
  ['4.3', 'dns'],
  ['4.4', 'dns'],
  ['4.5', 'throttled'],
  ['4.7', 'unreachable'],
  ['5.1', 'protocol'],
  ['5.2', 'protocol'],
  ['5.3', 'throttled'],
  ['5.4', 'protocol'],
  ['5.5', 'protocol'],
  ['5.6', 'auth'],
  ['6.1', 'content'],
  ['6.2', 'content'],
  ['6.3', 'content'],
  ['6.4', 'content'],
  ['6.5', 'content'],
  ['6.6', 'content'],
  ['6.7', 'content'],
  ['6.8', 'content'],
  ['6.9', 'content'],
  ['6.10', 'content'],
  ['7.2', 'policy'],
  ['7.5', 'tls'],
  ['7.7', 'policy'],
  ['7.8', 'auth'],
  ['7.10', 'tls'],
  ['7.11', 'tls'],
  ['7.12', 'auth'],
  ['7.13', 'unknown-user'],
  ['7.17', 'unknown-user'],
  ['7.18', 'unknown-user'],
  ['7.20', 'policy'],
  ['7.21', 'policy'],
  ['7.22', 'policy'],
  ['7.23', 'policy'],
  ['7.24', 'policy'],
  ['7.25', 'blocked'],
  ['7.26', 'policy'],
  ['7.27', 'policy'],
  ['7.28', 'throttled'],
  ['7.29', 'policy'],
  ['7.30', 'tls'],
  // Microsoft's own details, from its list of delivery reports.
  ['1.90', 'throttled'],
  ['1.351', 'unknown-user'],
  ['4.310', 'dns'],
  ['4.312', 'dns'],
  ['4.316', 'unreachable'],
  ['7.509', 'policy'],
  ['7.511', 'blocked'],
  ['7.512', 'policy'],
  ['7.515', 'policy'],
  ['7.705', 'throttled'],
  ['7.708', 'blocked'],
]);

export interface WordRule {
  readonly class: FailureClass;
  readonly words: RegExp;
  /** Only for 4xx or 5xx replies; else for both. */
  readonly only?: 4 | 5;
}

/** The order is the meaning: the first rule that matches decides. Words are matched in lower case. */
export const wordRules: readonly WordRule[] = [];

/** What a code means when neither status nor words tell (RFC 5321 §4.2.3, 4954 §6, 7504). */
export const codeClasses: ReadonlyMap<number, FailureClass> = new Map<number, FailureClass>([
  [421, 'unreachable'],
  [432, 'auth'],
  [454, 'tls'],
  [500, 'protocol'],
  [501, 'protocol'],
  [502, 'protocol'],
  [503, 'protocol'],
  [504, 'protocol'],
  [521, 'unreachable'],
  [523, 'tls'],
  [530, 'auth'],
  [534, 'auth'],
  [535, 'auth'],
  [538, 'tls'],
  [551, 'unknown-user'],
  [555, 'protocol'],
  [556, 'dns'],
]);
