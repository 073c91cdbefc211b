// Clients of the policy soak: senders and recipients of every kind that its rules know, each recipient new.
// policy-soak.test.ts lets them run while the daemon is disturbed; soak-account.ts knows what they sent.
// Never gives up: who finds no daemon, or loses it, looks for the next one.
import type { Chance } from '../harness/random.ts';
import type { Sendoff } from '../harness/sendoff.ts';
import { SmtpClient } from '../harness/smtp-client.ts';
import type { Sent } from './soak-account.ts';

const SENDERS = ['plain', 'copied', 'each', 'edited', 'quiet', 'deferred', 'held', 'refused'];
export const DOMAINS = [
  ...['one.example', 'high.one.example', 'low.one.example', 'office.one.example'],
  ...['two.example', 'three.example', 'narrow.example', 'redirected.example', 'discarded.example'],
];

/** Clients that look for the daemon of the moment; each recipient is new. */
export class Senders {
  readonly answered: Sent[] = [];
  readonly #chance: Chance;
  readonly #daemon: () => Sendoff;
  #count = 0;
  #stopped = false;

  constructor(chance: Chance, daemon: () => Sendoff) {
    this.#chance = chance;
    this.#daemon = daemon;
  }

  stop(): void {
    this.#stopped = true;
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      await this.#onOneConnection().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #onOneConnection(): Promise<void> {
    const client = await SmtpClient.ready({ port: this.#daemon().port });
    try {
      while (!this.#stopped) {
        const n = ++this.#count;
        const from = `s${n}@${this.#chance.pick(SENDERS)}.senders.example`;
        const to = [...new Set(this.#chance.list(1, 3, () => `r${n}@${this.#chance.pick(DOMAINS)}`))];
        const wait = this.#chance.int(12) === 0 ? 'X-Wait: yes\r\n' : '';
        const header = `From: ${from}\r\nSubject: message ${n}\r\nX-Internal: secret\r\n${wait}`;
        const { code, lines } = await client.message(from, to, `${header}\r\nHello\r\n`);
        const id = /queued as (\w+)/.exec(lines.join(' '))?.[1] ?? '';
        if (code === 250) this.answered.push({ n, id, from, to });
        // A human pace: the peers are to be kept busy, not buried.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    } finally {
      client.destroy();
    }
  }
}
