import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../harness/folder.ts';
import { until } from '../../harness/until.ts';

const main = new URL('../../../src/main.ts', import.meta.url).pathname;

interface Ready {
  readonly listeners: readonly string[];
  readonly admin: string;
}

function settingsFile(folder: string, more = ''): string {
  const file = join(folder, 'sendoff.yaml');
  const listeners = 'listeners: [{ address: 127.0.0.1, port: 0 }]';
  writeFileSync(file, `hostname: relay.example.net\n${listeners}\nadmin: { port: 0 }\n${more}`);
  return file;
}

/** `sendoff` as a process of its own, as a supervisor would start it. */
function sendoff(...argv: readonly string[]) {
  const child = spawn(process.execPath, [main, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.err += chunk.toString();
  });
  return { child, said, exited: once(child, 'close').then(([code]) => code as number | null) };
}

function ready(out: string): Ready | undefined {
  const lines = out.split('\n').filter((line) => line.includes('"listeners"'));
  return lines.map((line) => JSON.parse(line) as Ready)[0];
}

test('serve runs until SIGTERM, keeps others from its data, and is found by the other commands', async () => {
  const folder = temporaryFolder();
  const file = settingsFile(folder);
  const { child, said, exited } = sendoff('serve', '--config', file);
  const { admin } = await until('the daemon', () => ready(said.out), 20_000);

  const second = sendoff('serve', '--config', file);
  expect(await second.exited).toBe(75);
  expect(second.said.err).toMatch(new RegExp(`^sendoff: cannot start: .*\\b${child.pid}\\b.*\n$`));

  const known = settingsFile(temporaryFolder(), '').replace('sendoff.yaml', 'known.yaml');
  writeFileSync(known, `hostname: relay.example.net\nadmin: { port: ${admin.split(':')[1]} }\n`);
  const list = sendoff('queue', 'list', '--config', known);
  expect(await list.exited).toBe(0);
  expect(list.said).toEqual({ out: 'nothing in the queue matches\n', err: '' });

  child.kill('SIGHUP');
  child.kill('SIGTERM');
  child.kill('SIGTERM');
  expect(await exited).toBe(0);
  expect(said.err).toBe('');
});

test('serve that cannot listen says why in one line and exits 75', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void other.close());
  const address = other.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const file = settingsFile(temporaryFolder());
  writeFileSync(file, `hostname: relay.example.net\nadmin: { port: ${port} }\nlisteners: [{ port: 0 }]\n`);
  const { said, exited } = sendoff('serve', '--config', file);
  expect(await exited).toBe(75);
  expect(said.err).toMatch(
    /^sendoff: cannot start: admin: cannot listen on 127.0.0.1 port \d+: .*EADDRINUSE.*\n$/,
  );
});
