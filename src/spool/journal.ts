// The under-way journal: which entries this process works on, readable by the next one.
// claims.ts marks and clears slots as entries are claimed, sent and settled; recovery.ts reads them.
// Never waits for the disk: it outlives a crash of the process, not of the machine.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { EntryKey, QueueEntry } from '../queue/entry.ts';

/** An entry that was under way, as it stood when it was claimed. */
export interface UnderWay extends EntryKey {
  readonly due: number;
  readonly crashes: number;
  /** The final dot may have been sent. */
  readonly dotSent: boolean;
}

/** state 1, crashes 1, length of id 1, unused 1, seq 4, due 8, id 16. */
const SLOT = 32;
const FREE = 0;
const CLAIMED = 1;
const DOT_SENT = 2;
const ID_AT = 16;

export class Journal {
  readonly #fd: number;
  readonly #free: number[] = [];
  #slots = 0;
  readonly #buffer = Buffer.alloc(SLOT);

  /** Empties the file: what it told was read before. */
  constructor(path: string) {
    this.#fd = openSync(path, 'w+');
  }

  /** Takes a slot for the entry. */
  claim(entry: QueueEntry): number {
    const slot = this.#free.pop() ?? this.#slots++;
    const buffer = this.#buffer.fill(0);
    buffer[0] = CLAIMED;
    buffer[1] = Math.min(entry.crashes, 255);
    buffer[2] = buffer.write(entry.id, ID_AT, 'latin1');
    buffer.writeUInt32LE(entry.seq, 4);
    buffer.writeDoubleLE(entry.due, 8);
    writeSync(this.#fd, buffer, 0, SLOT, slot * SLOT);
    return slot;
  }

  dotSent(slot: number): void {
    this.#buffer[0] = DOT_SENT;
    writeSync(this.#fd, this.#buffer, 0, 1, slot * SLOT);
  }

  clear(slot: number): void {
    this.#buffer[0] = FREE;
    writeSync(this.#fd, this.#buffer, 0, 1, slot * SLOT);
    this.#free.push(slot);
  }

  /** Gives the slot of an entry that exists no more to the next one: what it says harms nobody. */
  reuse(slot: number): void {
    this.#free.push(slot);
  }

  close(): void {
    if (this.#free.length === this.#slots) ftruncateSync(this.#fd, 0);
    closeSync(this.#fd);
  }
}

/** What the last process left in its journal. */
export function readJournal(path: string): UnderWay[] {
  const found: UnderWay[] = [];
  const content = contentOf(path);
  for (let at = 0; at + SLOT <= content.length; at += SLOT) {
    const slot = content.subarray(at, at + SLOT);
    if (slot[0] !== CLAIMED && slot[0] !== DOT_SENT) continue;
    found.push({
      id: slot.toString('latin1', ID_AT, ID_AT + (slot[2] ?? 0)),
      seq: slot.readUInt32LE(4),
      due: slot.readDoubleLE(8),
      crashes: slot[1] ?? 0,
      dotSent: slot[0] === DOT_SENT,
    });
  }
  return found;
}

function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}
