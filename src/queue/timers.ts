// Gives up what has expired and warns senders of what is late, by the spool's time index.
// daemon.ts starts it; a message that nobody could try lately gets one more attempt first.
// Never expires what is held or being delivered.
import type { Clock, Timer } from '../clock/clock.ts';
import type { Failure } from '../delivery/failure.ts';
import type { Message } from '../mail/envelope.ts';
import type { Decision } from '../policy/policy.ts';
import type { DueTimer } from '../spool/spool.ts';
import { isUnchanged, report, tellBorn } from './bounce.ts';
import { endDetours } from './detour-moves.ts';
import type { QueueEntry } from './entry.ts';
import { type House, placementContext } from './house.ts';
import { decisionFor, stageOf } from './placement.ts';
import { suspensionOfEntry } from './put-off.ts';
import { OVER_QUOTA, waitsForQuota } from './quota-waits.ts';
import { endSlowdowns } from './site-backoff.ts';
import { endSuspensions } from './suspend.ts';
import { isYetToBeTried, timed, warningAfter } from './window.ts';

const SWEEP_MS = 1_000;

/** Timers handled in one sweep, side by side so that they share commits; the next sweep goes on. */
const SLICE = 200;

/**
 * How long after its expiry a message waits for the last attempt that it is owed, counted from our
 * start when that was later: longer than the longest usual pause between two attempts.
 */
export const GRACE_MS = 6 * 3_600_000;

/** A clock that jumped further than this between two sweeps counts as a long stop. */
const JUMP_MS = 60_000;

const NEVER_TRIED: Failure = {
  scope: 'destination',
  permanent: false,
  class: 'unknown',
  status: '4.4.7',
  phase: 'local',
  text: 'no attempt could be made in time',
  ours: true,
};

/** What the sender hears; the operator's own words stay inside. The status is what Postfix says for it. */
const SUSPENDED: Failure = {
  scope: 'destination',
  permanent: false,
  class: 'policy',
  status: '4.3.2',
  phase: 'local',
  text: 'delivery to this destination is suspended by the operators of this mail system',
  ours: true,
};

export class MailTimers {
  readonly #house: House;
  readonly #clock: Clock;
  /** Since when attempts were possible: our start, or the last jump of the clock. */
  #awakeSince: number;
  #lastSweep: number;
  #after: DueTimer | null = null;
  #timer: Timer | null = null;
  #sweeping: Promise<void> = Promise.resolve();

  constructor(house: House) {
    this.#house = house;
    this.#clock = house.clock;
    this.#awakeSince = this.#lastSweep = house.clock.now();
  }

  start(): void {
    this.#timer = this.#clock.after(SWEEP_MS, () => {
      this.#sweeping = this.#sweep().finally(() => {
        if (!this.#house.stopping.aborted) this.start();
      });
    });
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const now = this.#clock.now();
    if (Math.abs(now - this.#lastSweep) > JUMP_MS) this.#awakeSince = now;
    this.#lastSweep = now;
    this.#house.rates.sweep(now);
    this.#house.adaptive.sweep(now);
    endSuspensions(this.#house, now);
    endSlowdowns(this.#house, now);
    endDetours(this.#house, now);
    const slice = this.#house.spool.timers(now, SLICE, this.#after);
    // Those that wait for a last attempt stay in the index: the next sweep goes on behind them.
    this.#after = slice.length < SLICE ? null : (slice.at(-1) ?? null);
    await Promise.all(
      slice.map((due) =>
        this.#handle(due, now).catch((error: unknown) => {
          const { id } = due.entry;
          this.#house.observer.warn('a timer could not be handled', { id, error: String(error) });
        }),
      ),
    );
  }

  async #handle({ entry }: DueTimer, now: number): Promise<void> {
    if (this.#house.spool.isClaimed(entry) || entry.hold) return;
    if (entry.expires <= now) await this.#expire(entry, now);
    else if (entry.nextWarning !== undefined && entry.nextWarning <= now) await this.#warn(entry, now);
  }

  async #expire(entry: QueueEntry, now: number): Promise<void> {
    const message = this.#house.spool.message(entry.id);
    if (!message) return;
    const suspension = suspensionOfEntry(this.#house.destinations, message, entry, now);
    const backOff = this.#house.destinations.get(entry.destination)?.backOff ?? null;
    const tried = Math.max(entry.lastAttempt ?? 0, backOff?.lastAt ?? 0);
    // What was released from a hold after its time is due later than it expires; what waits for a quota is too.
    const opens = waitsForQuota(this.#house, message, entry)?.until ?? 0;
    const due = suspension ? entry.expires : Math.max(entry.due, opens);
    const grace = Math.max(entry.expires, due, this.#awakeSince) + GRACE_MS;
    // Behind a suspension that outlasts it no last attempt will come.
    const isOwed = tried < entry.expires && now <= grace && (suspension?.until ?? 0) <= grace;
    if (isOwed) return;
    const failure =
      backOff && backOff.lastAt === tried ? backOff.last : (entry.last ?? backOff?.last ?? NEVER_TRIED);
    await this.#giveUp(message, entry, suspension ? SUSPENDED : failure);
  }

  async #giveUp(message: Message, entry: QueueEntry, failure: Failure): Promise<void> {
    const { spool, observer } = this.#house;
    const undelivered = entry.recipients.map((index) => ({ ...entry, index, failure }));
    const dsn = await report(this.#house, 'failed', message, undelivered);
    if (!isUnchanged(this.#house, entry)) return dsn?.body.discard();
    await spool.change({
      remove: [entry],
      ended: { expired: entry.recipients.length },
      ...(dsn && { born: [dsn] }),
    });
    for (const index of entry.recipients) {
      const of = { id: message.id, from: message.from, to: message.recipients[index] ?? '' };
      const reason = failure.reply ?? failure.text;
      observer.event({
        ...of,
        event: 'expired',
        status: failure.status,
        reason,
        dsn: dsn?.message.id ?? null,
      });
    }
    if (dsn) tellBorn(this.#house, dsn);
  }

  async #warn(entry: QueueEntry, now: number): Promise<void> {
    const { spool, dispatcher } = this.#house;
    const message = spool.message(entry.id);
    if (!message) return;
    const { destinations } = this.#house;
    const suspension = suspensionOfEntry(destinations, message, entry, now);
    if (suspension === null && isYetToBeTried(entry, now)) return;
    const decision = decisionNow(this.#house, message, entry);
    const warning = warningAfter(entry.warnings, message, decision);
    // Policy or window have changed since it was set.
    if (warning === null || warning > now) {
      await spool.change({ put: [timed(entry, message, decision)] });
      // Whoever looked while it changed has seen no mail.
      dispatcher.arrived([entry.destination]);
      return;
    }
    const waited = entry.last ?? destinations.get(entry.destination)?.backOff?.last ?? NEVER_TRIED;
    const quota = waitsForQuota(this.#house, message, entry);
    const failure = suspension ? SUSPENDED : quota ? OVER_QUOTA : waited;
    const expires = Math.max(entry.expires, quota?.until ?? 0);
    const late = entry.recipients.map((index) => ({ ...entry, index, failure, expires }));
    const dsn = await report(this.#house, 'delayed', message, late);
    if (!isUnchanged(this.#house, entry)) return dsn?.body.discard();
    // Warnings that came due while the daemon was down are one.
    let sent = entry.warnings + 1;
    let next = warningAfter(sent, message, decision);
    while (next !== null && next <= now) next = warningAfter(++sent, message, decision);
    const { nextWarning: _, ...rest } = entry;
    const put: QueueEntry = { ...rest, warnings: sent, ...(next !== null && { nextWarning: next }) };
    await spool.change({ put: [put], ...(dsn && { born: [dsn] }) });
    dispatcher.arrived([entry.destination]);
    if (dsn) tellBorn(this.#house, dsn);
  }
}

/** An entry is recipients that fare alike, by one decision. */
function decisionNow(house: House, message: Message, entry: QueueEntry): Decision {
  const { recipients, tags = [] } = entry;
  return decisionFor(message, recipients[0] ?? 0, tags, placementContext(house), stageOf(entry));
}
