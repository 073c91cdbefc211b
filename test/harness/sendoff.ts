// A whole daemon for a scenario: configuration, process, log, admin API and books.
// Scenarios start it against their own DNS server and peers, break it, and start it again on its data.
// Never outlives the test that started it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import type { Beginning, Fate, Order, Word } from './daemon-process.ts';
import type { DiskState } from './disk.ts';
import { temporaryFolder } from './folder.ts';
import { SmtpClient } from './smtp-client.ts';
import { until } from './until.ts';

export interface SendoffOptions {
  /** Data and configuration of an earlier daemon; default: a new folder. */
  readonly folder?: string;
  /** `dns` and `peer`: where mail goes. */
  readonly dns?: { readonly address: string };
  readonly mxPort?: number;
  /** Keys of sendoff.yaml, over those that every scenario has. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** policy.yaml as data; default: everything direct. */
  readonly policy?: Readonly<Record<string, unknown>>;
  /** How far its clock is ahead. */
  readonly offset?: number;
  readonly fate?: Fate;
  readonly segmentSize?: number;
  /** Variables in place of those of this process. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** A line of the log. */
export type LogLine = { readonly event?: string; readonly msg?: string; readonly [field: string]: unknown };

export interface Books {
  readonly accepted: number;
  readonly delivered: number;
  readonly bounced: number;
  readonly expired: number;
  readonly discarded: number;
  readonly removed: number;
  readonly queued: number;
  readonly held: number;
}

const ENTRY = new URL('daemon-process.ts', import.meta.url).pathname;

export class Sendoff {
  readonly folder: string;
  readonly log: LogLine[] = [];
  readonly process: ChildProcess;
  /** How the process ended: exit code or signal. */
  readonly ended: Promise<number | string>;
  ports: readonly number[] = [];
  admin = 0;
  stderr = '';

  constructor(folder: string, child: ChildProcess) {
    this.folder = folder;
    this.process = child;
    this.ended = once(child, 'exit').then(([code, signal]) => code ?? signal);
    if (child.stdout) createInterface(child.stdout).on('line', (line) => this.#note(line));
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
  }

  get port(): number {
    return this.ports[0] ?? 0;
  }

  /** Moves the daemon's clock. */
  advance(ms: number): Promise<void> {
    return this.order({ advance: ms });
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

  async api(path: string, init?: RequestInit): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.admin}${path}`, init);
    const text = await response.text();
    return response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
  }

  /** The books as /metrics has them. */
  async books(): Promise<Books> {
    const text = String(await this.api('/metrics'));
    const sum = (name: string): number =>
      [...text.matchAll(new RegExp(`^${name}(?:{[^}]*})? (\\d+)`, 'gm'))].reduce(
        (n, m) => n + Number(m[1]),
        0,
      );
    const of = (outcome: string): number => sum(`sendoff_recipients_total{outcome="${outcome}"}`);
    return {
      accepted: sum('sendoff_recipients_accepted_total'),
      delivered: of('delivered'),
      bounced: of('bounced'),
      expired: of('expired'),
      discarded: of('discarded'),
      removed: of('removed'),
      queued: sum('sendoff_recipients_queued'),
      held: sum('sendoff_recipients_held'),
    };
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

export const MESSAGE = 'From: a@example.net\r\nTo: b@example.org\r\nSubject: test\r\n\r\nHello\r\n';

/** Starts a daemon and waits until it is ready. Rejects with its words when it does not come up. */
export async function startSendoff(options: SendoffOptions = {}): Promise<Sendoff> {
  const folder = options.folder ?? temporaryFolder();
  const file = writeConfiguration(folder, options);
  const { offset = 0, fate = null, segmentSize, environment } = options;
  const beginning: Beginning = { offset, fate, ...(segmentSize && { segmentSize }) };
  const child = fork(ENTRY, [file, JSON.stringify(beginning)], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    ...(environment && { env: { ...environment } }),
  });
  const sendoff = new Sendoff(folder, child);
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) await sendoff.stop();
  }, 40_000);
  const word = await Promise.race([
    once(child, 'message').then(([message]) => message as Word),
    sendoff.ended.then((how) => `the daemon ended with ${how}: ${sendoff.stderr}`),
  ]);
  if (typeof word === 'string' || !('ready' in word)) throw new Error(String(word));
  sendoff.ports = word.ready.ports;
  sendoff.admin = word.ready.admin;
  return sendoff;
}

/** YAML takes JSON as it is. */
function writeConfiguration(folder: string, options: SendoffOptions): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'sendoff.yaml');
  const policyFile = join(folder, 'policy.yaml');
  if (options.policy) writeFileSync(policyFile, JSON.stringify(options.policy));
  const settings = {
    hostname: 'relay.example.net',
    data: './data',
    shutdownTimeout: '5s',
    listeners: [{ address: '127.0.0.1', port: 0 }],
    admin: { port: 0 },
    spool: { minFree: '10MB' },
    limits: { messageSize: '5MB' },
    delivery: { port: options.mxPort ?? 25, allowNetworks: ['127.0.0.0/8'] },
    ...(options.dns && { dns: { servers: [options.dns.address] } }),
    ...(options.policy && { policy: './policy.yaml' }),
    ...options.settings,
  };
  writeFileSync(file, JSON.stringify(settings));
  return file;
}
