// Processes, ports and memory: what every bench needs from the machine.
// Used by the servers (sink.ts, postfix.ts, sendoff.ts) and the scripts that measure.
// Never leaves a process behind: what was started ends with the script.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Everything that runs on this machine writes below here; BENCH_DIR names a disk that is to be measured. */
const FOLDER_PARENT = process.env.BENCH_DIR ?? tmpdir();

const running = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

export function spawnChild(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, options);
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** SIGTERM, and the exit. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}

/** Resolves when the command is done; rejects when it failed. */
export async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawnChild(command, args, { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
}

/** A folder that is gone when the script is over; when it failed, the logs in it are wanted. */
export function benchFolder(name: string): string {
  const folder = mkdtempSync(join(FOLDER_PARENT, `sendoff-bench-${name}-`));
  process.on('exit', (code) => {
    if (code === 0) rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

export async function freePort(address = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Milliseconds until the condition holds, looked at every 5 ms. */
export async function waitFor(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadline = 120_000,
): Promise<number> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > deadline) throw new Error(`waited ${deadline} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - start;
}

/** Anonymous resident memory of a process, MB. Mapped files (lmdb's) are the page cache's, not the process's. */
export function rssAnon(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** `fraction` of the values are not above it. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
}
