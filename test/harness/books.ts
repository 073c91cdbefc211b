// The books of a spool, in recipients: what came in, what became of it, what is still there.
// sendoff.ts reads them from /metrics, as an operator's monitoring would.
// Never counts anything itself.

export interface Books {
  readonly accepted: number;
  readonly delivered: number;
  readonly bounced: number;
  readonly expired: number;
  readonly discarded: number;
  readonly removed: number;
  readonly queued: number;
  readonly held: number;
}

/** From the Prometheus text. */
export function readBooks(text: string): Books {
  const sum = (name: string): number =>
    [...text.matchAll(new RegExp(`^${name}(?:{[^}]*})? (\\d+)`, 'gm'))].reduce((n, m) => n + Number(m[1]), 0);
  const of = (outcome: string): number => sum(`sendoff_recipients_total{outcome="${outcome}"}`);
  return {
    accepted: sum('sendoff_recipients_accepted_total'),
    delivered: of('delivered'),
    bounced: of('bounced'),
    expired: of('expired'),
    discarded: of('discarded'),
    removed: of('removed'),
    queued: sum('sendoff_recipients_queued'),
    held: sum('sendoff_recipients_held'),
  };
}
