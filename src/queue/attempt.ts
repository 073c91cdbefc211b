// One attempt for one claimed entry: sessions and transactions until every recipient has an outcome.
// run.ts claims before and settles after; delivery/ does the talking.
// Never retries what is in doubt, and never asks two hosts about the same recipient's refusal.
import type { Clock, Timer } from '../clock/clock.ts';
import type { Failure } from '../delivery/failure.ts';
import type { Approach, HostPlan, Outgoing, Session } from '../delivery/session.ts';
import { edited, type HeaderEdit } from '../mail/header-edit.ts';
import type { Claim } from '../spool/spool.ts';
import type { RecipientOutcome } from './settle.ts';

/** How an attempt went, for settlement and events. */
export interface AttemptReport {
  readonly outcomes: ReadonlyMap<number, RecipientOutcome>;
  readonly startedAt: number;
  readonly via: {
    readonly host: string;
    readonly ip: string;
    readonly source: string;
    readonly tls: string | null;
    readonly connectMs: number;
  } | null;
  readonly transferMs: number;
}

/** A run's connection, kept from message to message. */
export interface Link {
  session: Session | null;
  readonly plan: HostPlan;
  approach(): Approach;
  /** Called with each session that opens. */
  opened(): void;
  /** Waits until another transaction may begin; false when that is not worth holding the connection. */
  again(): Promise<boolean>;
}

export interface AttemptLimits {
  readonly clock: Clock;
  readonly stopping: AbortSignal;
  readonly shutdownTimeout: number;
}

/** Never rejects: an attempt that breaks is one that failed. */
export async function attempt(claim: Claim, link: Link, limits: AttemptLimits): Promise<AttemptReport> {
  const startedAt = limits.clock.now();
  const outcomes = new Map<number, RecipientOutcome>();
  const fuse = stopFuse(limits);
  const work = new Transactions(claim, link, outcomes, fuse);
  await work.run().catch((error: unknown) => work.broke(error));
  fuse.close();
  return { outcomes, startedAt, via: work.via, transferMs: work.transferMs };
}

class Transactions {
  via: AttemptReport['via'] = null;
  transferMs = 0;
  readonly #claim: Claim;
  readonly #link: Link;
  readonly #outcomes: Map<number, RecipientOutcome>;
  readonly #fuse: Fuse;
  #approach: Approach | null = null;

  constructor(claim: Claim, link: Link, outcomes: Map<number, RecipientOutcome>, fuse: Fuse) {
    this.#claim = claim;
    this.#link = link;
    this.#outcomes = outcomes;
    this.#fuse = fuse;
  }

  async run(): Promise<void> {
    let waiting = [...this.#claim.entry.recipients];
    for (let first = true; waiting.length > 0; first = false) {
      this.#fuse.begin();
      if (!first && !(await this.#link.again())) return this.#failAll(waiting, NO_TURN);
      const opened = await this.#open();
      if ('failure' in opened) return this.#failAll(waiting, opened.failure);
      const next = await this.#transact(opened.session, waiting);
      // A peer that takes nobody and refuses nobody would be asked for ever.
      if (next.length === waiting.length && this.#link.session) return this.#failAll(waiting, NO_PROGRESS);
      waiting = next;
    }
  }

  /** A mistake of ours came up: nobody knows what the session is good for, the mail waits. */
  async broke(error: unknown): Promise<void> {
    const text = `the attempt broke: ${String(error)}`;
    const failure: Failure = this.#fuse.waiting ? { ...BROKEN, text, inDoubt: true } : { ...BROKEN, text };
    const { recipients } = this.#claim.entry;
    this.#failAll(
      recipients.filter((index) => !this.#outcomes.has(index)),
      failure,
    );
    await this.#drop().catch(() => undefined);
  }

  /** The session in hand, or the next one that the hosts allow. */
  async #open(): Promise<{ session: Session } | { failure: Failure }> {
    const { plan, session } = this.#link;
    if (session?.usable) return { session };
    await this.#drop();
    if (plan.kind === 'failed') return { failure: plan.failure };
    this.#approach ??= this.#link.approach();
    const next = await this.#approach.next(this.#fuse.signal);
    if ('failure' in next) return next;
    this.#link.session = next.session;
    this.#link.opened();
    return next;
  }

  /** One transaction; returns the recipients that need another one. */
  async #transact(session: Session, waiting: readonly number[]): Promise<number[]> {
    this.#noteVia(session);
    const mail = await this.#outgoing(waiting);
    const { results, hostFailure, stale, transferMs } = await session.send(mail, this.#fuse.signal);
    if (stale) {
      // The peer had closed an idle connection: nobody's failure, and no reason to count an attempt.
      this.#approach ??= this.#link.approach();
      await this.#drop();
      return [...waiting];
    }
    this.transferMs += transferMs;
    if (hostFailure) {
      this.#approach ??= this.#link.approach();
      this.#approach.note(hostFailure);
      await this.#drop();
    }
    return waiting.filter((index, n) => {
      const result = results[n];
      if (!result || result.kind === 'next-transaction') return true;
      if (hostFailure && result.kind === 'failed' && isHostMatter(result.failure)) return true;
      this.#outcomes.set(index, result);
      return false;
    });
  }

  async #outgoing(waiting: readonly number[]): Promise<Outgoing> {
    const { message, entry } = this.#claim;
    const { size, body } = entry.edit ? await editedContent(this.#claim, entry.edit) : this.#asItIs();
    return {
      from: message.from,
      recipients: waiting.map((index) => message.recipients[index] ?? ''),
      size,
      eightBit: message.eightBit,
      body,
      dotSent: () => {
        this.#fuse.dotSent();
        this.#claim.dotSent();
      },
    };
  }

  #asItIs(): Pick<Outgoing, 'size' | 'body'> {
    return { size: this.#claim.message.size, body: () => this.#claim.body() };
  }

  #noteVia(session: Session): void {
    const { target, source, tls, connectMs, transactions } = session;
    const { host, address: ip } = target;
    this.via = { host, ip, source, tls, connectMs: transactions === 0 ? connectMs : 0 };
  }

  async #drop(): Promise<void> {
    const { session } = this.#link;
    this.#link.session = null;
    await session?.close();
  }

  #failAll(waiting: readonly number[], failure: Failure): void {
    for (const index of waiting) this.#outcomes.set(index, { kind: 'failed', failure });
  }
}

/** Its size is known when it was read; what cannot be read is told when it is asked for. */
async function editedContent(claim: Claim, edit: HeaderEdit): Promise<Pick<Outgoing, 'size' | 'body'>> {
  try {
    const body = await edited(await claim.body(), edit);
    return { size: body.kind === 'buffer' ? body.data.length : body.size, body: async () => body };
  } catch (error) {
    return { size: claim.message.size, body: () => Promise.reject(error) };
  }
}

const NO_PROGRESS: Failure = {
  scope: 'message',
  permanent: false,
  class: 'protocol',
  status: '4.5.3',
  phase: 'rcpt',
  text: 'the host keeps asking for another transaction and accepts no recipient in it',
};

/** Like a stop: nobody's failure, due at once, and nothing is counted. */
const NO_TURN: Failure = {
  scope: 'message',
  permanent: false,
  class: 'throttled',
  status: '4.3.2',
  phase: 'local',
  text: 'the rate lets no further transaction go for now',
  ours: true,
  aborted: true,
};

const BROKEN: Omit<Failure, 'text'> = {
  scope: 'message',
  permanent: false,
  class: 'unknown',
  status: '4.3.0',
  phase: 'local',
  ours: true,
};

function isHostMatter(failure: Failure): boolean {
  return (failure.scope === 'host' || failure.scope === 'destination') && !failure.inDoubt;
}

interface Fuse {
  readonly signal: AbortSignal;
  /** The final dot of the present transaction was sent. */
  readonly waiting: boolean;
  /** A transaction is about to begin. */
  begin(): void;
  dotSent(): void;
  close(): void;
}

/**
 * Ends an attempt when the daemon stops: before the final dot at once, after it when the
 * shutdown timeout is over, for what the peer may have accepted should be heard.
 */
function stopFuse({ clock, stopping, shutdownTimeout }: AttemptLimits): Fuse {
  const control = new AbortController();
  let waiting = false;
  let timer: Timer | null = null;
  const onStop = (): void => {
    if (waiting) timer = clock.after(shutdownTimeout, () => control.abort());
    else control.abort();
  };
  if (stopping.aborted) control.abort();
  else stopping.addEventListener('abort', onStop, { once: true });
  return {
    signal: control.signal,
    get waiting() {
      return waiting;
    },
    begin: () => {
      waiting = false;
      if (stopping.aborted) control.abort();
    },
    dotSent: () => {
      waiting = true;
    },
    close: () => {
      stopping.removeEventListener('abort', onStop);
      timer?.cancel();
    },
  };
}
