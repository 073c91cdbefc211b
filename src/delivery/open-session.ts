// A session with one host: one transaction after the other on one connection, then QUIT.
// approach.ts makes it; queue/ sends through it; transaction.ts does each transaction.
// Never carries two transactions at a time.
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { Connection } from './connection.ts';
import { deadlines } from './deadlines.ts';
import type { Outgoing, RecipientResult, Session, Target, TransactionResult } from './session.ts';
import type { HostUse } from './smarthosts.ts';
import { transact } from './transaction.ts';

export interface SessionSetting {
  readonly target: Target;
  readonly connection: Connection;
  readonly connectMs: number;
  readonly smarthost: boolean;
  /** Recipients a transaction. */
  readonly limit: number;
  readonly clock: Clock;
  readonly reached: ReachMilestone;
  /** Who wants to know how the host does. */
  readonly use: HostUse | null;
}

export class OpenSession implements Session {
  readonly target: Target;
  readonly source: string;
  readonly tls: string | null;
  readonly connectMs: number;
  readonly #setting: SessionSetting;
  #transactions = 0;
  #needsReset = false;
  #busy = false;
  #closed = false;

  constructor(setting: SessionSetting) {
    this.#setting = setting;
    this.target = setting.target;
    this.source = setting.connection.source;
    this.tls = setting.connection.tls;
    this.connectMs = setting.connectMs;
    setting.use?.opened();
  }

  get transactions(): number {
    return this.#transactions;
  }

  get usable(): boolean {
    return !this.#busy && this.#setting.connection.channel.quiet;
  }

  async send(mail: Outgoing, signal: AbortSignal): Promise<TransactionResult> {
    const { connection, clock } = this.#setting;
    const startedAt = clock.now();
    const onAbort = (): void => connection.channel.abort('stopping');
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#busy = true;
    const { results, stale, needsReset } = await transact(mail, {
      ...this.#setting,
      reused: this.#transactions > 0,
      needsReset: this.#needsReset,
    });
    this.#busy = false;
    signal.removeEventListener('abort', onAbort);
    this.#transactions++;
    this.#needsReset = needsReset;
    const hostFailure = stale ? null : firstHostFailure(results);
    if (hostFailure) this.#setting.use?.failed(hostFailure);
    else if (!stale && results.some(isAnswer)) this.#setting.use?.succeeded();
    return { results, hostFailure, stale, transferMs: clock.now() - startedAt };
  }

  /** RFC 5321 §4.1.1.10: QUIT, and its reply is waited for, though not for long. */
  async close(): Promise<void> {
    const { channel } = this.#setting.connection;
    if (!this.#closed) this.#setting.use?.closed();
    this.#closed = true;
    if (this.usable) {
      channel.write('QUIT\r\n');
      await channel.hear(deadlines.quit);
    }
    channel.end();
  }
}

function firstHostFailure(results: readonly RecipientResult[]): TransactionResult['hostFailure'] {
  for (const result of results) {
    if (result.kind === 'failed' && result.failure.scope === 'host') return result.failure;
  }
  return null;
}

/** The host did its part, though it may have refused the mail. */
function isAnswer(result: RecipientResult): boolean {
  return result.kind !== 'failed' || (result.failure.reply !== undefined && !result.failure.inDoubt);
}
