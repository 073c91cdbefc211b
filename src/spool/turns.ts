// Whose turn it is within one destination: mail of high priority, of normal, or of low.
// due.ts asks before each claim and tells what came of it.
// Never leaves a lane without turns: ten thousand urgent messages do not keep one newsletter waiting for ever.
import type { Random } from '../clock/random.ts';
import type { Priority } from '../queue/entry.ts';

/** Ten claims: six for high, three for normal, one for low, spread so that nobody waits for a long block. */
const TURNS = [
  'high',
  'normal',
  'high',
  'high',
  'normal',
  'high',
  'low',
  'high',
  'normal',
  'high',
] as const satisfies readonly Priority[];

/** Who uses a turn: its own lane, or else the most urgent one that has mail. */
const ORDER: Readonly<Record<Priority, readonly Priority[]>> = {
  high: ['high', 'normal', 'low'],
  normal: ['normal', 'high', 'low'],
  low: ['low', 'high', 'normal'],
};

export class Turns {
  #next: number;
  /** Turns of claims that were given back unused: they come before the others. */
  readonly #owed: Priority[] = [];

  /**
   * Begins anywhere: a destination may be forgotten after each claim and begun anew, and its low mail
   * gets its tenth all the same.
   */
  constructor(random: Random) {
    this.#next = Math.floor(random() * TURNS.length);
  }

  /** Priorities in the order in which they may have this turn. */
  order(): readonly Priority[] {
    return ORDER[this.#owed.at(-1) ?? TURNS[this.#next] ?? 'normal'];
  }

  /** The turn was used for a claim. */
  taken(): void {
    if (this.#owed.pop() === undefined) this.#next = (this.#next + 1) % TURNS.length;
  }

  /**
   * A claim came to nothing, as where a rate says wait: its lane goes next. A run that claims, waits, and
   * claims again would otherwise use up every other turn, and with that perhaps each one of a lane.
   */
  givenBack(priority: Priority): void {
    this.#owed.push(priority);
  }
}
