// The named points of a message's life where a crash matters most.
// The daemon passes each point as it reaches it; tests end the process there.
// Never does anything in production: the default is an empty function.

export type Milestone =
  | 'body-synced' // the body is on disk, its envelope is not
  | 'committed' // body and envelope are on disk, the client does not know yet
  | 'replied' // the 250 is written to the client's socket
  | 'run-asked' // a run for the destination is in Redis
  | 'claimed' // a run has taken the message
  | 'mail-sent' // MAIL FROM is written to the peer's socket
  | 'dot-sent' // the final dot is written to the peer's socket
  | 'reply-read' // the reply to the final dot is known, not yet on disk
  | 'settled' // the outcome is on disk
  | 'dsn' // a bounce and its DSN are on disk
  | 'segment-copied' // the survivors of a segment are copied, the old one is not yet unlinked
  | 'recovering'; // a start is in the middle of its recovery

export type ReachMilestone = (milestone: Milestone) => void;
