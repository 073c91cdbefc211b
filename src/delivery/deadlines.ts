// How long each step with a peer may take.
// connection.ts, open-session.ts and transaction.ts wait by these; the route adds its connectTimeout.
// Never shorter than RFC 5321 §4.5.3.2 asks: an early end is a duplicate or a needless delay.

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** Milliseconds. */
export const deadlines = {
  /** TCP alone: a live host answers in a second, and the kernel would try for two minutes. */
  connect: 30 * SECOND,
  /** RFC 5321 §4.5.3.2.1. */
  greeting: 5 * MINUTE,
  /** EHLO has no limit of its own in the RFC; as MAIL. */
  ehlo: 5 * MINUTE,
  /** A handshake is two round trips: who needs a minute for it will not finish. */
  tls: MINUTE,
  starttls: MINUTE,
  auth: 5 * MINUTE,
  /** RFC 5321 §4.5.3.2.2 and §4.5.3.2.3. */
  mail: 5 * MINUTE,
  rcpt: 5 * MINUTE,
  /** RFC 5321 §4.5.3.2.4: until the 354. */
  data: 2 * MINUTE,
  /** RFC 5321 §4.5.3.2.5: for each block that is written. */
  body: 3 * MINUTE,
  /** RFC 5321 §4.5.3.2.6: the peer may be delivering; an early end makes a duplicate. */
  finalDot: 10 * MINUTE,
  rset: MINUTE,
  /** Nothing depends on the answer. */
  quit: 3 * SECOND,
} as const;
