// An intake that keeps everything in memory and records what it was given.
// Stands in for the queue behind a listener under test.
// Never decides: tests set what it answers.
import { HeaderCompletion, HOP_LIMIT } from '../../src/mail/completion.ts';
import { receivedField } from '../../src/mail/received.ts';
import type { IncomingMessage, Intake, Reply, Submission } from '../../src/relay/intake.ts';

export interface RecordedMessage {
  readonly id: string;
  readonly submission: Submission;
  /** As the listener delivered it, without our fields. */
  readonly content: Buffer;
  /** As it would be spooled. */
  readonly stored: Buffer;
}

export class RecordingIntake implements Intake {
  readonly accepted: RecordedMessage[] = [];
  aborted = 0;
  begun = 0;
  /** Answers of the next calls. */
  onRecipient: (to: string) => Reply | null = () => null;
  onBegin: () => Reply | null = () => null;
  onWrite: () => Promise<void> | undefined = () => undefined;
  onFinish: () => Promise<Reply | null> = async () => null;

  checkRecipient(_client: unknown, _from: string, to: string): Reply | null {
    return this.onRecipient(to);
  }

  begin(submission: Submission): IncomingMessage | Reply {
    const refusal = this.onBegin();
    if (refusal) return refusal;
    const id = `id${++this.begun}`;
    const at = Date.UTC(2026, 10, 22, 1, 39, 53);
    const { client, protocol, tls, recipients } = submission;
    const hostname = 'relay.example';
    const { address, helo } = client;
    const received = receivedField({ hostname, id, at, helo, address, protocol, tls, recipients });
    const completion = new HeaderCompletion({ received, at, id, hostname });
    const content: Buffer[] = [];
    const stored: Buffer[] = [];
    return {
      id,
      write: (chunk) => {
        content.push(chunk);
        stored.push(...completion.push(chunk));
        return this.onWrite();
      },
      finish: async () => {
        const { tail, receivedCount } = completion.end();
        if (receivedCount > HOP_LIMIT)
          return { refused: { code: 554, enhanced: '5.4.6', text: 'too many hops' } };
        const refused = await this.onFinish();
        if (refused) return { refused };
        this.accepted.push({
          id,
          submission,
          content: Buffer.concat(content),
          stored: Buffer.concat([...stored, ...tail]),
        });
        return { accepted: id };
      },
      abort: () => {
        this.aborted++;
      },
    };
  }
}
