// Buffered lines to a file descriptor: all of them, in order, however the process ends.
// Runs BufferedOutput on files, and whole processes whose standard output is a pipe.
// Never waits for time: for a file's content or a process's end.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/clock/clock.ts';
import { BufferedOutput } from '../../../src/observe/buffered-output.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { until } from '../../harness/until.ts';

function toFile(): { output: BufferedOutput; content: () => string; drops: () => number } {
  const file = join(temporaryFolder(), 'log');
  const fd = openSync(file, 'w');
  onTestFinished(() => closeSync(fd));
  let drops = 0;
  const output = new BufferedOutput(fd, systemClock, () => drops++);
  return { output, content: () => readFileSync(file, 'utf8'), drops: () => drops };
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${JSON.stringify({ i, filler: 'ü'.repeat(100) })}\n`);
}

/** Runs `script` with the module at hand; its standard output is a pipe. */
function processWith(script: string): string[] {
  const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  return [
    '--input-type=module-typescript',
    '--eval',
    `import { BufferedOutput } from ${url('../../../src/observe/buffered-output.ts')};
     import { systemClock } from ${url('../../../src/clock/clock.ts')};
     const output = new BufferedOutput(1, systemClock, () => {});
     process.on('exit', () => output.flush());
     ${script}`,
  ];
}

test('lines are out soon, in their order, without a flush', async () => {
  const { output, content, drops } = toFile();
  const lines = numbered(5_000);
  for (const line of lines) output.write(line);
  await until('all lines', () => content() === lines.join(''));
  expect(drops()).toBe(0);
});

test('a single line waits for others, then goes out', async () => {
  const { output, content } = toFile();
  output.write('one\n');
  expect(content()).toBe('');
  await until('the line', () => content() === 'one\n');
});

test('a flush has written when it returns', () => {
  const { output, content } = toFile();
  output.write('one\n');
  output.flush();
  expect(content()).toBe('one\n');
  output.flush();
  expect(content()).toBe('one\n');
});

test('a reader that never reads costs a bounded amount of memory: the rest is dropped and counted', () => {
  const { output, drops } = toFile();
  const line = `${'x'.repeat(65_535)}\n`;
  // All in one turn of the loop: nothing can be written meanwhile but the first piece.
  for (let i = 0; i < 400; i++) output.write(line);
  expect(drops()).toBeGreaterThan(100);
  output.flush();
});

test('a process that ends at once leaves no line behind', async () => {
  const script =
    "for (let i = 0; i < 20_000; i++) output.write('line ' + i + '\\n'); setTimeout(() => process.exit(0), 1);";
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, processWith(script), { maxBuffer: 1e8 }, (error, text) =>
      error ? reject(error) : resolve(text),
    );
  });
  const lines = stdout.split('\n').slice(0, -1);
  expect(new Set(lines).size).toBe(20_000);
  expect(lines).toHaveLength(20_000);
});

test('a reader that is gone neither ends the process nor keeps it from ending', async () => {
  const script = "setInterval(() => output.write('line\\n'), 5); setTimeout(() => process.exit(7), 400);";
  const child = spawn(process.execPath, processWith(script), { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdout.once('data', () => child.stdout.destroy());
  const [code] = await once(child, 'exit');
  expect(code).toBe(7);
});
