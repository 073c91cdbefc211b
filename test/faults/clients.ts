// Clients of a fault scenario that go on sending until they are told to stop or the daemon is gone.
// They remember what was answered 250: that is what must arrive.
// Never count a message whose 250 they have not read.
import { SmtpClient } from '../harness/smtp-client.ts';
import { mailOf } from './world.ts';

export class Clients {
  /** Subjects that were answered 250. */
  readonly answered: string[] = [];
  #sent = 0;
  #stopped = false;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Sends message after message on one connection, until `stop` or its end. */
  async send(port: number, to: (n: number) => string, most = Number.POSITIVE_INFINITY): Promise<void> {
    const client = await SmtpClient.ready({ port });
    try {
      for (let n = 0; n < most && !this.#stopped; n++) await this.#one(client, to);
    } catch {
      // The connection is gone, or the daemon says goodbye: what was not answered is not ours to count.
    } finally {
      client.destroy();
    }
  }

  async #one(client: SmtpClient, to: (n: number) => string): Promise<void> {
    const n = ++this.#sent;
    const subject = `${this.#prefix} ${n}`;
    const { code } = await client.message('a@example.net', [to(n)], mailOf(subject));
    if (code === 250) this.answered.push(subject);
  }

  stop(): void {
    this.#stopped = true;
  }
}
