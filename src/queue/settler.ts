// Puts an attempt's outcome on disk and then tells the world: commit first, events and wake-ups after.
// run.ts calls it with the report of an attempt; settle.ts decides, the spool keeps.
// Never reports an outcome that is not on disk.
import type { Failure } from '../delivery/failure.ts';
import type { QueueId } from '../mail/envelope.ts';
import type { AttemptEvent } from '../observe/events.ts';
import type { Claim } from '../spool/spool.ts';
import type { AttemptReport } from './attempt.ts';
import type { BackOffNotes } from './backoff.ts';
import { type Report, report, tellBorn, type Undelivered } from './bounce.ts';
import { parseDestination, replacing, withDecision } from './entry.ts';
import { type House, placementContext } from './house.ts';
import { isSoftBounce, type Settlement, settle, type Verdict } from './settle.ts';

/** Lost answers in a row after which a person should look. */
const DOUBTS_THAT_ALARM = 3;

/** Where an attempt went and by which decision, for its event and for the entry. */
export interface AttemptPlace {
  readonly route: string;
  readonly site: string;
  readonly rule: string;
  readonly reason: string;
}

/** Rejects with SpoolError when the outcome cannot be written: the claim then stays taken. */
export async function writeOutcome(
  house: House,
  claim: Claim,
  attempt: AttemptReport,
  place: AttemptPlace,
  notes: BackOffNotes,
): Promise<void> {
  const { entry, message } = claim;
  const context = { ...placementContext(house), now: house.clock.now(), random: house.random };
  const tried = withDecision(entry, attempt.startedAt, place);
  const settlement = settle(tried, message, attempt.outcomes, context);
  const dsn = await report(house, 'failed', message, undelivered(claim, settlement, attempt));
  await house.spool.change({
    ...replacing(entry, settlement.put),
    ended: settlement.ended,
    ...(dsn && { born: [dsn] }),
    ...(notes && { notes }),
  });
  for (const verdict of settlement.verdicts) tell(house, claim, attempt, place, verdict, dsn);
  wake(house, settlement, dsn);
}

function undelivered(claim: Claim, settlement: Settlement, attempt: AttemptReport): Undelivered[] {
  const { entry } = claim;
  return settlement.verdicts.flatMap((verdict) => {
    if (verdict.kind !== 'bounced' && verdict.kind !== 'expired') return [];
    const { index, failure } = verdict;
    const attempts = entry.attempts + 1;
    return [{ ...entry, index, failure, attempts, lastAttempt: attempt.startedAt }];
  });
}

function wake(house: House, settlement: Settlement, dsn: Report | null): void {
  const touched = settlement.put.filter((entry) => !entry.hold);
  house.dispatcher.arrived(new Set(touched.map((entry) => entry.destination)));
  if (dsn) tellBorn(house, dsn);
  for (const entry of settlement.put) {
    if ((entry.doubt?.count ?? 0) < DOUBTS_THAT_ALARM) continue;
    const text = `${entry.id}: the connection was lost after the final dot ${entry.doubt?.count} times in a row; the recipient may have several copies`;
    house.alarms.raise('doubt', text, { id: entry.id, destination: entry.destination }, entry.id);
  }
}

function tell(
  house: House,
  claim: Claim,
  attempt: AttemptReport,
  place: AttemptPlace,
  verdict: Verdict,
  dsn: Report | null,
): void {
  const { message } = claim;
  const to = message.recipients[verdict.index] ?? '';
  const of = { id: message.id, from: message.from, to };
  house.observer.event(attemptEvent(claim, attempt, place, verdict, to));
  switch (verdict.kind) {
    case 'delivered':
      house.observer.event({ ...of, event: 'delivered', route: place.route, reply: verdict.reply });
      break;
    case 'discarded':
      house.observer.event({ ...of, event: 'discarded', route: verdict.route, rule: verdict.rule });
      break;
    case 'deferred':
      if (isSoftBounce(verdict, claim.entry)) alarmOfSoftBounce(house, message.id, place, verdict.failure);
      tellDeferred(house, of, place, verdict);
      break;
    default: {
      const { status, text, reply } = verdict.failure;
      const reason = reply ?? text;
      house.observer.event({ ...of, event: verdict.kind, status, reason, dsn: dsn?.message.id ?? null });
    }
  }
}

function alarmOfSoftBounce(house: House, id: QueueId, { route }: AttemptPlace, failure: Failure): void {
  const reason = failure.reply ?? failure.text;
  const text = `route ${route}: what was refused for good waits and is not returned (softBounce): ${id}, ${reason}; see \`sendoff queue list --route ${route}\``;
  house.alarms.raise('soft-bounce', text, { id, route }, route);
}

function tellDeferred(
  house: House,
  of: { id: string; from: string; to: string },
  { route }: AttemptPlace,
  { failure, entry }: Extract<Verdict, { kind: 'deferred' }>,
): void {
  if (entry.hold) {
    house.observer.event({ ...of, event: 'held', reason: entry.hold.reason });
    return;
  }
  const { status, class: failureClass } = failure;
  const reason = failure.reply ?? failure.text;
  const closedUntil = house.destinations.get(entry.destination)?.backOff?.until ?? 0;
  const next = new Date(Math.max(entry.due, closedUntil)).toISOString();
  const retryAfter = failure.retryAfter ?? null;
  const deferred = { route, status, class: failureClass, reason, next, retryAfter };
  house.observer.event({ ...of, event: 'deferred', ...deferred });
}

const RESULTS = {
  delivered: 'delivered',
  deferred: 'deferred',
  bounced: 'bounced',
  expired: 'deferred',
  discarded: 'deferred',
} as const;

function attemptEvent(
  claim: Claim,
  attempt: AttemptReport,
  place: AttemptPlace,
  verdict: Verdict,
  to: string,
): AttemptEvent {
  const { message, entry } = claim;
  const failure = verdict.kind === 'delivered' ? null : verdict.failure;
  return {
    event: 'attempt',
    id: message.id,
    from: message.from,
    to,
    result: failure?.inDoubt ? 'in-doubt' : RESULTS[verdict.kind],
    ...place,
    // Of several hosts that failed, the one whose answer this is.
    host: failure?.host ?? attempt.via?.host ?? null,
    ip: failure?.ip ?? attempt.via?.ip ?? null,
    source: attempt.via?.source ?? parseDestination(entry.destination).source,
    tls: attempt.via?.tls ?? null,
    reply: verdict.kind === 'delivered' ? verdict.reply : (failure?.reply ?? failure?.text ?? null),
    status: failure?.status ?? '2.0.0',
    class: failure?.class ?? null,
    attempt: entry.attempts + 1,
    delays: {
      queued: Math.max(0, attempt.startedAt - message.arrived),
      connect: attempt.via?.connectMs ?? 0,
      transfer: attempt.transferMs,
    },
  };
}
