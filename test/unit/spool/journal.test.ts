// The under-way journal: what one process marks, the next one reads.
// A file in a temporary folder; opening it again stands for the next process.
// Never needs a crash: the file is written at once.
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { QueueEntry } from '../../../src/queue/entry.ts';
import { Journal, readJournal } from '../../../src/spool/journal.ts';
import { temporaryFolder } from '../../harness/folder.ts';

function entry(id: string, seq: number, crashes = 0): QueueEntry {
  const state = { attempts: 0, routeAttempts: 0, expires: 9, warnings: 0, crashes };
  return { id, seq, destination: 'd', recipients: [0], due: 1_800_000_000_123, ...state };
}

test('tells what was claimed, and of what the dot was sent', () => {
  const path = join(temporaryFolder(), 'journal');
  expect(readJournal(path)).toEqual([]);
  const journal = new Journal(path);
  journal.claim(entry('d203ybvb8dbw', 0));
  const sent = journal.claim(entry('d203ybvb8dbx', 70_000, 2));
  const settled = journal.claim(entry('d203ybvb8dby', 0));
  journal.dotSent(sent);
  journal.clear(settled);
  const due = 1_800_000_000_123;
  const expected = [
    { id: 'd203ybvb8dbw', seq: 0, due, crashes: 0, dotSent: false },
    { id: 'd203ybvb8dbx', seq: 70_000, due, crashes: 2, dotSent: true },
  ];
  expect(readJournal(path)).toEqual(expected);
  journal.close();
  expect(readJournal(path)).toEqual(expected);
  new Journal(path).close();
  expect(readJournal(path)).toEqual([]);
});

test('uses its slots again', () => {
  const path = join(temporaryFolder(), 'journal');
  const journal = new Journal(path);
  for (let i = 0; i < 100; i++) {
    const slot = journal.claim(entry('a', i));
    expect(slot).toBe(0);
    journal.dotSent(slot);
    if (i % 2 === 0) journal.reuse(slot);
    else journal.clear(slot);
  }
  expect(journal.claim(entry('b', 1))).toBe(0);
  expect(readJournal(path)).toMatchObject([{ id: 'b', seq: 1, dotSent: false }]);
  journal.close();
});

test('reads past a torn end', () => {
  const path = join(temporaryFolder(), 'journal');
  const journal = new Journal(path);
  journal.claim(entry('a', 1));
  journal.claim(entry('b', 2));
  journal.close();
  truncateSync(path, 40);
  expect(readJournal(path)).toMatchObject([{ id: 'a', seq: 1 }]);
});
