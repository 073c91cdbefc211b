// Says when configuration files have changed, whichever way an editor or an orchestrator replaces them.
// The daemon reloads on it; `files` of a loaded policy say what to watch.
// Never polls, and never reads what is in the files.
import { type FSWatcher, readdirSync, realpathSync, statSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock, Timer } from '../clock/clock.ts';
import { reasonOf } from './yaml-file.ts';

/** How long files must lie still: a save is several steps, and half a file is a broken one. */
const QUIET_MS = 200;

/**
 * Calls `onChange` once after each change of a file, or of the *.yaml of a folder, also when one appears or
 * goes. A folder that cannot be watched is told to `onTrouble`: changes in it need a SIGHUP then.
 * Returns what ends the watch.
 */
export function watchFiles(
  paths: readonly string[],
  onChange: () => void,
  clock: Clock,
  onTrouble: (text: string) => void = () => undefined,
): () => void {
  let reported = stateOf(paths);
  let latest = reported;
  let timer: Timer | null = null;
  const look = (): void => {
    timer = null;
    const state = stateOf(paths);
    if (state !== latest) {
      latest = state;
      stir();
    } else if (state !== reported) {
      reported = state;
      onChange();
    }
  };
  const stir = (): void => {
    timer ??= clock.after(QUIET_MS, look);
  };
  const watchers = foldersOf(paths).flatMap((folder) => watchFolder(folder, stir, onTrouble));
  return () => {
    timer?.cancel();
    for (const watcher of watchers) watcher.close();
  };
}

function watchFolder(folder: string, stir: () => void, onTrouble: (text: string) => void): FSWatcher[] {
  const trouble = (error: unknown): void => onTrouble(`cannot watch ${folder}: ${reasonOf(error)}`);
  try {
    const watcher = watch(folder, { persistent: false }, stir);
    watcher.on('error', trouble);
    return [watcher];
  } catch (error) {
    trouble(error);
    return [];
  }
}

/**
 * Folders are watched, not files: a file that is replaced by a rename is another file. Behind a symbolic
 * link, both the link's folder and the target's.
 */
function foldersOf(paths: readonly string[]): string[] {
  const folders = paths.flatMap((path) => {
    if (isFolder(path)) return [path];
    return [dirname(path), dirname(realPath(path))];
  });
  return [...new Set(folders)];
}

/** Changes whenever a file is written, replaced, made or removed. */
function stateOf(paths: readonly string[]): string {
  return paths
    .flatMap((path) => (isFolder(path) ? filesIn(path) : [path]))
    .map(stampOf)
    .join('\n');
}

function filesIn(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  return names.sort().map((name) => join(folder, name));
}

function stampOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? `${file} absent` : `${file} ${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
