// Decides when which destination gets a run: after a commit, at a due time, when a place comes free.
// Before it the spool's index, after it BullMQ; the sweep makes good whatever was lost between them.
// Never opens a connection and never touches a message.
import type { Clock, Timer } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { LimitKey } from '../limits/limits.ts';
import type { Spool } from '../spool/spool.ts';
import type { RunQueue } from './bull.ts';
import { closedDoor, type Destination, type Destinations, standing, suspensionOf } from './destinations.ts';
import type { DestinationKey } from './entry.ts';
import { Idlers } from './idlers.ts';
import { PlaceLines, type SlowPlace, SlowPlaces } from './lines.ts';
import { RunRequests } from './requests.ts';

/** Due entries that deserve one more connection: fewer are sent faster by those that are open. */
const BACKLOG_PER_RUN = 4;

/** How often due times and lost runs are looked at. */
const SWEEP_MS = 1000;

/** A connection takes its next message in milliseconds: after this long it is at a large one, or hangs. */
const OVERDUE_MS = 1000;

export interface DispatcherOptions {
  readonly spool: Spool;
  readonly destinations: Destinations;
  readonly clock: Clock;
  readonly ask: RunQueue['ask'];
  /** Runs at a time, in all (delivery.connections). */
  readonly connections: number;
  /** Connections that the destination's limits still allow, and the limit that allows the fewest. */
  readonly room: (destination: Destination) => Room;
  readonly reached: ReachMilestone;
}

export interface Room {
  readonly places: number;
  /** Null: only the daemon's own limit. */
  readonly limit: LimitKey | null;
}

/** A run's leave to work. */
export interface Admission {
  /** Aborted when the run should end because others wait for its place; null: that cannot be. */
  readonly hurried: AbortSignal | null;
  /** The destination answers: the slow place goes to the next one. */
  answered(): void;
  ended(): void;
}

export class Dispatcher {
  readonly idlers = new Idlers();
  readonly #options: DispatcherOptions;
  readonly #slow: SlowPlaces;
  readonly #placeLines = new PlaceLines();
  readonly #requests: RunRequests;
  #running = 0;
  /** By key: a destination may be forgotten and made anew before it is looked at. */
  #dirty = new Set<DestinationKey>();
  #sweepTimer: Timer | null = null;
  /** Before its start the index is the only one that needs to know what arrived. */
  #working = false;
  #stopped = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    // What does not answer holds at most a third of all connections: the living keep the rest.
    this.#slow = new SlowPlaces(Math.max(1, Math.floor(options.connections / 3)));
    this.#requests = new RunRequests({ ...options, gone: (destination) => this.#slow.begun(destination) });
  }

  /** Reads the spool's index and begins to sweep. */
  start(): void {
    if (this.#stopped) return;
    this.#working = true;
    for (const stock of this.#options.spool.stock()) {
      this.#options.destinations.of(stock.destination).nextDue = stock.nextDue;
    }
    this.#sweep();
  }

  stop(): void {
    this.#stopped = true;
    this.#working = false;
    this.#sweepTimer?.cancel();
    this.idlers.dismissAll();
  }

  /** New or changed mail for these destinations is on disk. */
  arrived(keys: Iterable<DestinationKey>): void {
    for (const key of keys) this.look(this.#options.destinations.of(key));
  }

  /** Looks at a destination again in this turn of the event loop, once however often it is called. */
  look(destination: Destination): void {
    if (!this.#working) return;
    if (this.#dirty.size === 0) setImmediate(() => this.#flush());
    this.#dirty.add(destination.key);
  }

  /** Runs wait for a place in the worker, or destinations for one under these limits: turns should be short. */
  crowded(limits: readonly LimitKey[]): boolean {
    if (this.#requests.open > 0 && this.#running >= this.#options.connections) return true;
    return limits.some((limit) => this.#placeLines.waiting(limit));
  }

  get running(): number {
    return this.#running;
  }

  /** At the begin of a run: null when all slow places are taken (the destination then waits in line). */
  admit(destination: Destination, delayed: boolean): Admission | null {
    if (delayed) destination.delayedUntil = null;
    else this.#requests.begun(destination);
    const now = this.#options.clock.now();
    const slow = standing(destination, now) !== 'live';
    if (!this.#working || closedDoor(destination, now) || suspensionOf(destination, now)) return null;
    if (slow && destination.running > 0) return null;
    const hurry = slow ? new AbortController() : null;
    const place = hurry && this.#slow.take(destination, now, () => hurry.abort());
    if (hurry && !place) {
      this.#slow.wait(destination);
      return null;
    }
    // A run that was asked for with a delay may come before the destination's turn in the line.
    this.#slow.leave(destination);
    return this.#admission(destination, place, hurry?.signal ?? null);
  }

  /** The destination waits until a place under the limit comes free. */
  park(destination: Destination, full: LimitKey): void {
    this.#placeLines.add(full, destination);
    this.idlers.dismissOne(full);
  }

  /** A place under the limit came free. */
  freed(key: LimitKey): void {
    const first = this.#placeLines.first(key);
    if (!first) return;
    const { places, limit } = this.#options.room(first);
    // Another daemon's turn comes first: whoever left the line now would go to its end. Where it is another limit
    // that is full, the destination waits in that one's line, and the next one here gets its chance.
    if (places <= 0 && (limit ?? key) === key) return;
    const next = this.#firstToGo(() => this.#placeLines.next(key));
    if (next) this.look(next);
  }

  /** Limits under which somebody waits. */
  waitingLimits(): readonly LimitKey[] {
    return this.#placeLines.keys();
  }

  /** Limits changed: everybody who waited may try again. */
  limitsChanged(): void {
    for (const destination of this.#placeLines.empty()) this.look(destination);
  }

  #admission(destination: Destination, place: SlowPlace | null, hurried: AbortSignal | null): Admission {
    destination.running++;
    this.#running++;
    const answered = (): void => {
      place?.giveBack();
      this.#callSlow();
    };
    return {
      hurried,
      answered,
      ended: () => {
        destination.running--;
        this.#running--;
        answered();
        this.look(destination);
      },
    };
  }

  #flush(): void {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    if (this.#working) for (const key of dirty) this.#consider(this.#options.destinations.of(key));
  }

  #consider(destination: Destination): void {
    if (destination.parked) return;
    const now = this.#options.clock.now();
    destination.nextDue = this.#options.spool.nextDue(destination.key);
    if (destination.nextDue === null) return;
    if (suspensionOf(destination, now)) {
      // Runs that idle go home. None is asked for with a delay: the sweep sees when the suspension is over.
      this.idlers.wake(destination, destination.idle.size);
      return;
    }
    const start = startOf(destination, destination.nextDue, now);
    if (start > now) {
      // A pause keeps further connections away, and not the open ones from their work.
      if (destination.nextDue <= now && !destination.backOff) this.idlers.wake(destination, 1);
      this.#requests.later(destination, start);
    } else if (standing(destination, now) === 'live') this.#askLive(destination, now);
    else this.#askProbe(destination);
  }

  #askLive(destination: Destination, now: number): void {
    const { places, limit } = this.#options.room(destination);
    const room = places - destination.asked;
    if (room <= 0 && destination.running + destination.asked === 0 && limit !== null) {
      this.park(destination, limit);
      return;
    }
    const cap = BACKLOG_PER_RUN * (destination.running + destination.asked + Math.max(room, 0));
    const due = this.#options.spool.dueCount(destination.key, now, Math.max(cap, 1));
    this.idlers.wake(destination, due);
    const wanted = Math.ceil(due / BACKLOG_PER_RUN) - destination.running - destination.asked;
    for (let i = Math.min(wanted, room); i > 0; i--) this.#ask(destination, false);
  }

  /** One run at first for what is new or backs off: it finds out for all that wait. */
  #askProbe(destination: Destination): void {
    if (destination.running > 0) this.idlers.wake(destination, 1);
    if (destination.running + destination.asked > 0) return;
    if (this.#slow.isFreeFor(destination)) this.#ask(destination, true);
    else {
      this.#slow.wait(destination);
      this.#slow.hurryOne(this.#options.clock.now());
    }
  }

  #ask(destination: Destination, slow: boolean): void {
    if (slow) this.#slow.asked(destination);
    if (this.#running >= this.#options.connections) this.idlers.dismissOne(null);
    this.#requests.now(destination, slow);
  }

  /** The same mail has been due since the last look: all runs are held up by something slow. One more. */
  #relieve(destination: Destination, seen: number, now: number): void {
    const { spool, room } = this.#options;
    if (destination.parked || standing(destination, now) !== 'live') return;
    destination.nextDue = spool.nextDue(destination.key);
    if (destination.nextDue === seen && room(destination).places > 0) this.#ask(destination, false);
  }

  #callSlow(): void {
    const next = this.#firstToGo(() => this.#slow.call());
    if (next) this.look(next);
  }

  /** Who is suspended leaves the line: a place that it could not use would be nobody's. */
  #firstToGo(call: () => Destination | undefined): Destination | undefined {
    const now = this.#options.clock.now();
    let next = call();
    while (next && suspensionOf(next, now)) next = call();
    return next;
  }

  #sweep(): void {
    if (!this.#working) return;
    const now = this.#options.clock.now();
    const full = this.#running >= this.#options.connections;
    for (const destination of this.#options.destinations.all()) {
      if (!full) this.#requests.forgetLost(destination);
      const { nextDue, running, asked } = destination;
      if (nextDue === null || asked > 0 || startOf(destination, nextDue, now) > now) continue;
      if (running === 0) this.look(destination);
      else if (now - nextDue > OVERDUE_MS) this.#relieve(destination, nextDue, now);
    }
    // Who was called may have needed nothing any more: the next ones get their turn here.
    for (let free = this.#slow.free; free > 0; free--) this.#callSlow();
    this.#slow.hurry(now);
    for (const key of this.#placeLines.keys()) this.freed(key);
    this.#options.destinations.forgetIdle(now);
    this.#sweepTimer = this.#options.clock.after(SWEEP_MS, () => this.#sweep());
  }
}

function startOf(destination: Destination, due: number, now: number): number {
  const closed = closedDoor(destination, now)?.until ?? 0;
  return Math.max(due, closed, destination.notBefore, destination.suspension?.until ?? 0);
}
