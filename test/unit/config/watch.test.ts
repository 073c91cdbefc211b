// A change is told once, whichever way the file is replaced, and silence follows the end of the watch.
// Runs watchFiles on a folder of the test's own with real file events and a clock that the test moves.
// Never waits for time to pass.
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { watchFiles } from '../../../src/config/watch.ts';
import { MovableClock } from '../../harness/clock.ts';
import { temporaryFolder } from '../../harness/folder.ts';
import { until } from '../../harness/until.ts';

interface Watched {
  readonly changes: () => number;
  /** Resolves when `changes` has reached `count`. */
  reached(count: number): Promise<unknown>;
  stop(): void;
}

function watched(...paths: readonly string[]): Watched {
  const clock = new MovableClock();
  let changes = 0;
  const stop = watchFiles(paths, () => changes++, clock);
  onTestFinished(stop);
  const reached = (count: number) =>
    until(`change ${count}`, () => {
      clock.advance(250);
      return changes >= count;
    });
  return { changes: () => changes, reached, stop };
}

test('a file that is written, replaced by a rename, removed and made again', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, 'rules:');
  const watch = watched(file);
  writeFileSync(file, 'rules: []');
  await watch.reached(1);
  writeFileSync(join(folder, 'policy.yaml.new'), 'rules: [] # renamed');
  renameSync(join(folder, 'policy.yaml.new'), file);
  await watch.reached(2);
  rmSync(file);
  await watch.reached(3);
  writeFileSync(file, 'rules: []');
  await watch.reached(4);
  expect(watch.changes()).toBe(4);
});

test('of a folder, its yaml files count, and nothing else does', async () => {
  const folder = temporaryFolder();
  const watch = watched(folder);
  writeFileSync(join(folder, 'notes.txt'), 'x');
  writeFileSync(join(folder, '10-routes.yaml'), 'routes:');
  await watch.reached(1);
  writeFileSync(join(folder, 'notes.txt'), 'y');
  writeFileSync(join(folder, '20-rules.yaml'), 'rules:');
  await watch.reached(2);
  expect(watch.changes()).toBe(2);
});

test('a link that is turned to another folder, as orchestrators do', async () => {
  const folder = temporaryFolder();
  for (const version of ['v1', 'v2']) {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'policy.yaml'), `# ${version}`);
  }
  symlinkSync('v1', join(folder, 'data'));
  symlinkSync(join('data', 'policy.yaml'), join(folder, 'policy.yaml'));
  const watch = watched(join(folder, 'policy.yaml'));
  symlinkSync('v2', join(folder, 'data.new'));
  renameSync(join(folder, 'data.new'), join(folder, 'data'));
  await watch.reached(1);
});

test('nothing is told once the watch has ended', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, 'rules:');
  const [ended, going] = [watched(file), watched(file)];
  ended.stop();
  writeFileSync(file, 'rules: []');
  await going.reached(1);
  expect(ended.changes()).toBe(0);
});

test('a folder that cannot be watched is told', () => {
  const troubles: string[] = [];
  const missing = join(temporaryFolder(), 'gone', 'policy.yaml');
  watchFiles(
    [missing],
    () => undefined,
    new MovableClock(),
    (text) => troubles.push(text),
  )();
  expect(troubles).toEqual([expect.stringMatching(/cannot watch .*gone: no such file/)]);
});
