import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type AdminUnderTest, adminUnderTest } from '../../harness/admin.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { entryView } from '../../harness/operations.ts';

const main = new URL('../../../src/main.ts', import.meta.url).pathname;

/** The command as a process of its own; `stdin` is a pipe, or a descriptor. */
function sendoff(admin: AdminUnderTest, argv: readonly string[], stdin: 'pipe' | number) {
  const file = join(temporaryFolder(), 'sendoff.yaml');
  writeFileSync(file, `hostname: relay.example.net\nadmin: { port: ${admin.port} }\n`);
  const child = spawn(process.execPath, [main, ...argv, '--config', file], {
    stdio: [stdin, 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function outcome(child: ReturnType<typeof sendoff>) {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('stdout and stderr are pipes');
  const [out, err, [code]] = await Promise.all([text(stdout), text(stderr), once(child, 'exit')]);
  return { out, err, code };
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const addresses = ['--from', 'ann@example.net', '--to', 'bob@example.org'];

test('a message in the pipe arrives byte for byte', async () => {
  const admin = await adminUnderTest();
  const content = Buffer.from('Subject: gr\u00fcn\n\nhello\n', 'latin1');
  const child = sendoff(admin, ['send', ...addresses], 'pipe');
  child.stdin?.end(content);
  expect(await outcome(child)).toEqual({ out: 'queued as 0new00000001\n', err: '', code: 0 });
  expect(admin.operations.sent).toEqual([{ from: 'ann@example.net', to: ['bob@example.org'], content }]);
});

test('with nothing piped in, the daemon is asked for a test message', async () => {
  const admin = await adminUnderTest();
  const nothing = openSync('/dev/null', 'r');
  onTestFinished(() => closeSync(nothing));
  expect(await outcome(sendoff(admin, ['send', ...addresses], nothing))).toMatchObject({ err: '', code: 0 });
  expect(admin.operations.sent).toEqual([{ from: 'ann@example.net', to: ['bob@example.org'] }]);
});

test('a reader that goes away early is no error', async () => {
  const admin = await adminUnderTest();
  admin.operations.entries = Array.from({ length: 5000 }, () => entryView());
  const child = sendoff(admin, ['queue', 'list', '--limit', '5000'], 'pipe');
  child.stdout?.once('data', () => child.stdout?.destroy());
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});
