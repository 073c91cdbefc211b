// Hands in messages to many recipients' domains, which smtp-source cannot.
// latency.ts, memory.ts and policy-diff.ts fill queues with it, and send their probes.
// Never faster than the server says 250: every message that it counts is in the spool.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Enough for group commits, few enough that the injector stays out of the way. */
const CONNECTIONS = 32;

/** Waits for replies on one connection; a refusal ends the bench. */
export class Submission {
  readonly #socket: Socket;
  #pending = '';
  #waiting: (() => void) | null = null;
  #replies = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#read(chunk.toString('latin1')));
  }

  static async open(port: number): Promise<Submission> {
    const socket = connect(port, '127.0.0.1');
    const submission = new Submission(socket);
    await once(socket, 'connect');
    await submission.#until(1);
    await submission.#say('EHLO bench.example\r\n', 1);
    return submission;
  }

  /** Resolves when the message has its 250. */
  async send(to: string, body: string): Promise<void> {
    await this.#say(`MAIL FROM:<sender@bench.example>\r\nRCPT TO:<${to}>\r\nDATA\r\n`, 3);
    await this.#say(`${body}\r\n.\r\n`, 1);
  }

  /** Resolves when the server has answered a command that asks nothing of it. */
  noop(): Promise<void> {
    return this.#say('NOOP\r\n', 1);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #say(text: string, replies: number): Promise<void> {
    this.#socket.write(text);
    await this.#until(replies);
  }

  async #until(replies: number): Promise<void> {
    while (this.#replies < replies) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    this.#replies -= replies;
  }

  #read(text: string): void {
    const lines = (this.#pending + text).split('\r\n');
    this.#pending = lines.pop() ?? '';
    for (const line of lines) {
      if (/^[45]/.test(line)) throw new Error(`refused: ${line}`);
      if (line[3] === ' ') this.#replies++;
    }
    this.#waiting?.();
  }
}

/** A message of about `size` octets. */
export function message(size: number): string {
  const line = 'All work and no play makes the queue a dull place to be in, all day long.\r\n';
  const header = 'From: sender@bench.example\r\nSubject: bench\r\n\r\n';
  return header + line.repeat(Math.max(1, Math.ceil((size - header.length) / line.length)));
}

/** Hands in `count` messages; the nth goes to `recipient(n)`. Resolves when all have their 250. */
export async function inject(
  port: number,
  count: number,
  recipient: (n: number) => string,
  body: string,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    const submission = await Submission.open(port);
    while (next < count) await submission.send(recipient(next++), body);
    submission.close();
  };
  await Promise.all(Array.from({ length: Math.min(CONNECTIONS, count) }, work));
}
