// Where a test may take hold of the daemon: time, luck, the points where it may die, the disk.
// daemon.ts takes them; every part gets its own from there.
// Never holds a part of the daemon.
import type { FileDoor } from '../spool/files.ts';
import { type Clock, systemClock } from './clock.ts';
import type { ReachMilestone } from './milestones.ts';
import type { Random } from './random.ts';

/** What a test replaces. */
export interface Seams {
  readonly clock: Clock;
  readonly random: Random;
  readonly reached: ReachMilestone;
  /** The disk, as far as bodies go. */
  readonly files?: FileDoor;
  /** Octets of a spool segment. */
  readonly segmentSize?: number;
}

export const production: Seams = { clock: systemClock, random: Math.random, reached: () => undefined };
