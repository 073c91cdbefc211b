// Postfix's own load tools: smtp-source hands mail in, smtp-sink takes it and counts.
// Both servers under test stand between one source and one sink of their own.
// Never part of what is measured beyond the CPU that they take from the same machine.
import type { ChildProcess } from 'node:child_process';
import { end, freePort, run, spawnChild, waitFor } from './children.ts';

export interface Load {
  readonly name: string;
  /** Octets of the body. */
  readonly size: number;
  readonly sessions: number;
  /** Keep connections open for message after message. */
  readonly keepOpen: boolean;
  readonly messages: number;
}

/** Room for connections that wait to be accepted. */
const BACKLOG = '1000';

export class Sink {
  readonly port: number;
  readonly #child: ChildProcess;
  #counted = 0;
  #tail = '';

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk.toString('latin1')));
  }

  static async start(): Promise<Sink> {
    const port = await freePort();
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    const child = spawnChild('smtp-sink', ['-c', ...user, `127.0.0.1:${port}`, BACKLOG], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return new Sink(port, child);
  }

  /** Messages that it has answered 250 after their final dot. */
  get count(): number {
    return this.#counted;
  }

  stop(): Promise<void> {
    return end(this.#child);
  }

  /** `-c` writes `sess=1 quit=0 mesg=17` and a carriage return at each change; chunks may cut it. */
  #read(text: string): void {
    const all = this.#tail + text;
    const last = [...all.slice(-200).matchAll(/mesg=(\d+)\s/g)].at(-1);
    if (last) this.#counted = Number(last[1]);
    this.#tail = all.slice(-40);
  }
}

/** Hands the whole load in; resolves when the last message has its 250. */
export function handIn(port: number, load: Load): Promise<void> {
  return run('smtp-source', [
    ...['-s', `${load.sessions}`, '-m', `${load.messages}`, '-l', `${load.size}`],
    ...(load.keepOpen ? ['-d'] : []),
    ...['-f', 'sender@bench.example', '-t', 'recipient@sink.example'],
    `127.0.0.1:${port}`,
  ]);
}

export interface Throughput {
  /** Messages a second from the first connection to the last 250 of the server under test. */
  readonly accepted: number;
  /** Messages a second from the first connection to the last 250 of the sink. */
  readonly delivered: number;
}

/** Sends the load to `port` and waits until the sink has it all. */
export async function measure(port: number, sink: Sink, load: Load): Promise<Throughput> {
  const before = sink.count;
  const start = performance.now();
  await handIn(port, load);
  const accepted = performance.now() - start;
  await waitFor('the sink', () => sink.count - before >= load.messages);
  const delivered = performance.now() - start;
  const rate = (ms: number): number => (load.messages * 1000) / ms;
  return { accepted: rate(accepted), delivered: rate(delivered) };
}
