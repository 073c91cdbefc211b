// Starts a whole daemon for a scenario, as a process of its own, and ends it.
// Scenarios start it against their own DNS server and peers, break it, and start it again on its data.
// Never outlives the test that started it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { writeConfiguration } from './configuration.ts';
import type { Beginning, Fate, Word } from './daemon-process.ts';
import { temporaryFolder } from './folder.ts';
import { Sendoff } from './running-sendoff.ts';

export type { Books } from './books.ts';
export type { LogLine, Sendoff } from './running-sendoff.ts';

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
  /** An authority to trust besides the system's, PEM. */
  readonly authority?: string;
  /** Variables in place of those of this process. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Compiled sources: a daemon that finds them starts in half the time. Checked against the sources by Node. */
const COMPILED = new URL('../../node_modules/.cache/compiled', import.meta.url).pathname;
const ENTRY = new URL('daemon-process.ts', import.meta.url).pathname;

/** Starts a daemon for a test and waits until it is ready. Rejects with its words when it does not come up. */
export async function startSendoff(options: SendoffOptions = {}): Promise<Sendoff> {
  const { sendoff, ready } = launch(options.folder ?? temporaryFolder(), options);
  onTestFinished(() => end(sendoff), STOP_MS);
  await ready;
  return sendoff;
}

/** One daemon for all tests of a file; `options` is asked when the file begins. */
export function sendoffForFile(options: () => SendoffOptions): () => Sendoff {
  const folder = mkdtempSync(join(tmpdir(), 'sendoff-test-'));
  let sendoff: Sendoff;
  beforeAll(async () => {
    const launched = launch(folder, options());
    sendoff = launched.sendoff;
    await launched.ready;
  });
  afterAll(async () => {
    await end(sendoff);
    rmSync(folder, { recursive: true, force: true });
  }, STOP_MS);
  return () => sendoff;
}

/** A stop may take the shutdown timeout, and some. */
const STOP_MS = 40_000;

async function end(sendoff: Sendoff): Promise<void> {
  const { exitCode, signalCode } = sendoff.process;
  if (exitCode === null && signalCode === null) await sendoff.stop();
}

function launch(folder: string, options: SendoffOptions): { sendoff: Sendoff; ready: Promise<void> } {
  const file = writeConfiguration(folder, options);
  const { offset = 0, fate = null, segmentSize, environment, authority } = options;
  const beginning: Beginning = { offset, fate, ...(segmentSize && { segmentSize }) };
  const child = fork(ENTRY, [file, JSON.stringify(beginning)], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // biome-ignore lint/style/noProcessEnv: a child process has the environment of its parent.
    env: { ...(environment ?? process.env), NODE_COMPILE_CACHE: COMPILED, ...trust(folder, authority) },
  });
  const sendoff = new Sendoff(folder, child, offset);
  return { sendoff, ready: untilReady(sendoff) };
}

function trust(folder: string, authority: string | undefined): { NODE_EXTRA_CA_CERTS?: string } {
  if (authority === undefined) return {};
  const file = join(folder, 'authority.pem');
  writeFileSync(file, authority);
  return { NODE_EXTRA_CA_CERTS: file };
}

async function untilReady(sendoff: Sendoff): Promise<void> {
  const word = await Promise.race([
    once(sendoff.process, 'message').then(([message]) => message as Word),
    sendoff.ended.then((how) => `the daemon ended with ${how}: ${sendoff.stderr}`),
  ]);
  if (typeof word === 'string' || !('ready' in word)) throw new Error(String(word));
  sendoff.ports = word.ready.ports;
  sendoff.admin = word.ready.admin;
}
