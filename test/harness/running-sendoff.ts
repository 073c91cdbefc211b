// A daemon under test while it runs: its clock, its log, its admin API and its books.
// sendoff.ts starts it; scenarios talk to it, look at what it says, and break it.
// Never waits for more than a condition with a deadline.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Books, readBooks } from './books.ts';
import { writePolicy } from './configuration.ts';
import type { Fate, Order } from './daemon-process.ts';
import type { DiskState } from './disk.ts';
import { SmtpClient } from './smtp-client.ts';
import { until } from './until.ts';

/** A line of the log. */
export type LogLine = { readonly event?: string; readonly msg?: string; readonly [field: string]: unknown };

export const MESSAGE = 'From: a@example.net\r\nTo: b@example.org\r\nSubject: test\r\n\r\nHello\r\n';

export class Sendoff {
  readonly folder: string;
  readonly log: LogLine[] = [];
  readonly process: ChildProcess;
  /** How the process ended: exit code or signal. */
  readonly ended: Promise<number | string>;
  ports: readonly number[] = [];
  admin = 0;
  stderr = '';
  #ahead: number;

  constructor(folder: string, child: ChildProcess, ahead = 0) {
    this.folder = folder;
    this.process = child;
    this.#ahead = ahead;
    this.ended = once(child, 'exit').then(([code, signal]) => code ?? signal);
    if (child.stdout) createInterface(child.stdout).on('line', (line) => this.#note(line));
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
  }

  get port(): number {
    return this.ports[0] ?? 0;
  }

  /** The time by the daemon's clock. */
  get now(): number {
    return Date.now() + this.#ahead;
  }

  /** Moves the daemon's clock. */
  advance(ms: number): Promise<void> {
    this.#ahead += ms;
    return this.order({ advance: ms });
  }

  /** Moves the daemon's clock on to a time that one of its lines names. */
  advanceTo(time: unknown): Promise<void> {
    return this.advance(Math.max(0, Date.parse(String(time)) - this.now));
  }

  /** From now on its disk behaves so. */
  disk(state: DiskState): Promise<void> {
    return this.order({ disk: state });
  }

  /** The process kills itself when it reaches the milestone for the nth time from now on. */
  die(fate: Fate): Promise<void> {
    return this.order({ die: fate });
  }

  async order(order: Order): Promise<void> {
    const done = once(this.process, 'message');
    this.process.send(order);
    await done;
  }

  async kill9(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | string> {
    this.process.kill('SIGTERM');
    return this.ended;
  }

  /** Lines of one event, so far. */
  events(event: string): LogLine[] {
    return this.log.filter((line) => line.event === event);
  }

  /** Lines of one event about one message, as soon as there are `count`. */
  about(id: string, event: string, count = 1): Promise<LogLine[]> {
    return until(`${count} ${event} of ${id}`, () => {
      const lines = this.soFar(id, event);
      return lines.length >= count ? lines : null;
    });
  }

  /** The same without waiting. Lines come in their order: none is missing before one that was waited for. */
  soFar(id: string, event: string): LogLine[] {
    return this.log.filter((line) => line.event === event && line.id === id);
  }

  /** The first line of the event that fits, as soon as there is one. */
  event(event: string, fits: (line: LogLine) => boolean = () => true, deadline = 10_000): Promise<LogLine> {
    return until(
      `event ${event}`,
      () => this.log.find((line) => line.event === event && fits(line)),
      deadline,
    );
  }

  /** One message over SMTP; resolves with its queue id. Rejects when it is not taken. */
  async send(mail: {
    from: string;
    to: string | readonly string[];
    content?: string | Buffer;
  }): Promise<string> {
    const client = await SmtpClient.ready({ port: this.port });
    const reply = await client.message(mail.from, [mail.to].flat(), mail.content ?? MESSAGE);
    client.destroy();
    const text = `${reply.code} ${reply.lines.join(' ')}`;
    const id = /queued as (\w+)/.exec(text)?.[1];
    if (reply.code !== 250 || id === undefined) throw new Error(`not accepted: ${text}`);
    return id;
  }

  /** A change of the queue through the admin API. */
  async change(
    what: string,
    filter: Readonly<Record<string, string>>,
  ): Promise<{ changed: number; busy: number }> {
    const headers = { 'content-type': 'application/json' };
    const answer = await this.api(`/api/queue/${what}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(filter),
    });
    return answer as { changed: number; busy: number };
  }

  async api(path: string, init?: RequestInit): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.admin}${path}`, init);
    const text = await response.text();
    return response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
  }

  /** Puts another policy in force; resolves with what is wrong with it. */
  async setPolicy(policy: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
    writePolicy(this.folder, policy);
    const { problems } = (await this.api('/api/reload', { method: 'POST' })) as { problems: string[] };
    return problems;
  }

  /** The books as /metrics has them. */
  async books(): Promise<Books> {
    return readBooks(String(await this.api('/metrics')));
  }

  /** Waits until nothing is queued any more, then returns the books. */
  async settled(deadline = 20_000): Promise<Books> {
    return until(
      'an empty queue',
      async () => {
        const books = await this.books();
        return books.queued === 0 ? books : null;
      },
      deadline,
    );
  }

  #note(line: string): void {
    try {
      this.log.push(JSON.parse(line));
    } catch {
      this.log.push({ msg: line });
    }
  }
}
