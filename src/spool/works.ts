// What the spool commits, as works: a new message, a change, a withdrawal.
// disk-spool.ts makes them for its callers; commits.ts stages them in the order in which they came.
// Never stages a change whose recipients do not add up, or half of anything.
import type { Message } from '../mail/envelope.ts';
import type { EntryKey, QueueEntry } from '../queue/entry.ts';
import { SpoolBody } from './bodies.ts';
import type { Work } from './commits.ts';
import { type Frame, LONGEST_ID } from './frames.ts';
import { checkEntry } from './keys.ts';
import type { Place } from './records.ts';
import type { SegmentPlace } from './segments.ts';
import { type Change, type NewMessage, SpoolError } from './spool.ts';
import type { Staging } from './staging.ts';
import { recipientsOf, sumOfEnded } from './totals.ts';

/** Octets; lmdb takes 1978. */
const LONGEST_NOTE_KEY = 1024;

/** A message whose content is in memory, for a segment, or on disk in its own file. */
export interface Prepared {
  readonly message: Message;
  readonly entries: readonly QueueEntry[];
  readonly discarded: number;
  readonly body: SpoolBody;
  /** Null: nothing to append. */
  readonly frame: Frame | null;
}

/** Ends the writing of the content. Rejects with SpoolError, or RangeError for what cannot be stored. */
export async function prepare(added: NewMessage): Promise<Prepared> {
  const { body, entries, discarded } = added;
  if (!(body instanceof SpoolBody)) throw new TypeError('the body was not received by this spool');
  const message: Message = { ...added.message, size: body.size };
  try {
    if (message.id === '' || message.id.length > LONGEST_ID)
      throw new RangeError(`no queue id: ${message.id}`);
    for (const entry of entries) checkEntry(entry);
    if (entries.length > 0) {
      const frame = await body.finish(message.id);
      return { message, entries, discarded, body, frame };
    }
  } catch (error) {
    body.discard();
    throw error;
  }
  body.discard();
  return { message, entries, discarded, body, frame: null };
}

export function messageWork(prepared: Prepared, settled: () => void, failed: (error: Error) => void): Work {
  const { frame, body, message } = prepared;
  const work: Work = {
    frames: frame === null ? [] : [frame],
    places: [],
    milestones: message.origin === 'client' ? ['committed'] : [],
    stage: (staging) => stageMessage(staging, prepared, work.places[0]),
    settled: () => {
      body.release();
      settled();
    },
    failed: (error) => {
      body.abandon(message.id);
      failed(error);
    },
  };
  return work;
}

function stageMessage(staging: Staging, prepared: Prepared, appended: SegmentPlace | undefined): void {
  const { message, entries, discarded } = prepared;
  if (staging.message(message.id) !== undefined) throw new SpoolError(`${message.id} exists already`);
  const queued = recipientsOf(entries);
  staging.ledger.accept(message.origin, queued + discarded);
  staging.ledger.end({ discarded });
  if (entries.length === 0) {
    staging.touch();
    return;
  }
  const place: Place = appended ?? { kind: 'large' };
  staging.addMessage({ message, place, queued, discarded });
  for (const entry of entries) staging.putEntry(entry);
}

export function changeWork(
  change: Change,
  born: readonly Prepared[],
  settled: () => void,
  failed: (error: Error) => void,
): Work {
  const notes = Object.entries(change.notes ?? {}).map(([key, value]) => noteOf(key, value));
  const work: Work = {
    frames: born.flatMap(({ frame }) => (frame === null ? [] : [frame])),
    places: [],
    milestones: born.length > 0 ? ['settled', 'dsn'] : keysOf(change).length > 0 ? ['settled'] : [],
    stage: (staging) => {
      stageEntries(staging, change);
      staging.ledger.end(change.ended ?? {});
      let next = 0;
      for (const message of born) {
        stageMessage(staging, message, message.frame === null ? undefined : work.places[next++]);
      }
      for (const [key, json] of notes) staging.note(key, json);
    },
    settled: () => {
      for (const { body } of born) body.release();
      settled();
    },
    failed: (error) => {
      for (const { body, message } of born) body.abandon(message.id);
      failed(error);
    },
  };
  return work;
}

function stageEntries(staging: Staging, { remove = [], put = [], ended = {} }: Change): void {
  const leaving = remove.flatMap((key) => staging.entry(key) ?? []);
  const replaced = put.flatMap((entry) => staging.entry(entry) ?? []);
  checkBooks(leaving, replaced, put, sumOfEnded(ended));
  for (const entry of put) {
    checkEntry(entry);
    if (staging.message(entry.id) === undefined) throw new SpoolError(`${entry.id} is gone`);
  }
  for (const entry of leaving) staging.removeEntry(entry);
  for (const entry of put) staging.putEntry(entry);
  for (const id of new Set(leaving.map(({ id }) => id))) staging.dropIfDone(id);
}

/** Every recipient that leaves an entry is in another one or has ended. */
function checkBooks(
  leaving: readonly QueueEntry[],
  replaced: readonly QueueEntry[],
  put: readonly QueueEntry[],
  ended: number,
): void {
  const before = recipientsOf(leaving) + recipientsOf(replaced);
  const after = recipientsOf(put);
  if (before !== after + ended) {
    throw new SpoolError(`a change of ${before} recipients leaves ${after} and ends ${ended}`);
  }
}

/** Undoes a message that nobody has touched yet. `settled(false)`: it is too late. */
export function withdrawalWork(
  id: string,
  settled: (withdrawn: boolean) => void,
  failed: (error: Error) => void,
): Work {
  let withdrawn = false;
  return {
    frames: [],
    places: [],
    milestones: [],
    stage: (staging) => {
      const stored = staging.message(id);
      const entries = staging.entries(id);
      if (stored === undefined || recipientsOf(entries) !== stored.queued) return;
      for (const entry of entries) staging.removeEntry(entry);
      staging.dropIfDone(id);
      staging.ledger.accept(stored.message.origin, -stored.queued - stored.discarded);
      staging.ledger.end({ discarded: -stored.discarded });
      withdrawn = true;
    },
    settled: () => settled(withdrawn),
    failed,
  };
}

/** Entries that a change touches. */
export function keysOf({ remove = [], put = [] }: Change): readonly EntryKey[] {
  return [...remove, ...put];
}

/** A note as it is stored; null removes it. */
function noteOf(key: string, value: unknown): readonly [key: string, json: string | null] {
  const json: string | null | undefined = value === null ? null : JSON.stringify(value);
  if (json === undefined) throw new TypeError(`note ${key} is not JSON`);
  if (key === '' || Buffer.byteLength(key) > LONGEST_NOTE_KEY)
    throw new RangeError(`no key of a note: ${key}`);
  return [key, json];
}
