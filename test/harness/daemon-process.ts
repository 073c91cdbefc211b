// The daemon under test, as a process of its own: real in everything but its clock and its luck.
// Started by sendoff.ts with a channel: the test moves the clock and says where the process dies.
// Never used without that channel.

import { readConfiguration } from '../../src/cli/configuration.ts';
import type { Milestone } from '../../src/clock/milestones.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { startDaemon } from '../../src/daemon.ts';
import { MovableClock } from './clock.ts';
import { type DiskState, FaultyDisk } from './disk.ts';

export interface Fate {
  readonly milestone: Milestone;
  /** 1: the first time that the point is reached from now on. */
  readonly nth: number;
}

export type Order = { readonly advance: number } | { readonly die: Fate } | { readonly disk: DiskState };

export type Word =
  | { readonly ready: { readonly ports: readonly number[]; readonly admin: number } }
  | { readonly done: true };

/** Second argument, as JSON. */
export interface Beginning {
  /** How far the clock is ahead. */
  readonly offset: number;
  readonly fate: Fate | null;
  /** Octets of a spool segment, where the test needs many. */
  readonly segmentSize?: number;
}

const beginning: Beginning = JSON.parse(process.argv[3] ?? '');
let fate = beginning.fate;
let reachedSoFar = 0;

function reached(milestone: Milestone): void {
  if (fate?.milestone !== milestone || ++reachedSoFar < fate.nth) return;
  process.kill(process.pid, 'SIGKILL');
}

const clock = new MovableClock();
clock.advance(beginning.offset);
const say = (word: Word): void => void process.send?.(word);

const configuration = await readConfiguration(process.argv[2]);
if ('problems' in configuration) throw new Error(configuration.problems.map(formatProblem).join('\n'));
const files = new FaultyDisk();
const { segmentSize } = beginning;
const seams = { clock, random: Math.random, reached, files, ...(segmentSize && { segmentSize }) };
const daemon = await startDaemon({ ...configuration, seams });

process.on('message', (order: Order) => {
  if ('advance' in order) clock.advance(order.advance);
  else if ('disk' in order) files.state = order.disk;
  else {
    fate = order.die;
    reachedSoFar = 0;
  }
  say({ done: true });
});
let stopping = false;
process.on('SIGTERM', () => {
  if (stopping) return;
  stopping = true;
  void daemon.stop().then(() => process.exit(0));
});
process.on('SIGHUP', () => void daemon.reload());
void daemon.failed.then(() => daemon.stop()).then(() => process.exit(75));
say({ ready: { ports: daemon.listeners.map(({ port }) => port), admin: daemon.admin.port } });
